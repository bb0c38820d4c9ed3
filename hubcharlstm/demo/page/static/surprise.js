// Replies coloured by surprise: the bits of each character, by one request for each reply.

const MAX_BITS = 8; // from here on the strongest colour
const LEVELS = 8;
const MAX_SCORED = 10_000; // characters of a text, and of what stands before it, that the server scores

const surprises = new Map(); // the bits of each character of a reply, by its id and length
const failures = new Map(); // why there are none, by the same
let isColored = false;
let isScoring = false;
let painted = ""; // the replies that are painted now

const scale = make("p", "surprise-scale");
scale.append(make("span", "scale-name", words("surprise.scale")));
for (let level = 0; level <= LEVELS; level += 1) scale.append(make("span", `swatch level-${level}`));
const scaleNote = make("span", "scale-note");
scale.append(make("span", "scale-end", words("surprise.more")), scaleNote);
const SCALE_NOTE = words("surprise.note");

function setColored(value) {
  if (value === isColored) return;
  isColored = value;
  if (isColored) composer().before(scale);
  else scale.remove();
  paintSurprise();
}

const surpriseKey = ({ id, text }) => `${id} ${text.length}`;

// The bits of the character at `offset` of a reply that is coloured, else undefined.
function bitsAt(reply, offset) {
  if (!isColored) return undefined;
  return surprises.get(surpriseKey(reply))?.[lengthInCharacters(reply.text.slice(0, offset))];
}

// What is to be known of the replies on the page.
function scaleNoteOf() {
  const replies = entries.flatMap(({ turn }) => turn.replies);
  const failure = replies.map((reply) => failures.get(surpriseKey(reply))).findLast(Boolean);
  const isClamped = replies.some((reply) => reply.clamp?.length > 0 && surprises.has(surpriseKey(reply)));
  return failure ?? (isClamped ? `${SCALE_NOTE} ${words("surprise.clamped")}` : SCALE_NOTE);
}

// A reply that grows is painted once it is done: nothing is painted again meanwhile.
function paintSurprise() {
  if (isColored) {
    scoreNext();
    scaleNote.textContent = scaleNoteOf();
  }
  const done = isColored ? entries.flatMap(({ turn }) => turn.replies.filter((reply) => !reply.writing && surprises.has(surpriseKey(reply)))) : [];
  const signature = done.map(surpriseKey).join();
  if (signature === painted) return;
  painted = signature;
  const ranges = Array.from({ length: LEVELS + 1 }, () => []);
  if (isColored) {
    for (const { turn, replies } of entries) turn.replies.forEach((reply, index) => addRanges(ranges, reply, replies[index].text));
  }
  ranges.forEach((of, level) => level > 0 && paint(`surprise-${level}`, of));
}

// One range for neighbours of one level.
function addRanges(ranges, reply, node) {
  const bits = surprises.get(surpriseKey(reply));
  if (!bits || node.data !== reply.text) return;
  let [offset, from, last] = [0, 0, 0];
  for (const value of [...bits, 0]) {
    const level = Math.round(LEVELS * Math.min(Math.max(value, 0) / MAX_BITS, 1));
    if (level !== last || offset >= node.length) {
      if (last > 0) ranges[last].push(rangeOf(node, from, offset));
      [from, last] = [offset, level];
    }
    if (offset < node.length) offset = endOfCharacter(node.data, offset);
  }
}

// Of the replies on the page, the last one without its bits: one request at a time.
async function scoreNext() {
  if (isScoring) return;
  const all = entries.flatMap(({ turn }) => turn.replies.map((reply) => ({ turn, reply })));
  const next = all.findLast(({ reply }) => reply.text && !reply.writing && !surprises.has(surpriseKey(reply)));
  if (!next) return;
  isScoring = true;
  const { turn, reply } = next;
  const key = surpriseKey(reply);
  try {
    const text = [...reply.text].slice(0, MAX_SCORED).join("");
    const prompt = [...(reply.prompt || turn.prompt)].slice(-MAX_SCORED).join("");
    const { log_probs } = await callEndpoint("score", { text, prompt, model: reply.model });
    surprises.set(key, log_probs.map((value) => -value / Math.LN2));
  } catch (error) {
    surprises.set(key, []); // not asked again before the page is loaded anew
    failures.set(key, error.message);
  }
  isScoring = false;
  paintSurprise();
}
