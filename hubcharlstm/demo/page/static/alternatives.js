// What could have stood at a character of a reply: the likeliest characters with bars; a choice writes on from there.

const MAX_ANSWERS = 300; // that the page remembers
const answers = new Map(); // by reply and place
let openedAlternatives = null; // {root, offset, isPinned, panel, abort}

function samplingOf({ temperature, top_k, top_p, min_p }) {
  return { temperature, top_k, top_p, min_p };
}

async function alternativesAt({ reply, turn }, offset, signal) {
  const text = reply.text.slice(0, offset < reply.text.length ? endOfCharacter(reply.text, offset) : offset);
  const key = `${reply.id} ${offset} ${text.length}`;
  if (!answers.has(key)) {
    const position = lengthInCharacters(reply.text.slice(0, offset));
    const prompt = reply.prompt || turn.prompt;
    const params = { text, position, prompt, clamp: reply.clamp ?? [], model: reply.model, ...samplingOf(reply) };
    const answer = await callEndpoint("alternatives", params, signal);
    if (answers.size >= MAX_ANSWERS) answers.delete(answers.keys().next().value);
    answers.set(key, answer);
  }
  return answers.get(key);
}

function closeAlternatives(returnFocus = false) {
  clearTimeout(leaveTimer);
  if (!openedAlternatives) return;
  const { root, offset, panel, abort } = openedAlternatives;
  openedAlternatives = null;
  abort.abort();
  panel.remove();
  if (returnFocus && root.isConnected) {
    cursor = { root, offset };
    root.focus({ preventScroll: true });
  } else if (document.activeElement !== root) cursor = null;
  paintPlace();
}

// isPinned: stays until it is closed, and takes the focus.
async function openAlternatives(place, { isPinned }) {
  const found = replyAt(place.root);
  if (!found || found.reply.writing) return;
  if (isPinned && isSamePlace(openedAlternatives, place) && !openedAlternatives.isPinned) {
    clearTimeout(dwellTimer);
    openedAlternatives.isPinned = true;
    focusChoice(openedAlternatives.panel);
    return;
  }
  clearTimeout(dwellTimer);
  closeAlternatives();
  closeMenu();
  const panel = make("div", "alternatives");
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-label", words("alternatives.label", { place: describePlace(place) }));
  panel.tabIndex = -1;
  const opened = (openedAlternatives = { ...place, isPinned, panel, abort: new AbortController() });
  panel.append(make("p", "alternatives-wait", "…"));
  panel.addEventListener("pointerenter", () => clearTimeout(leaveTimer));
  panel.addEventListener("pointerleave", () => leaveSoon());
  panel.addEventListener("keydown", onAlternativesKeyDown);
  document.querySelector(".gradio-container").append(panel);
  paintPlace();
  placePanel(opened, found);
  if (isPinned) panel.focus({ preventScroll: true });
  try {
    const answer = await alternativesAt(found, place.offset, opened.abort.signal);
    if (openedAlternatives !== opened) return;
    fillPanel(panel, answer, found, place.offset);
    placePanel(opened, found);
    if (opened.isPinned) focusChoice(panel);
  } catch (error) {
    if (openedAlternatives !== opened) return;
    const sentence = make("p", "alternatives-error", error.message);
    sentence.setAttribute("role", "alert");
    panel.replaceChildren(sentence);
    placePanel(opened, found);
  }
}

// Where the character stands in the window.
function boxOf({ offset }, { node, root }) {
  const range = offset < node.length ? rangeOf(node, offset, endOfCharacter(node.data, offset)) : rangeOf(node, node.length, node.length);
  return [...range.getClientRects()].at(-1) ?? root.getBoundingClientRect();
}

function placePanel(opened, found) {
  const { panel } = opened;
  const box = boxOf(opened, found);
  const size = panel.getBoundingClientRect();
  const below = box.bottom + size.height + 10 <= innerHeight;
  const above = box.top - size.height - 4;
  panel.style.left = `${Math.max(8, Math.min(box.left - 24, innerWidth - size.width - 8))}px`;
  panel.style.top = `${below || above < 8 ? Math.max(8, Math.min(box.bottom + 4, innerHeight - size.height - 8)) : above}px`;
}

