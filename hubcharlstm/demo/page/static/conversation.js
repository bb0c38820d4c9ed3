// The state of the conversation, its rendering, and the requests that change it.

const NEAR_END = 48; // pixels: a reader this close to the end is scrolled along as the text grows

// Timeouts of a request: until the server accepts it, and between two of its updates. A model may have to be loaded first.
const ACCEPT_SECONDS = 6;
const UPDATE_SECONDS = 90;

const view = element.querySelector(".view");
const list = element.querySelector(".turns");
const liveRegion = element.querySelector("[role=status]");

const composer = () => document.getElementById("composer"); // may not exist yet: it comes later in the page

let intro = null;
let conversation = loadConversation();
let undoStack = []; // earlier conversations
let entries = []; // the rendered turns
let followEnd = true;
let pending = null; // the request under way: {turn, index, typed, fromComposer, before, hasStarted, hasFailed}
let requestTimer = 0;
let editing = null; // the index of the turn whose message is being edited

// --- rendering ---------------------------------------------------------------------------------------------------

function scrollToEnd() {
  view.scrollTop = view.scrollHeight;
}

function render() {
  let common = 0;
  const isSame = (index) => entries[index].turn.id === conversation[index].id;
  while (common < entries.length && common < conversation.length && isSame(common)) common += 1;
  for (const removed of entries.splice(common)) removed.root.remove();
  conversation.forEach((turn, index) => {
    if (index === entries.length) {
      const onAction = (action, reply) => runAction(action, entries.findIndex((entry) => entry.turn.id === turn.id), reply);
      entries.push(renderTurn(turn, onAction));
      list.append(entries[index].root);
    }
    if (entries[index].turn !== turn || index >= common) refreshTurn(entries[index], turn);
    entries[index].root.classList.toggle("last", index === conversation.length - 1);
  });
  element.classList.toggle("empty", conversation.length === 0);
  document.getElementById("main-column").classList.toggle("empty", conversation.length === 0);
  if (conversation.length === 0) view.scrollTop = 0;
  else if (followEnd) scrollToEnd();
}

function announce(text) {
  if (liveRegion.textContent !== text) liveRegion.textContent = text;
}

function setWriting(writing) {
  for (const root of [element, composer()]) root?.classList.toggle("is-writing", writing);
}

function save() {
  if (!saveNow(conversation)) showError("message", "This browser keeps no more of the conversation: save it as text, then clear it.");
}

// --- the message field -------------------------------------------------------------------------------------------

function messageField() {
  return document.querySelector("#field-message textarea");
}

function setMessage(text) {
  messageField().value = text;
  messageField().dispatchEvent(new Event("input", { bubbles: true }));
}

const editingHint = make("p", "hint", "Editing: Enter sends it and goes on from there, Esc leaves all as it is.");
editingHint.setAttribute("role", "status");

function renderEditing() {
  if (editing === null) editingHint.remove();
  else composer().before(editingHint);
  entries.forEach((entry, index) => entry.root.classList.toggle("to-be-replaced", editing !== null && index >= editing));
  composer()?.classList.toggle("is-editing", editing !== null);
}

function startEditing(index) {
  editing = index;
  setMessage(conversation[index].typed);
  messageField().focus();
  renderEditing();
}

function stopEditing() {
  if (editing !== null) setMessage("");
  editing = null;
  renderEditing();
}

// --- requests ----------------------------------------------------------------------------------------------------

function newId() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join("");
}

// Sends a request whose turn replaces those from `index` on.
function sendRequest(params, index, fromComposer = false) {
  if (pending) return;
  hideError();
  pending = { turn: newId(), index, typed: params.typed ?? "", fromComposer, before: conversation, hasStarted: false, hasFailed: false };
  followEnd = true;
  setWriting(true);
  restartTimer(ACCEPT_SECONDS);
  trigger("generate", { ...params, turn: pending.turn });
}

// Gradio ends no event of a server that is gone: it waits for it to come back.
function restartTimer(seconds) {
  clearTimeout(requestTimer);
  requestTimer = setTimeout(finish, seconds * 1000);
}

function finish() {
  if (!pending) return;
  const { hasStarted, hasFailed } = pending;
  clearTimeout(requestTimer);
  queueStatus.remove();
  pending = null;
  setWriting(false);
  conversation = conversation.map(markStopped);
  render();
  if (!hasFailed && hasStarted) {
    const turn = conversation.at(-1);
    announce(`The model is done: ${turn.replies.map((reply) => reply.caption).join("; ")}`);
  } else if (!hasFailed) {
    showError("message", "The server did not answer; expected it to: check that it runs, then send the line again.");
  }
  save();
}

function startFrom(params) {
  sendRequest({ speaker: "", context: "", retry: false, ...params }, conversation.length);
}

function runAction(action, index, reply = 0) {
  const turn = conversation[index];
  if (pending || !turn) return;
  if (action === "edit") startEditing(index);
  if (index !== conversation.length - 1) return;
  if (action === "continue") sendRequest({ target: turn, index: reply, typed: "" }, index);
  if (action === "retry") {
    const isSideBySide = turn.replies.length > 1;
    const temperatures = isSideBySide ? turn.replies.map((one) => one.temperature) : undefined;
    sendRequest({ typed: turn.typed, speaker: turn.speaker, context: turn.context, retry: true, temperatures }, index);
  }
}
