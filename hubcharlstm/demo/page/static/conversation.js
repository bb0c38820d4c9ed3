// The state of the conversation, its rendering, and the requests that change it.

const NEAR_END = 48; // pixels: a reader this close to the end is scrolled along as the text grows

// Timeouts of a request: until the server accepts it, and between two of its updates. A model may have to be loaded first.
const ACCEPT_SECONDS = 6;
const UPDATE_SECONDS = 90;
const STOP_SECONDS = 0.5; // within which the server answers a Stop, with all that belongs to the text so far

const view = element.querySelector(".view");
const list = element.querySelector(".turns");
const liveRegion = element.querySelector("[role=status]");

const composer = () => document.getElementById("composer"); // may not exist yet: it comes later in the page

let intro = null;
let models = []; // the labels of the models on offer
let conversation = shownTurns();
let entries = []; // the rendered turns
let followEnd = true;
let pending = null; // the request under way: {request, place, typed, length, fromComposer, hasStarted, hasFailed, ...}
let late = null; // a request that was stopped here before the server answered: its end may still come
let requestTimer = 0;
let editing = null; // the turn whose message is being edited
let unsent = ""; // what stood in the field before

// --- rendering ---------------------------------------------------------------------------------------------------

function scrollToEnd() {
  view.scrollTop = view.scrollHeight;
}

function render() {
  conversation = shownTurns();
  const versions = versionsBySlot();
  const rendered = new Map(entries.map((entry) => [entry.turn.id, entry]));
  entries = conversation.map((turn, index) => {
    let entry = rendered.get(turn.id);
    if (entry?.replies.length !== turn.replies.length) entry = renderTurn(turn, (...args) => runAction(turn.id, ...args));
    else rendered.delete(turn.id);
    refreshTurn(entry, turn);
    entry.versions.refresh(versions.get(turn.slot).indexOf(turn), versions.get(turn.slot).length);
    entry.root.classList.toggle("last", index === conversation.length - 1);
    return entry;
  });
  for (const { root } of rendered.values()) root.remove();
  entries.forEach(({ root }, index) => {
    if (list.children[index] !== root) list.insertBefore(root, list.children[index] ?? null);
  });
  if (editing !== null && !conversation.some((turn) => turn.id === editing.id)) editing = null; // deleted, or another version
  renderEditing();
  const isEmpty = conversation.length === 0;
  for (const root of [element, document.getElementById("main-column")]) root.classList.toggle("empty", isEmpty);
  const page = document.getElementById("page");
  page.classList.toggle("no-conversation", isEmpty);
  page.classList.toggle("no-undo", undoStack.length === 0);
  paintChosen();
  paintSurprise();
  paintCopies();
  if (isEmpty) view.scrollTop = 0;
  else if (followEnd) scrollToEnd();
}

function announce(text) {
  if (liveRegion.textContent !== text) liveRegion.textContent = text;
}

function setWriting(writing) {
  for (const root of [element, composer()]) root?.classList.toggle("is-writing", writing);
}

function save() {
  const { isSaved, isNews } = saveNow();
  if (isNews) render();
  if (!isSaved && !errorMessage.isConnected) showError("message", words("browser.full")); // told once, and over no other error
}

// --- the message field -------------------------------------------------------------------------------------------

function messageField() {
  return document.querySelector("#field-message textarea");
}

