// A character of a reply: the one under the pointer, or where the arrow keys are. Places are offsets into the reply's
// text as JavaScript counts it; a surrogate pair is one character. Characters are painted by the browser's highlights,
// so that the text stays one node, which only grows at its end.

const DWELL_MILLISECONDS = 350; // at rest on a character, before its alternatives open
const LEAVE_MILLISECONDS = 250;

let cursor = null; // {reply: its root, offset}: where the arrow keys are
let hovered = null; // the same under the pointer
let dwellTimer = 0;
let leaveTimer = 0;

const charactersHint = make("p", "visually-hidden", words("characters.hint"));
charactersHint.id = "characters-hint";
element.querySelector(".view").after(charactersHint);

function paint(name, ranges) {
  if (!globalThis.CSS?.highlights) return; // an old browser shows no colours, and all else works
  const highlight = new Highlight(...ranges);
  highlight.priority = name === "place" ? 1 : 0;
  if (ranges.length > 0) CSS.highlights.set(name, highlight);
  else CSS.highlights.delete(name);
}

// The end of the character that begins at `offset`.
const endOfCharacter = (text, offset) => offset + (text.codePointAt(offset) > 0xffff ? 2 : 1);
// Where the character before `offset` begins.
const startBefore = (text, offset) => offset - (offset > 1 && text.codePointAt(offset - 2) > 0xffff ? 2 : 1);
const lengthInCharacters = (text) => [...text].length;

function rangeOf(node, from, to) {
  const range = document.createRange();
  range.setStart(node, from);
  range.setEnd(node, to);
  return range;
}

// The turn and the index of a reply by its root, and its text node.
function replyAt(root) {
  for (const { turn, replies } of entries) {
    const index = replies.findIndex(({ reply }) => reply === root);
    if (index >= 0) return { turn, index, reply: turn.replies[index], node: replies[index].text, root };
  }
  return null;
}

function caretAt(x, y) {
  if (document.caretPositionFromPoint) {
    const caret = document.caretPositionFromPoint(x, y);
    return caret && [caret.offsetNode, caret.offset];
  }
  const caret = document.caretRangeFromPoint?.(x, y);
  return caret && [caret.startContainer, caret.startOffset];
}

