// The view "Make your own": what is shown in each phase of a text, and what its buttons do.

const POLL_MILLISECONDS = { checking: 700, queued: 1500, training: 700 };
const IDLE_MILLISECONDS = 60_000; // tells the server that somebody is still here
const TIME_NAMES = new Map([[30, "30 seconds"], [60, "1 minute"], [180, "3 minutes"]]);

const makeView = addView("make", words("views.make"), () => refresh());
const status = part("p", "visually-hidden");
status.setAttribute("role", "status");
const problem = part("p", "error-message");
problem.setAttribute("role", "alert");
const stage = part("div", "stage");
makeView.append(
  part("h1", "title", "Make your own"),
  part("p", "tagline", "Give it a text and watch a model learn to write like it, letter by letter. Then it is yours to chat with."),
  stage, problem, status,
);

let shown = ""; // the phase that is drawn
let live = null; // what is updated while a training lasts
let pollTimer = 0;

function tell(sentence = "") {
  problem.textContent = sentence;
  problem.hidden = !sentence;
}
tell();

// Asks the server for something and shows the state that it answers.
async function act(asked) {
  tell();
  try {
    receive(await asked());
  } catch (error) {
    tell(error.message);
    plan(shown);
  }
}

function plan(phase) {
  clearTimeout(pollTimer);
  const wait = POLL_MILLISECONDS[phase] ?? (phase === "none" ? 0 : IDLE_MILLISECONDS);
  if (wait) pollTimer = setTimeout(refresh, wait);
}

async function refresh() {
  clearTimeout(pollTimer);
  try {
    receive(await ask("state", { method: "GET" }));
    tell();
  } catch (error) {
    tell(error.message);
    plan("checking");
  }
}

function receive(state) {
  plan(state.phase);
  if (state.phase === shown && live) {
    live(state);
    return;
  }
  const isNews = state.phase !== shown;
  if (!isNews) return;
  const hadFocus = stage.contains(document.activeElement);
  shown = state.phase;
  live = null;
  stage.replaceChildren(...STAGES[state.phase](state));
  if (hadFocus) stage.querySelector("[data-first], button, textarea")?.focus();
}

const another = () => press("button", "Another text", () => act(() => ask("forget")));
const failed = (error) => tell(error);

function cancelling() {
  const buttons = part("div", "buttons");
  buttons.append(press("button", "Cancel", () => act(() => ask("forget"))));
  return buttons;
}

function heading(state, text) {
  const node = part("h2", "subtitle", text);
  node.dir = "auto";
  node.append(part("span", "about-text", ` “${state.title}”, ${count(state.chars)} characters`));
  return node;
}

function renderChecked(state) {
  const model = document.querySelector("#field-model input")?.value ?? "";
  const isOwn = model.endsWith("made by you") || model.includes(", remembering your text");
  const begin = choiceOf("Begin", "making-begin", [["", "from scratch"], ...(isOwn ? [] : [[model, `with ${model}`]])],
    state.findings.may_start_warm && !isOwn ? model : "");
  const time = choiceOf("For", "making-time", state.times.map((seconds) => [String(seconds), TIME_NAMES.get(seconds)]), "60");
  const train = press("button primary", "Train", () => act(() => postJson("start", { seconds: Number(chosenOf(time)), model: chosenOf(begin) })));
  train.dataset.first = "";
  const buttons = part("div", "buttons");
  buttons.append(train, another());
  const note = part("p", "hint", "A model that begins with another one already spells; one from scratch has nothing but your text.");
  const last = state.sentence ? [part("p", "hint", state.sentence)] : [];
  status.textContent = "Your text is checked.";
  return [heading(state, "What is in it"), renderFindings(state.findings), ...last, begin, note, time, buttons];
}

function renderQueued(state) {
  const line = part("p", "waiting");
  const update = ({ queue }) => {
    if (queue) line.textContent = `One training runs at a time: ${queue.before} before yours, in about ${queue.wait}.`;
  };
  update(state);
  live = update;
  const buttons = part("div", "buttons");
  buttons.append(press("button", "Leave the queue", () => act(() => ask("stop"))));
  return [heading(state, "It waits for its turn"), line, buttons];
}

