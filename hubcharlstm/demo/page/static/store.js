// The conversation in localStorage: it survives a reload and a restart of the server, and never leaves this browser.
// Gradio runs all scripts together as the body of one function of `element`, `trigger`, `props` and `watch`.
//
// A turn is one version of a line with its replies. The versions of a line share a `slot`; `parent` is the turn that a
// line follows, so that what follows one version is shown with that version only. Tabs of one browser merge what they
// have: of two states of a turn, of its deletion or of a choice, the later one wins.

const KEY = "hubcharlstm.conversation.2";
const OLD_KEY = "hubcharlstm.conversation.1"; // an array of turns without versions
const SAVE_MILLISECONDS = 1000;
const MAX_MARKS = 2000; // deletions that are remembered, so that no other tab brings the turns back

let saveTimer = 0;
let lastMoment = 0;

// Milliseconds since 1970, never the same twice.
function moment() {
  lastMoment = Math.max(Date.now(), lastMoment + 1);
  return lastMoment;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const hasStrings = (owner, names) => names.every((name) => typeof owner?.[name] === "string");
const REPLY_TEXTS = ["id", "text", "link", "python", "command", "cycle"];
const isMessage = (value) => typeof value === "string" || (isObject(value) && typeof value.key === "string");

function isTurn(turn) {
  return (
    hasStrings(turn, ["id", "typed", "speaker", "context", "prompt", "shown", "slot", "parent", "request"]) &&
    Number.isFinite(turn.order) && Number.isFinite(turn.changed) &&
    Array.isArray(turn.warnings) && turn.warnings.every(isMessage) &&
    Array.isArray(turn.replies) && turn.replies.length > 0 &&
    turn.replies.every((reply) => hasStrings(reply, REPLY_TEXTS) && isMessage(reply.replay_check))
  );
}

// Conversations stored by the first version have other names for the same things.
function migrateReply({ foot, circle, verdict, ...reply }) {
  return { ...reply, caption: reply.caption ?? foot, cycle: reply.cycle ?? circle, replay_check: reply.replay_check ?? verdict };
}

function migrateTurn(turn, index, turns) {
  const { notes, ...rest } = isObject(turn) ? turn : {};
  const replies = Array.isArray(rest.replies) ? rest.replies : [];
  const place = { slot: rest.id, parent: turns[index - 1]?.id ?? "", order: index, changed: 0, request: rest.id };
  return { ...place, ...rest, warnings: rest.warnings ?? notes, replies: replies.map((reply) => migrateReply(reply ?? {})) };
}

// A reply that was under way when the page closed or the connection broke is a stopped one.
function markStopped(turn) {
  if (!turn.replies.some((reply) => reply.writing)) return turn;
  const stop = (reply) => {
    if (!reply.writing) return reply;
    return { ...reply, writing: false, ending: "stopped" };
  };
  return { ...turn, replies: turn.replies.map(stop) };
}

// turns: by id. gone: id -> [whether it is deleted, since when]. chosen: slot -> [the version shown, since when].
function newBook() {
  return { turns: new Map(), gone: new Map(), chosen: new Map() };
}

function addTurns(target, turns) {
  for (const turn of turns.map(migrateTurn).filter(isTurn)) target.turns.set(turn.id, markStopped(turn));
}

function parseJson(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null; // foreign data under our key
  }
}

// The book of what a tab has stored, in the form of `dataToStore`.
function bookOf(data) {
  const stored = newBook();
  if (Array.isArray(data?.turns)) addTurns(stored, data.turns);
  for (const name of ["gone", "chosen"]) {
    for (const [id, mark] of Object.entries(isObject(data?.[name]) ? data[name] : {})) {
      if (Array.isArray(mark) && Number.isFinite(mark[1])) stored[name].set(id, mark);
    }
  }
  return stored;
}

function readStored() {
  const read = (key) => {
    try {
      return parseJson(localStorage.getItem(key));
    } catch {
      return null; // no localStorage
    }
  };
  const old = read(OLD_KEY);
  const stored = newBook();
  if (Array.isArray(old)) addTurns(stored, old);
  merge(stored, bookOf(read(KEY)));
  return stored;
}

// Adds what `other` has or knows later; returns whether anything changed.
function merge(target, other) {
  let isChanged = false;
  const add = (name, moments) => {
    for (const [id, value] of other[name]) {
      lastMoment = Math.max(lastMoment, moments(value)); // a clock that was set back makes nothing older than what is stored
      const own = target[name].get(id);
      if (own !== undefined && moments(own) >= moments(value)) continue;
      target[name].set(id, value);
      isChanged = true;
    }
  };
  add("turns", (turn) => turn.changed);
  add("gone", (mark) => mark[1]);
  add("chosen", (mark) => mark[1]);
  return isChanged;
}