// The offset of the character of `node` under the pointer; -1 for none.
function offsetUnder({ clientX: x, clientY: y }, node) {
  const [found, caret] = caretAt(x, y) ?? [];
  if (found !== node) return -1;
  for (const offset of [caret, caret > 0 ? startBefore(node.data, caret) : -1]) {
    if (offset < 0 || offset >= node.length) continue;
    const boxes = [...rangeOf(node, offset, endOfCharacter(node.data, offset)).getClientRects()];
    if (boxes.some((box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom)) return offset;
  }
  return -1;
}

function placeUnder(event) {
  const root = event.target.closest?.(".reply");
  const found = root && replyAt(root);
  if (!found || found.reply.writing) return null;
  const offset = offsetUnder(event, found.node);
  return offset < 0 ? null : { root, offset };
}

const startOf = (turn, index) => ({ root: entries.find((entry) => entry.turn.id === turn.id).replies[index].reply, offset: 0 });
const isSamePlace = (one, other) => one?.root === other?.root && one?.offset === other?.offset;

// Shows where keys and pointer are: the character, or the end of the reply.
function paintPlace() {
  const place = openedAlternatives ?? hovered ?? cursor;
  const found = place && replyAt(place.root);
  if (!found || place.offset >= found.node.length) paint("place", []);
  else paint("place", [rangeOf(found.node, place.offset, endOfCharacter(found.node.data, place.offset))]);
}

// Of replies that were written on from a choice, the character that was chosen.
function paintChosen() {
  const ranges = [];
  for (const { turn, replies } of entries) {
    turn.replies.forEach(({ opening }, index) => {
      const node = replies[index].text;
      if (typeof opening === "string" && opening && opening.length <= node.length) ranges.push(rangeOf(node, startBefore(opening, opening.length), opening.length));
    });
  }
  paint("chosen", ranges);
}

function nameOf(character) {
  const signs = { "\n": "sign.line_break", " ": "sign.space", "\t": "sign.tab" };
  return Object.hasOwn(signs, character) ? words(signs[character]) : `“${character}”`;
}

function describePlace({ root, offset }) {
  const { reply } = replyAt(root);
  const text = reply.text;
  if (offset >= text.length) return words("characters.after_last", { n: lengthInCharacters(text) });
  const number = lengthInCharacters(text.slice(0, offset)) + 1;
  const name = nameOf(text.slice(offset, endOfCharacter(text, offset)));
  const place = words("characters.place", { number, count: lengthInCharacters(text), name });
  return isCopied(reply, offset) ? words("copies.here", { place }) : place;
}

// Tells what the colour of a character shows.
function withSurprise(place, reply, offset) {
  const bits = bitsAt(reply, offset);
  if (bits === undefined) return place;
  const surprise = inDigits(Math.max(bits, 0), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return [place, words("alternatives.bits", { bits: surprise })].join(words("list.comma"));
}

function moved(text, offset, key) {
  if (key === "ArrowRight") return Math.min(text.length, endOfCharacter(text, offset));
  if (key === "ArrowLeft") return offset > 0 ? startBefore(text, offset) : 0;
  if (key === "Home") return 0;
  if (key === "End") return text.length > 0 ? startBefore(text, text.length) : 0;
  return null;
}

function onReplyKeyDown(event) {
  const root = event.target;
  const found = root.classList?.contains("reply") ? replyAt(root) : null;
  if (!found || found.reply.writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const offset = cursor?.root === root ? Math.min(cursor.offset, found.reply.text.length) : -1;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    openAlternatives({ root, offset: Math.max(offset, 0) }, { isPinned: true });
    return;
  }
  const to = offset < 0 && event.key.startsWith("Arrow") ? 0 : moved(found.reply.text, offset, event.key);
  if (to === null || (offset < 0 && ["ArrowUp", "ArrowDown"].includes(event.key))) return;
  event.preventDefault();
  event.stopPropagation();
  cursor = { root, offset: to };
  paintPlace();
  announce(withSurprise(describePlace(cursor), found.reply, to));
}

function onPointerMove(event) {
  if (event.pointerType !== "mouse" || event.buttons !== 0) return;
  const place = placeUnder(event);
  if (isSamePlace(place, hovered)) return;
  hovered = place;
  clearTimeout(dwellTimer);
  if (!openedAlternatives?.isPinned) paintPlace();
  if (openedAlternatives?.isPinned) return;
  if (place) dwellTimer = setTimeout(() => isSamePlace(place, hovered) && openAlternatives(place, { isPinned: false }), DWELL_MILLISECONDS);
  else leaveSoon();
}

// Closes alternatives that only the pointer opened, unless it comes to them.
function leaveSoon() {
  clearTimeout(leaveTimer);
  leaveTimer = setTimeout(() => openedAlternatives && !openedAlternatives.isPinned && closeAlternatives(), LEAVE_MILLISECONDS);
}

function onReplyClick(event) {
  const place = placeUnder(event);
  if (!place || event.button !== 0) return;
  if (event.detail > 1 || !getSelection().isCollapsed) {
    closeAlternatives(); // text is being selected
    return;
  }
  const isOpen = openedAlternatives?.isPinned && isSamePlace(openedAlternatives, place);
  if (isOpen) closeAlternatives();
  else openAlternatives(place, { isPinned: true });
}

list.addEventListener("keydown", onReplyKeyDown);
list.addEventListener("pointermove", onPointerMove);
list.addEventListener("click", onReplyClick);
list.addEventListener("pointerleave", () => {
  hovered = null;
  clearTimeout(dwellTimer);
  paintPlace();
  leaveSoon();
});
list.addEventListener("focusout", (event) => {
  if (cursor?.root !== event.target || openedAlternatives) return;
  cursor = null;
  paintPlace();
});
