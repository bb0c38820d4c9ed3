// Runs of replies that stand in the model's training text, underlined: by one request for each reply.

const MAX_SEARCHED = 10_000; // characters of a reply that the server takes at once
const SEARCHED_BEFORE = 1000; // characters before it, where a run may begin

const insideUrl = (name) => new URL(`inside/${name}`, document.baseURI).href; // of a file or a route of "Look inside"
const copies = new Map(); // {runs: [from, to] of each, note: what is said of them}, of a reply by its id and length
let isUnderlined = false;
let isSearching = false;
let underlined = ""; // the replies that are underlined now
let noted = null; // the note that is shown

const copiesNote = make("p", "copies-note");
copiesNote.setAttribute("role", "status");

function setUnderlined(value) {
  if (value === isUnderlined) return;
  isUnderlined = value;
  [copiesNote.textContent, noted] = ["", null];
  if (isUnderlined) composer().before(copiesNote);
  else copiesNote.remove();
  paintCopies();
}

// What the underline means, and how often it is wrong.
function copiesNoteOf({ runs, errors, model }) {
  if (runs === null) return [words("copies.none", { model })];
  const wrong = errors.windows === undefined ? words("copies.unmeasured") : words("copies.errors", { windows: percent(errors.windows) });
  const inFull = errors.runs === undefined ? "" : words("copies.errors_runs", { runs: percent(errors.runs) });
  return [make("span", "copied-sample", words("copies.legend")), " ", [words("copies.found", { n: runs.length }), wrong, inFull].filter(Boolean).join(" ")];
}

// What is known of the last reply.
function showCopiesNote() {
  const last = entries.flatMap(({ turn }) => turn.replies).findLast((reply) => reply.text && !reply.writing);
  const note = last && copies.get(surpriseKey(last))?.note;
  if (!note || note === noted) return;
  noted = note;
  copiesNote.replaceChildren(...note);
}

function paintCopies() {
  if (isUnderlined) {
    searchNext();
    showCopiesNote();
  }
  const done = isUnderlined ? entries.flatMap(({ turn }) => turn.replies.filter((reply) => !reply.writing && copies.has(surpriseKey(reply)))) : [];
  const signature = done.map(surpriseKey).join();
  if (signature === underlined) return;
  underlined = signature;
  const ranges = [];
  if (isUnderlined) {
    for (const { turn, replies } of entries) {
      turn.replies.forEach((reply, index) => {
        const node = replies[index].text;
        if (node.data !== reply.text) return;
        for (const [from, to] of copies.get(surpriseKey(reply))?.runs ?? []) ranges.push(rangeOf(node, from, to));
      });
    }
  }
  paint("copied", ranges);
}

// Whether the character at `offset` is underlined.
function isCopied(reply, offset) {
  return isUnderlined && (copies.get(surpriseKey(reply))?.runs ?? []).some(([from, to]) => offset >= from && offset < to);
}

// Places that count characters -> offsets of JavaScript.
function offsetsOf(text, runs) {
  const starts = [0];
  for (const character of text) starts.push(starts.at(-1) + character.length);
  return runs.map(([from, to]) => [starts[from], starts[to]]);
}

// Of the replies on the page, the last one whose runs are not known: one request at a time.
async function searchNext() {
  if (isSearching) return;
  const all = entries.flatMap(({ turn }) => turn.replies.map((reply) => ({ turn, reply })));
  const next = all.findLast(({ reply }) => reply.text && !reply.writing && !copies.has(surpriseKey(reply)));
  if (!next) return;
  isSearching = true;
  const { turn, reply } = next;
  const key = surpriseKey(reply);
  try {
    const { ask } = await import(insideUrl("data.js"));
    const text = [...reply.text].slice(0, MAX_SEARCHED).join("");
    const before = [...(reply.prompt || turn.prompt)].slice(-SEARCHED_BEFORE).join("");
    const answer = await (await ask(insideUrl("copies"), { text, before, model: reply.model })).json();
    copies.set(key, { runs: offsetsOf(reply.text, answer.runs ?? []), note: copiesNoteOf({ ...answer, model: reply.model }) });
  } catch (error) {
    copies.set(key, { runs: [], note: [error.message] }); // not asked again before the page is loaded anew
  }
  isSearching = false;
  paintCopies();
}
