// Commands of buttons and keys.

function textSoFar(index) {
  const last = conversation[index - 1];
  return last ? last.prompt + last.replies[0].text : "";
}

function send(text) {
  const index = editing ?? conversation.length;
  sendRequest({ typed: text, context: textSoFar(index) }, index, true);
}

function stop() {
  if (pending) trigger("cancel", { turn: pending.turn });
}

function undo() {
  if (pending) return;
  if (editing !== null) {
    stopEditing();
    return;
  }
  const removed = conversation.at(-1);
  conversation = undoStack.length > 0 ? undoStack.pop() : conversation.slice(0, -1);
  const isGone = removed && !conversation.some((turn) => turn.typed === removed.typed);
  if (isGone && messageField().value === "") setMessage(removed.typed);
  save();
  render();
}

function clear() {
  if (pending) return;
  const replies = [...conversation, ...undoStack.flat()].flatMap((turn) => turn.replies.map((reply) => reply.id));
  if (replies.length > 0) trigger("evict", { replies: [...new Set(replies)] });
  [conversation, undoStack] = [[], []];
  stopEditing();
  hideError();
  save();
  render();
  announce("The conversation is cleared.");
  messageField().focus();
}

function surprise() {
  const pool = (intro?.pool ?? []).filter((prompt) => prompt !== conversation.at(-1)?.typed);
  startFrom({ typed: pool.length > 0 ? pool[Math.floor(Math.random() * pool.length)] : "", retry: true });
}

function toggleSettings() {
  const isOpen = document.getElementById("panel").classList.toggle("open");
  document.getElementById("toggle-settings").setAttribute("aria-expanded", String(isOpen));
}

const commands = {
  send: ({ text }) => send(text),
  finish,
  stop,
  undo,
  clear,
  surprise,
  "toggle-settings": toggleSettings,
  "save-text": () => download("conversation.txt", "text/plain", asText(conversation)),
  "save-json": () => download("conversation.json", "application/json", JSON.stringify(conversation, null, 2)),
};
document.getElementById("conversation").addEventListener("command", (event) => commands[event.detail.name](event.detail));

// A seed that is typed or pasted is locked. Gradio's own input event misses a pasted one.
document.addEventListener("input", (event) => {
  const lock = document.querySelector("#lock-seed input");
  if (event.target.closest?.("#field-seed") && !lock.checked) lock.click();
});

function onKeyDown(event) {
  const last = conversation.length - 1;
  const isEnter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
  const run = (command) => {
    event.preventDefault();
    event.stopPropagation();
    command();
  };
  if (event.key === "Escape" && pending) run(stop);
  else if (event.key === "Escape" && editing !== null) run(stopEditing);
  else if (isEnter && (event.ctrlKey || event.metaKey)) run(() => runAction("retry", last));
  else if (isEnter && event.altKey) run(() => runAction("continue", last));
  else if (isEnter && pending && event.target === messageField()) run(() => {}); // one request at a time
}

document.addEventListener("keydown", onKeyDown, true);
