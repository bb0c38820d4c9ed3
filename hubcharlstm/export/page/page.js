// Turns, and the wiring of the controls.

const isWriting = () => Array.from(replies.values()).some((reply) => reply.writing);

function refreshWriting() {
  const writing = isWriting();
  const hadFocus = document.activeElement === byId("stop");
  byId("send").hidden = writing;
  byId("stop").hidden = !writing;
  byId("clear").hidden = replies.size === 0;
  if (!writing && hadFocus) byId("message").focus();
  announce(writing ? "Writing" : replies.size ? "Done" : "");
}

/** Starts a turn with a reply for each temperature -> whether it could. */
function write(typed, temperatures = null) {
  if (isWriting()) return false;
  showError("");
  let settings;
  try {
    settings = readSettings();
    const { length } = Array.from(typed);
    if (length > MAX_MESSAGE) throw new Error(`The line has ${length} characters; expected ${MAX_MESSAGE} at most: shorten it.`);
  } catch (error) {
    showError(error.message);
    return false;
  }
  const speaker = byId("speaker").value;
  const { context, warning } = contextFor(typed);
  const { prompt, shown } = compose(typed, speaker, context);
  const several = temperatures ?? (byId("side-by-side").checked ? SIDE_BY_SIDE : null);
  const turn = make("li", "turn");
  if (speaker) {
    const message = make("p", "message");
    message.append(make("span", "recipient", `to ${nameOf(speaker)}`), typed);
    turn.append(message);
  }
  const row = make("div", several ? "replies side-by-side" : "replies");
  turn.append(row);
  byId("turns").append(turn);
  const isTurn = Boolean(speaker && settings.stop) && settings.stop === generation.turn_stop;
  const replyAt = (temperature) => new Reply(prompt, shown, { ...settings, temperature }, several !== null, warning, isTurn);
  const written = (several ?? [settings.temperature]).map(replyAt);
  for (const reply of written) {
    row.append(reply.root);
    reply.start();
  }
  latest = written[0];
  byId("intro").hidden = true;
  byId("conversation").scrollTop = byId("conversation").scrollHeight;
  return true;
}

function clear() {
  for (const reply of replies.values()) if (reply.writing) worker.postMessage({ type: "cancel", id: reply.id });
  worker.postMessage({ type: "forget", ids: [...replies.keys()] });
  replies.clear();
  latest = null;
  byId("turns").replaceChildren();
  byId("intro").hidden = false;
  refreshWriting();
  byId("message").focus();
}

function setUp() {
  const values = {
    temperature: Math.min(generation.temperature, 2),
    length: defaultLength,
    "top-k": Math.min(generation.top_k, 1000),
    "top-p": Math.max(generation.top_p, 0.01),
    "min-p": Math.min(generation.min_p, 0.99),
  };
  for (const [id, value] of Object.entries(values)) byId(id).value = value;
  const showTemperature = () => (byId("temperature-value").textContent = byId("temperature").value);
  byId("temperature").addEventListener("input", showTemperature);
  showTemperature();
  document.querySelector("label[for='side-by-side']").textContent = `Side by side at ${SIDE_BY_SIDE.join(", ")}`;
  if (generation.speakers.length && generation.turn_template) {
    for (const name of generation.speakers) {
      const option = make("option", "", nameOf(name));
      option.value = name;
      byId("speaker").append(option);
    }
    byId("speaker-row").hidden = false;
  }
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (write(byId("message").value)) byId("message").value = "";
  });
  byId("message").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("composer").requestSubmit();
  });
  byId("stop").addEventListener("click", () => {
    for (const reply of replies.values()) if (reply.writing) worker.postMessage({ type: "cancel", id: reply.id });
  });
  byId("clear").addEventListener("click", clear);
  byId("toggle-settings").addEventListener("click", () => {
    const open = byId("panel").classList.toggle("open");
    byId("toggle-settings").setAttribute("aria-expanded", String(open));
  });
  setUpContext();
  refreshWriting();
}

introduce();
setUp();
