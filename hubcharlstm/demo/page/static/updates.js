// What the server sends, as values of this component, and the start of the page.

const queueStatus = make("p", "hint queue-status");

function receiveQueued({ turn, sentence }) {
  if (!pending || turn !== pending.turn) return;
  restartTimer(UPDATE_SECONDS);
  if (!queueStatus.isConnected) composer().before(queueStatus);
  queueStatus.textContent = sentence;
  announce(sentence);
}

function receiveTurn(turn) {
  if (!pending || turn.id !== pending.turn) return;
  restartTimer(UPDATE_SECONDS);
  queueStatus.remove();
  if (!pending.hasStarted) {
    pending.hasStarted = true;
    undoStack.push(pending.before);
    if (pending.fromComposer) {
      setMessage("");
      editing = null;
    }
    announce("The model is writing.");
  }
  conversation = [...pending.before.slice(0, pending.index), turn];
  render();
  renderEditing();
  saveSoon(save);
}

function receiveError({ turn, field, sentence }) {
  if (pending && turn === pending.turn) {
    if (pending.hasStarted) {
      conversation = undoStack.pop();
      if (pending.fromComposer && messageField().value === "") setMessage(pending.typed);
      render();
    }
    pending.hasFailed = true;
  }
  showError(field, sentence);
}

function receiveIntro(newIntro) {
  intro = newIntro;
  renderIntro(intro, startFrom);
  element.classList.toggle("code", Boolean(intro.is_code));
  document.title = `${intro.title} · hubcharlstm`;
}

function receiveValue() {
  const value = props.value;
  if (value?.kind === "turn") receiveTurn(value.turn);
  else if (value?.kind === "accepted" && value.turn === pending?.turn) restartTimer(UPDATE_SECONDS);
  else if (value?.kind === "queued") receiveQueued(value);
  else if (value?.kind === "error") receiveError(value);
  else if (value?.kind === "permalink") sendRequest(value.request, conversation.length);
  else if (value?.kind === "intro") receiveIntro(value.intro);
}

// Sends the link to the server, and keeps of the URL only what belongs to the host.
function openLink() {
  trigger("open_link", { query: location.search });
  const foreign = [...new URLSearchParams(location.search)].filter(([name]) => name.startsWith("__"));
  const query = new URLSearchParams(foreign).toString();
  history.replaceState(null, "", location.pathname + (query ? `?${query}` : ""));
}

view.addEventListener("scroll", () => {
  followEnd = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_END;
});
new ResizeObserver(() => {
  if (followEnd && entries.length > 0) scrollToEnd();
}).observe(view);
addEventListener("pagehide", () => saveNow(conversation));
addEventListener("storage", (event) => {
  if (event.key !== KEY || pending) return; // saved by another tab of the same browser
  conversation = loadConversation();
  undoStack = [];
  render();
});

receiveValue();
render();
watch("value", receiveValue);
if (location.search.length > 1) openLink();