const book = newBook();
merge(book, readStored());

const isAlive = (id) => book.turns.has(id) && !book.gone.get(id)?.[0];
const byOrder = (a, b) => a.order - b.order || a.changed - b.changed || (a.id < b.id ? -1 : 1);

function aliveTurns() {
  return [...book.turns.values()].filter((turn) => isAlive(turn.id)).sort(byOrder);
}

// The versions of every line, oldest first, by slot.
function versionsBySlot(turns = aliveTurns()) {
  const versions = new Map();
  for (const turn of turns) versions.set(turn.slot, [...(versions.get(turn.slot) ?? []), turn]);
  for (const list of versions.values()) list.sort((a, b) => (a.made ?? 0) - (b.made ?? 0));
  return versions;
}

// The turns to be shown: of every line the chosen version, else the newest, if what it follows is shown.
function shownTurns() {
  const turns = aliveTurns();
  const versions = versionsBySlot(turns);
  const shown = new Set();
  return turns.filter((turn) => {
    const chosen = book.chosen.get(turn.slot)?.[0];
    const selected = versions.get(turn.slot).find((version) => version.id === chosen) ?? versions.get(turn.slot).at(-1);
    if (selected !== turn || (isAlive(turn.parent) && !shown.has(turn.parent))) return false;
    shown.add(turn.id);
    return true;
  });
}

function putTurn(turn) {
  book.turns.set(turn.id, { ...turn, changed: moment() });
  if (book.gone.get(turn.id)?.[0]) book.gone.set(turn.id, [0, moment()]);
}

function removeTurn(id) {
  book.gone.set(id, [1, moment()]);
}

function chooseVersion(slot, id) {
  book.chosen.set(slot, [id, moment()]);
}

function dataToStore() {
  const turns = aliveTurns();
  const slots = new Set(turns.map((turn) => turn.slot));
  const newest = [...book.gone].sort((a, b) => b[1][1] - a[1][1]).slice(0, MAX_MARKS);
  const chosen = [...book.chosen].filter(([slot]) => slots.has(slot));
  return { turns: turns.map(markStopped), gone: Object.fromEntries(newest), chosen: Object.fromEntries(chosen) };
}

function saveNow() {
  clearTimeout(saveTimer);
  saveTimer = 0;
  const isNews = merge(book, readStored()); // what another tab has stored meanwhile
  const data = dataToStore();
  try {
    if (data.turns.length + Object.keys(data.gone).length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(data));
    localStorage.removeItem(OLD_KEY);
  } catch {
    return { isSaved: false, isNews };
  }
  return { isSaved: true, isNews };
}

// Merges the `text` that another tab has stored. Of two tabs that store at the same moment neither has read what the
// other has, and one of the two texts is lost: it arrives here, or stands in this tab alone, and is to be stored again.
function receiveStored(text) {
  const isNews = merge(book, bookOf(parseJson(text)));
  return { isNews, isLost: merge(readStored(), bookOf(dataToStore())) };
}

function saveSoon(save) {
  if (saveTimer === 0) saveTimer = setTimeout(save, SAVE_MILLISECONDS);
}

// --- what can be undone in this tab: in sessionStorage, which a reload keeps and the end of the tab does not ---------

const UNDO_KEY = "hubcharlstm.undo.1";
const MAX_UNDO = 50;

// Steps of {added: ids to delete again, before: turns to put back, chosen: {slot: id}}.
const undoStack = loadUndo();

function loadUndo() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(UNDO_KEY) ?? "[]");
    const isStep = (step) => Array.isArray(step?.added) && Array.isArray(step.before) && step.before.every(isTurn) && isObject(step.chosen);
    return Array.isArray(stored) ? stored.filter(isStep) : [];
  } catch {
    return [];
  }
}

function saveUndo() {
  while (undoStack.length > MAX_UNDO) undoStack.shift();
  for (let from = 0; ; from += 1) {
    try {
      if (from >= undoStack.length) sessionStorage.removeItem(UNDO_KEY);
      else sessionStorage.setItem(UNDO_KEY, JSON.stringify(undoStack.slice(from)));
      return;
    } catch {
      if (from >= undoStack.length) return; // no sessionStorage: what was done is undone until the page closes
    }
  }
}

function rememberStep({ added = [], before = [], slots = [] }) {
  const chosen = Object.fromEntries(slots.map((slot) => [slot, book.chosen.get(slot)?.[0] ?? ""]));
  const step = { added, before: before.map(markStopped), chosen };
  undoStack.push(step);
  saveUndo();
  return step;
}

function revertStep(step) {
  undoStack.splice(undoStack.indexOf(step), 1);
  step.added.forEach(removeTurn);
  step.before.forEach(putTurn);
  for (const [slot, id] of Object.entries(step.chosen)) chooseVersion(slot, id);
  saveUndo();
}