function timeLine(state) {
  const { run, seconds, elapsed } = state;
  if (run.phase === "reporting") return "Almost done …";
  if (run.phase === "starting") return "It gets ready …";
  return `${minutesAndSeconds(seconds - elapsed)} left`;
}

function renderTraining(state) {
  const number = state.findings.number_to_beat.bits;
  const head = part("div", "clock");
  const left = part("span", "left");
  const bar = part("progress", "bar");
  bar.setAttribute("aria-label", "Time");
  bar.max = state.seconds;
  const stop = press("button", "Stop", () => act(() => ask("stop")));
  head.append(left, bar, stop);
  const card = snapshotCard();
  const graph = part("div", "graph");
  const line = part("p", "verdict");
  let drawn = -1;
  let hasPassed = false;
  const update = (now) => {
    left.textContent = now.is_stopped ? "It stops …" : timeLine(now);
    bar.value = Math.min(now.elapsed, now.seconds);
    stop.disabled = now.is_stopped;
    card.update(now.run.snapshots);
    const points = now.run.metrics.length + now.run.snapshots.length;
    if (points === drawn) return;
    drawn = points;
    graph.replaceChildren(chartFigure(now.run, number, now.seconds));
    line.textContent = comparison(now.run, state.findings);
    const passed = !state.findings.doubt && heldOutPoints(now.run).some(([, bits]) => bits < number);
    if (passed && !hasPassed) status.textContent = "It has passed the number to beat.";
    hasPassed = passed;
  };
  update(state);
  live = update;
  status.textContent = "It learns.";
  return [heading(state, "It learns"), head, card.root, graph, line];
}

function renderReady(state) {
  const number = state.findings.number_to_beat.bits;
  commandChat("identify", { key: makerKey() });
  const chat = press("button primary", "Chat with it", () => {
    commandChat("use-model", { model: state.label });
    location.hash = "#chat";
  });
  chat.dataset.first = "";
  const buttons = part("div", "buttons");
  buttons.append(
    chat,
    press("button", "Download", (event) => downloadModel(event.currentTarget)),
    press("button", "Train again", () => act(() => ask("again"))),
    another(),
  );
  const card = snapshotCard();
  card.update(state.run.snapshots);
  const warm = "It began with another model. If that one has read this text before, the number says little.";
  const note = [state.sentence, state.is_warm ? warm : ""].filter(Boolean).map((line) => part("p", "hint", line));
  const use = part("p", "hint", `In the chat's menu it is “${state.label}”, for you alone. The download is a folder in a zip file; in Python, after unpacking:`);
  const code = part("pre", "code-lines", 'from hubcharlstm import CharLSTM\nmodel = CharLSTM.from_pretrained("the-unpacked-folder")');
  status.textContent = "Your model is ready.";
  const publishing = state.may_publish ? [renderPublishing()] : [];
  return [heading(state, "It is ready"), part("p", "verdict", comparison(state.run, state.findings)), ...note, buttons, card.root,
    chartFigure(state.run, number, 1), use, code, ...publishing];
}

async function downloadModel(node) {
  tell();
  node.disabled = true;
  try {
    const { blob, name } = await ask("model.zip", { method: "GET", isFile: true });
    const link = part("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    tell(error.message);
  }
  node.disabled = false;
}

function renderFailed(state) {
  const buttons = part("div", "buttons");
  if (state.findings) buttons.append(press("button primary", "Choose again", () => act(() => ask("again"))));
  buttons.append(another());
  return [heading(state, "That did not work"), part("p", "verdict", state.sentence), buttons];
}

const STAGES = {
  none: (state) => [renderGiving(state, { onText: submitText, onProblem: failed })],
  checking: (state) => [heading(state, "Looking at your text"), part("p", "waiting", "What is in it, and how well can it be guessed by counting alone? A few seconds …"), cancelling()],
  checked: renderChecked,
  queued: renderQueued,
  training: renderTraining,
  ready: renderReady,
  failed: renderFailed,
};

function submitText(text, title) {
  commandChat("identify", { key: makerKey() });
  act(() => ask(`text?title=${encodeURIComponent(title)}`, { body: text }));
}
