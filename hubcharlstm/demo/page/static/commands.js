// Commands of buttons and keys.

function textSoFar(turn) {
  if (!turn) return "";
  const [reply] = turn.replies;
  return (reply.prompt || turn.prompt) + reply.text;
}

// variants: by what the line is compared; without them, an edited line has as many replies as before.
function send(text, variants) {
  const at = conversation.findIndex((turn) => turn.id === editing?.id);
  const edited = at >= 0 ? conversation[at] : null;
  const before = edited ? conversation[at - 1] : conversation.at(-1);
  const remembered = edited ? { speaker: edited.speaker, ...(variants ?? variantsOf(edited)) } : variants;
  sendRequest({ typed: text, context: textSoFar(before), ...remembered }, edited ? placeBeside(edited) : placeAtEnd(), true);
}

// Ends the reply here and now: the server has half a second to answer with all that belongs to the text so far.
function stop() {
  if (!pending) return;
  interrupted = null;
  if (pending.isLost) {
    pending.isLost = false;
    pending.isStopping = true;
    giveUp();
    showNote(words("note.stopped"));
    return;
  }
  if (pending.hasStarted && !pending.isStopping) {
    pending.isStopping = true;
    restartTimer(STOP_SECONDS);
  }
  trigger("cancel", { turn: pending.request });
}

function undo() {
  if (pending) return;
  hideNote();
  if (editing !== null) {
    stopEditing();
    return;
  }
  if (undoStack.length === 0) return;
  const removed = conversation.at(-1);
  revertStep(undoStack.at(-1));
  save();
  render();
  const isGone = removed && !conversation.some((turn) => turn.typed === removed.typed);
  if (isGone && messageField().value === "") setMessage(removed.typed);
}

function clear() {
  if (pending || conversation.length === 0) return;
  const turns = aliveTurns();
  trigger("evict", { replies: turns.flatMap((turn) => turn.replies.map((reply) => reply.id)) });
  rememberStep({ before: turns, slots: [...new Set(turns.map((turn) => turn.slot))] });
  for (const turn of turns) removeTurn(turn.id);
  stopEditing();
  hideError();
  save();
  render();
  announce(words("conversation.cleared"));
  showNote(words("note.cleared"));
  messageField().focus();
}

function surprise() {
  const pool = (intro?.pool ?? []).filter((prompt) => prompt !== conversation.at(-1)?.typed);
  startFrom({ typed: pool.length > 0 ? pool[Math.floor(Math.random() * pool.length)] : "", retry: true });
}

function compare() {
  if (pending) return;
  openMenu(document.getElementById("compare"), words("composer.compare"), comparisons((variants) => send(messageField().value, variants)));
}

// Opens or closes a part of the page. With it come the links to the other views where there is no room for them: see views.css.
function toggle(button, part, name) {
  const isOpen = document.getElementById(part).classList.toggle(name);
  document.getElementById(button).setAttribute("aria-expanded", String(isOpen));
  const areSettingsOpen = document.getElementById("panel").classList.contains("open");
  document.getElementById("page").classList.toggle("with-settings", areSettingsOpen);
  const isUnfolded = document.getElementById("main-column").classList.contains("unfolded");
  document.querySelector(".views").classList.toggle("shown", areSettingsOpen || isUnfolded);
}

const commands = {
  send: ({ text }) => send(text),
  finish: endRequest,
  stop,
  undo,
  clear,
  surprise,
  compare,
  fold: () => toggle("fold", "main-column", "unfolded"),
  "toggle-settings": () => toggle("toggle-settings", "panel", "open"),
  "save-text": () => download("conversation.txt", "text/plain", asText(conversation)),
  "save-json": () => download("conversation.json", "application/json", asJson()),
  "load-json": loadFile,
  "remember-text": rememberText,
  "forget-text": forgetText,
  identify: ({ key }) => trigger("identify", { owner: key }),
  "use-model": ({ model }) => trigger("show_model", { model }),
  "keep-settings": ({ values }) => keepSettings(values),
  "restore-settings": (detail) => (detail.values = restoreSettings(detail.values)),
};
document.getElementById("conversation").addEventListener("command", (event) => commands[event.detail.name](event.detail));

// The buttons that are named after a command. Gradio's own events of a button stand still while the server is gone.
document.addEventListener("click", (event) => {
  const id = event.target.closest?.("#composer button, #tools button, #export-row button, #remember-row button")?.id;
  if (id !== "send" && Object.hasOwn(commands, id ?? "")) commands[id]({});
});

// A seed that is typed or pasted is locked. Gradio's own input event misses a pasted one.
document.addEventListener("input", (event) => {
  const lock = document.querySelector("#lock-seed input");
  if (event.target.closest?.("#field-seed") && !lock.checked) lock.click();
});

function onKeyDown(event) {
  if (document.getElementById("main-column").inert) return; // another view lies over the chat
  const last = conversation.at(-1)?.id;
  const isEnter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
  const run = (command) => {
    event.preventDefault();
    event.stopPropagation();
    command();
  };
  if (event.key === "Escape" && openedMenu) run(() => closeMenu(true));
  else if (event.key === "Escape" && openedAlternatives) run(() => closeAlternatives(openedAlternatives.isPinned));
  else if (event.key === "Escape" && pending) run(stop);
  else if (event.key === "Escape" && editing !== null) run(stopEditing);
  else if (isEnter && (event.ctrlKey || event.metaKey)) run(() => last && runAction(last, "retry"));
  else if (isEnter && event.altKey) run(() => last && runAction(last, "continue"));
  else if (isEnter && pending && event.target === messageField()) run(() => {}); // one request at a time
}

document.addEventListener("keydown", onKeyDown, true);