function setText(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function setMessage(text) {
  setText(messageField(), text);
}

const editingHint = make("p", "hint");
editingHint.setAttribute("role", "status");

function renderEditing() {
  if (editing === null) editingHint.remove();
  else if (!editingHint.isConnected) composer().before(editingHint);
  const from = entries.findIndex((entry) => entry.turn.id === editing?.id);
  entries.forEach((entry, index) => entry.root.classList.toggle("to-be-replaced", from >= 0 && index >= from));
  composer()?.classList.toggle("is-editing", editing !== null);
}

function startEditing(turn) {
  if (editing === null) unsent = messageField().value;
  editing = turn;
  const names = turn.replies.map((_, index) => columnName(turn, index));
  const how = [turn.speaker && words("turn.recipient", { name: turn.speaker }), ...(names.length > 1 ? names : [])].filter(Boolean);
  const joined = how.join(words("list.comma"));
  editingHint.textContent = how.length > 0 ? words("turn.editing_how", { how: joined }) : words("turn.editing");
  setMessage(turn.typed);
  messageField().focus();
  renderEditing();
}

function stopEditing() {
  if (editing !== null) setMessage(unsent);
  editing = null;
  renderEditing();
}

// --- requests ----------------------------------------------------------------------------------------------------

// Where the turn of a request belongs: behind all others, beside the other versions of its line, or on the turn itself.
function placeAtEnd() {
  const last = conversation.at(-1);
  return { parent: last?.id ?? "", order: Math.max(moment(), (last?.order ?? 0) + 1) };
}

const placeBeside = ({ slot, parent, order }) => ({ slot, parent, order });
const placeOn = (turn) => ({ ...placeBeside(turn), id: turn.id, made: turn.made });

function sendRequest(params, place, fromComposer = false) {
  if (pending) return;
  hideError();
  hideNote();
  const length = params.length ?? numberOf("length");
  pending = { request: newId(), place, typed: params.typed ?? "", length, fromComposer, hasStarted: false, hasFailed: false };
  followEnd = true;
  setWriting(true);
  clearTimeout(requestTimer);
  requestTimer = setTimeout(checkAccepted, ACCEPT_SECONDS * 1000, pending);
  watchServer();
  const clamp = params.target ? {} : { clamp: heldClamp() };
  trigger("generate", { ...clamp, ...params, turn: pending.request });
}

// Gradio ends no event of a server that is gone: it waits for it to come back.
function restartTimer(seconds) {
  clearTimeout(requestTimer);
  requestTimer = setTimeout(giveUp, seconds * 1000);
}

// A server that is only slow to accept a request is waited for.
async function checkAccepted(request) {
  const { isUp } = await askHealth();
  if (pending !== request || request.isAccepted) return;
  if (isUp) restartTimer(UPDATE_SECONDS);
  else giveUp();
}

function giveUp() {
  late = pending;
  finish();
}

// The server says that a request has ended: the one under way, or one that was given up here before.
function endRequest() {
  if (late === null || pending?.isDone || pending?.hasFailed) finish();
  else late = null;
}

// The request has ended, or is given up.
function finish() {
  if (!pending || pending.isLost) return;
  const { hasStarted, hasFailed, isStopping } = pending;
  clearTimeout(requestTimer);
  unwatchServer();
  queueStatus.remove();
  const turn = hasStarted ? book.turns.get(turnId(pending)) : null;
  if (turn) putTurn(markStopped(turn));
  pending = null;
  setWriting(false);
  render();
  if (!hasFailed && hasStarted) {
    announce(words("conversation.done", { captions: book.turns.get(turn.id).replies.map(captionOf).join("; ") }));
  } else if (!hasFailed && !isStopping) {
    showError("message", words("server.silent"));
  }
  save();
  continueInterrupted();
}

const turnId = ({ request, place }) => place.id ?? request;

function startFrom(params) {
  sendRequest({ speaker: "", context: "", retry: false, ...params }, placeAtEnd());
}

// How the replies of a turn differ: by their models or temperatures; nothing for a single reply.
function variantsOf(turn) {
  if (turn.replies.length < 2) return {};
  const names = turn.replies.map((reply) => reply.model);
  if (new Set(names).size > 1) return { models: names };
  return { temperatures: turn.replies.map((reply) => reply.temperature) };
}

function sendAgain(turn, variants = variantsOf(turn)) {
  const { typed, speaker, context } = turn;
  const [first] = turn.replies;
  const own = first.model === (variants.models?.[0] ?? chosenModel()) ? first.clamp ?? [] : []; // cells of that model
  const clamp = heldClamp().length > 0 ? heldClamp() : own;
  sendRequest({ typed, speaker, context, retry: true, clamp, ...variants }, placeBeside(turn));
}

function continueReply(turn, index, length) {
  sendRequest({ target: markStopped(turn), index, typed: "", ...(length && { length }) }, placeOn(turn));
}

// Makes one of several replies the only one, as another version of its line, and goes on from there.
function pickReply(turn, index) {
  const reply = turn.replies[index];
  const [prompt, shown] = [reply.prompt || turn.prompt, reply.shown || turn.shown];
  const id = newId();
  rememberStep({ added: [id], slots: [turn.slot] });
  putTurn({ ...turn, id, request: id, made: moment(), prompt, shown, replies: [{ ...reply, prompt: "", shown: "" }] });
  chooseVersion(turn.slot, id);
  save();
  render();
  const picked = book.turns.get(id);
  if (reply.ending === "ended by itself") messageField().focus();
  else continueReply(picked, 0);
}

function showVersion(turn, by, node) {
  const versions = versionsBySlot().get(turn.slot);
  const version = versions[versions.indexOf(turn) + by];
  if (!version) return;
  followEnd = false;
  chooseVersion(turn.slot, version.id);
  save();
  render();
  const root = entries.find((entry) => entry.turn.id === version.id).root;
  root.querySelector(`[data-step="${node.dataset.step}"]`).focus();
  root.scrollIntoView({ block: "nearest" });
  announce(root.querySelector(".versions").getAttribute("aria-label"));
}

function deleteTurn(turn) {
  rememberStep({ before: [turn], slots: [turn.slot] });
  removeTurn(turn.id);
  save();
  render();
  showNote(words("note.deleted"));
  messageField().focus();
}

// Opens the second view with a reply and what was written before it, at a character of the reply: see inside.js.
function lookInside(turn, index, offset) {
  const { prompt, text, model, clamp } = turn.replies[index];
  const fromEnd = offset === undefined ? undefined : lengthInCharacters(text.slice(offset));
  document.dispatchEvent(new CustomEvent("look-inside", { detail: { text: (prompt || turn.prompt) + text, model, fromEnd, isClamped: clamp?.length > 0 } }));
}

function moreItems(turn, reply, node) {
  const { link } = turn.replies[reply];
  const share = { label: words("reply.share"), run: () => copyText(linkOf({ link }), node, words("reply.link_copied")) };
  return [
    { label: words("alternatives.open"), run: () => openAlternatives(startOf(turn, reply), { isPinned: true }) },
    ...(link ? [share] : []),
    ...(turn.replies.length > 1 ? [] : [{ label: words("reply.edit_line"), run: () => startEditing(turn) }]),
    { label: words("reply.delete"), run: () => deleteTurn(turn) },
  ];
}

function runAction(id, action, reply = 0, node = null) {
  const turn = book.turns.get(id);
  if (action === "copy") copyText((turn.replies[reply].shown || turn.shown) + turn.replies[reply].text, node, words("reply.copied"));
  if (action === "look-inside") lookInside(turn, reply);
  if (pending || !isAlive(id)) return;
  if (action === "edit") startEditing(turn);
  if (action === "continue" && !continueHeld(turn, reply)) continueReply(turn, reply);
  if (action === "retry") sendAgain(turn);
  if (action === "pick") pickReply(turn, reply);
  if (action === "version") showVersion(turn, reply, node);
  if (action === "compare") openMenu(node, words("composer.compare"), comparisons((variants) => sendAgain(turn, variants)));
  if (action === "more") openMenu(node, words("reply.more"), moreItems(turn, reply, node));
}
