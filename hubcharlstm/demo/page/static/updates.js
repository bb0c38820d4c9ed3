// What the server sends, as values of this component, and the start of the page.

const queueStatus = make("p", "hint queue-status");

function receiveAccepted() {
  pending.isAccepted = true;
  restartTimer(UPDATE_SECONDS);
}

function receiveQueued({ turn, sentence }) {
  if (turn !== pending?.request) return;
  restartTimer(UPDATE_SECONDS);
  heard();
  if (!queueStatus.isConnected) composer().before(queueStatus);
  queueStatus.textContent = wordsOf(sentence);
  announce(queueStatus.textContent);
}

// How long the replies of a turn are to be, as far as this request writes them.
function goalsOf(turn, { place, length }) {
  if (!place.id) return turn.replies.map((reply) => lengthInCharacters(reply.opening ?? "") + reply.length);
  return turn.replies.map((reply) => (reply.writing ? lengthInCharacters(reply.text) + length : 0));
}

function beginTurn(turn) {
  const { place } = pending;
  const id = turnId(pending);
  pending.hasStarted = true;
  pending.place = { slot: id, made: moment(), ...place };
  pending.goals = goalsOf(turn, pending);
  pending.step = place.id ? rememberStep({ before: [book.turns.get(id)] }) : rememberStep({ added: [id], slots: [pending.place.slot] });
  if (!place.id && place.slot) chooseVersion(place.slot, id);
  if (pending.fromComposer) {
    if (messageField().value === pending.typed) setMessage(editing === null ? "" : unsent); // else the next line stands there already
    editing = null;
  }
  announce(words("conversation.writing"));
}

function receiveTurn(turn, interruption) {
  const isLate = turn.id === late?.request && !pending;
  const request = isLate ? late : pending;
  if (turn.id !== request?.request) return;
  const isDone = !turn.replies.some((reply) => reply.writing);
  if (isLate && (!isDone || !isAlive(turnId(request)))) return;
  if (!isLate) {
    if (!pending.isStopping) restartTimer(UPDATE_SECONDS);
    [pending.isAccepted, pending.isDone] = [true, isDone];
    heard();
    queueStatus.remove();
    if (!pending.hasStarted) beginTurn(turn);
  }
  const warnings = interruption ? turn.warnings.slice(0, -1) : turn.warnings; // the last one is the interruption
  putTurn({ ...turn, ...request.place, warnings, id: turnId(request), request: request.request });
  render();
  saveSoon(save);
  if (interruption && !isLate && !pending.isStopping) lose();
}

function receiveError({ turn, field, sentence }) {
  if (pending && turn === pending.request) {
    interrupted = null;
    if (pending.hasStarted) {
      revertStep(pending.step);
      pending.hasStarted = false;
      if (pending.fromComposer && messageField().value === "") setMessage(pending.typed);
      render();
    }
    pending.hasFailed = true;
  }
  showError(field, sentence);
}

function receiveIntro(value) {
  intro = value.intro;
  models = value.models ?? [];
  renderIntro(intro, startFrom);
  element.classList.toggle("code", Boolean(intro.is_code));
  list.lang = intro.language ?? "";
  document.getElementById("page").classList.toggle("own-model", Boolean(value.is_private));
  document.title = `${wordsOf(intro.title)} · hubcharlstm`;
}

function receiveValue() {
  const value = props.value;
  if (value?.kind === "turn") receiveTurn(value.turn, value.interruption);
  else if (value?.kind === "accepted" && value.turn === pending?.request) receiveAccepted();
  else if (value?.kind === "queued") receiveQueued(value);
  else if (value?.kind === "error") receiveError(value);
  else if (value?.kind === "permalink") sendRequest(value.request, placeAtEnd());
  else if (value?.kind === "intro") receiveIntro(value);
  else if (value?.kind === "models") receiveModels(value);
  else if (value?.kind === "remember") receiveRemember(value);
}

// Sends the link to the server, and keeps of the URL only what belongs to the host.
function openLink() {
  trigger("open_link", { query: location.search });
  const foreign = [...new URLSearchParams(location.search)].filter(([name]) => name.startsWith("__") || (name === "lang" && !document.cookie.includes("hubcharlstm_language=")));
  const query = new URLSearchParams(foreign).toString();
  history.replaceState(null, "", location.pathname + (query ? `?${query}` : "") + location.hash);
}

// Once all of the page is there, which may be after this script has run.
function start() {
  const needed = ["#field-message textarea", "#language option", "#field-length input", "#field-temperature input"];
  if (!needed.every((selector) => document.querySelector(selector))) {
    requestAnimationFrame(start);
    return;
  }
  messageField().dir = "auto";
  document.documentElement.style.setProperty("--go-on", JSON.stringify(words("tools.go_on_short")));
  restoreDraft();
  render();
  if (loadOwner()) {
    trigger("identify", { owner: loadOwner() });
    setTimeout(openConversation, IDENTIFY_MILLISECONDS);
  } else openConversation();
}

const IDENTIFY_MILLISECONDS = 4000; // after which the page opens without knowing of its own models

let isOpened = false;

// Restores the settings and what was interrupted, which may need a model of this browser's own, and opens a link.
function openConversation() {
  if (isOpened) return;
  isOpened = true;
  trigger("restore", {});
  if (location.search.length > 1) openLink();
  continueInterrupted();
}

view.addEventListener("scroll", () => {
  followEnd = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_END;
});
new ResizeObserver(() => {
  if (followEnd && entries.length > 0) scrollToEnd();
}).observe(view);
addEventListener("pagehide", () => {
  keepDraft();
  keepInterrupted();
  saveNow();
});
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  const { isNews, isLost } = receiveStored(event.newValue); // by another tab of the same browser
  if (isLost) saveSoon(save);
  if (!isNews) return;
  const active = document.activeElement;
  render();
  if (active?.isConnected) active.focus({ preventScroll: true });
});

view.setAttribute("aria-label", words("conversation.label"));
receiveValue();
render();
watch("value", receiveValue);
start();