function percent(probability) {
  const inPercent = (share, digits) => inDigits(share, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (probability === 0) return inPercent(0, 0);
  return probability < 0.001 ? `<${inPercent(0.001, 1)}` : inPercent(probability, probability < 0.0995 ? 1 : 0);
}

const GLYPHS = { "\n": "↵", " ": "␣", "\t": "⇥" };

function bar(className, share) {
  const node = make("span", `bar ${className}`);
  node.style.width = `${(100 * share).toFixed(1)}%`;
  return node;
}

// What temperature and filters are, as the panel's second column says it.
function samplingName({ temperature, top_k, top_p, min_p }) {
  const parts = [temperature === 0 ? words("alternatives.greedy") : words("caption.temperature", { temperature })];
  if (top_k) parts.push(`top-k ${top_k}`);
  if (top_p < 1) parts.push(`top-p ${top_p}`);
  if (min_p) parts.push(`min-p ${min_p}`);
  return parts.join(words("list.comma"));
}

function fillPanel(panel, answer, found, offset) {
  const { actual, choices } = answer;
  const surprise = actual && inDigits(-Math.log2(actual.probability), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const bits = actual ? words("alternatives.bits", { bits: surprise }) : words("alternatives.next");
  const head = make("p", "alternatives-head");
  head.append(make("span", "alternatives-name", actual ? nameOf(actual.character) : words("alternatives.end")), make("span", "", bits));
  const legend = make("p", "alternatives-legend");
  legend.append(make("span", "key before", words("alternatives.itself")), make("span", "key after", samplingName(answer)));
  const rows = actual && !choices.some((choice) => choice.character === actual.character) ? [...choices, actual] : choices;
  const most = Math.max(...rows.map((choice) => Math.max(choice.probability, choice.sampling_probability)), 1e-9);
  const options = make("div", "alternatives-list");
  options.setAttribute("role", "listbox");
  options.setAttribute("aria-label", words("alternatives.choose"));
  for (const choice of rows) {
    const isActual = actual?.character === choice.character;
    const option = make("div", isActual ? "alternative came" : "alternative");
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(isActual));
    option.tabIndex = -1;
    const [byItself, asSampled] = [percent(choice.probability), percent(choice.sampling_probability)];
    const spoken = [nameOf(choice.character), words("alternatives.share_itself", { share: byItself }), words("alternatives.share_sampled", { share: asSampled })];
    if (choice.rank > choices.length) spoken.push(words("alternatives.rank", choice));
    if (isActual) spoken.push(words("alternatives.is_actual"));
    option.setAttribute("aria-label", spoken.join(words("list.comma")));
    const glyph = make("span", "glyph", GLYPHS[choice.character] ?? choice.character);
    const bars = make("span", "bars");
    bars.append(bar("before", choice.probability / most), bar("after", choice.sampling_probability / most));
    const came = make("span", "came-mark", isActual ? words(choice.rank > choices.length ? "alternatives.came_rank" : "alternatives.came", choice) : "");
    option.append(glyph, bars, make("span", "share", byItself), make("span", "share", asSampled), came);
    option.addEventListener("click", () => choose(found, offset, choice.character));
    options.append(option);
  }
  const inside = button("alternatives-inside", words("alternatives.inside"), () => {
    closeAlternatives();
    lookInside(found.turn, found.index, offset);
  });
  panel.replaceChildren(head, legend, options, make("p", "alternatives-foot", footOf(answer)), inside);
}

function footOf({ warnings }) {
  const note = words(pending ? "alternatives.note_writing" : "alternatives.note");
  return [note, ...warnings].join(" ");
}

function focusChoice(panel) {
  const option = panel.querySelector(".alternative.came") ?? panel.querySelector(".alternative");
  (option ?? panel).focus({ preventScroll: true });
}

function onAlternativesKeyDown(event) {
  const { panel, root, offset } = openedAlternatives;
  const options = [...panel.querySelectorAll(".alternative, .alternatives-inside")];
  const at = options.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + options.length, Home: 0, End: options.length - 1 }[event.key];
  if (event.key === "Tab") closeAlternatives(true);
  else if (["ArrowLeft", "ArrowRight"].includes(event.key)) {
    event.preventDefault();
    const next = moved(replyAt(root).reply.text, offset, event.key);
    if (next !== offset) openAlternatives({ root, offset: next }, { isPinned: true });
  } else if (to !== undefined && options.length > 0) {
    event.preventDefault();
    options[to % options.length].focus({ preventScroll: true });
    options[to % options.length].scrollIntoView({ block: "nearest" });
  } else if (["Enter", " "].includes(event.key) && at >= 0) {
    event.preventDefault();
    options[at].click();
  }
  event.stopPropagation();
}

function choose({ turn, index }, offset, character) {
  if (pending) return;
  closeAlternatives();
  view.focus({ preventScroll: true });
  writeOn(turn, index, turn.replies[index].text.slice(0, offset) + character);
}

// Another version of a reply that begins with `opening`: all else as it was, so that it can be written again.
function writeOn(turn, index, opening, clamp = turn.replies[index].clamp ?? []) {
  const { typed, speaker, context } = turn;
  const { seed, model, length, stop, ...reply } = turn.replies[index];
  const settings = { ...samplingOf(reply), length, stop };
  sendRequest({ typed, speaker, context, retry: true, settings, seed, model, clamp, opening, length }, placeBeside(turn));
}

document.addEventListener("pointerdown", (event) => {
  if (openedAlternatives && !openedAlternatives.panel.contains(event.target) && !event.target.closest?.(".reply")) closeAlternatives();
});

// A panel that stays goes with its character when the page moves: a phone's keyboard goes when the panel takes the focus.
function followCharacter() {
  const found = openedAlternatives?.isPinned && replyAt(openedAlternatives.root);
  if (found && isInView(found.root, boxOf(openedAlternatives, found))) placePanel(openedAlternatives, found);
  else closeAlternatives();
}

addEventListener("resize", followCharacter);
view.addEventListener("scroll", followCharacter);
