// The view "Make your own": what is shown in each phase of a text, and what its buttons do.

const POLL_MILLISECONDS = { checking: 700, queued: 1500, training: 700 };
const IDLE_MILLISECONDS = 60_000; // tells the server that somebody is still here

const makeView = addView("make", words("views.make"), (value) => arrive(value));
const status = part("p", "visually-hidden");
status.setAttribute("role", "status");
const problem = part("p");
problem.setAttribute("role", "alert");
const stage = part("div", "stage");
makeView.append(
  part("h1", "title", words("views.make")),
  part("p", "tagline", words("make.tagline")),
  stage, problem, status,
);

let shown = ""; // the phase that is drawn
let live = null; // what is updated while a training lasts
let pollTimer = 0;
let cameBack = ""; // where a sign-in has led back to: "publish", or "sign-in-failed"
let numChanges = 0; // that were asked for or answered: an answer from before them is old

function arrive(value) {
  if (value) {
    cameBack = value;
    history.replaceState(null, "", "#make");
  }
  refresh();
}

function tell(sentence = "") {
  if (problem.textContent !== sentence) problem.textContent = sentence; // a screen reader tells it once
  problem.hidden = !sentence;
  problem.className = sentence ? "error-message" : "";
}
tell();

// Asks the server for something and shows the state that it answers.
async function act(asked) {
  tell();
  numChanges += 1;
  try {
    const state = await asked().finally(() => (numChanges += 1));
    noteGiven(state);
    if (state.phase === "ready") await refresh(); // it ended before the change; its state alone tells who may publish
    else receive(state);
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
  const before = numChanges;
  try {
    const state = await ask("state", { method: "GET" });
    if (numChanges !== before) return; // act shows the newer state, and asks on from there
    const isGone = isGivenTextGone(state);
    if (!isGone) noteGiven(state);
    tell(isGone ? words("make.gone") : "");
    receive(state);
  } catch (error) {
    if (numChanges !== before) return;
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
  if (hadFocus) stage.querySelector("[data-first],button,textarea")?.focus();
}

const another = () => press("button", words("make.another_text"), () => act(() => ask("forget")));
const failed = (error) => tell(error);

function cancelling() {
  const buttons = part("div", "buttons");
  buttons.append(press("button", words("make.cancel"), () => act(() => ask("forget"))));
  return buttons;
}

function heading(state, text) {
  const node = part("h2", "subtitle", text);
  const about = words("make.about_text", { title: isolated(state.title), characters: characters(state.chars) });
  node.append(" ", part("span", "about-text", about));
  return node;
}

const timeName = (seconds) => (seconds % 60 ? words("make.seconds", { n: seconds }) : words("make.minutes", { n: seconds / 60 }));

function renderChecked(state) {
  const model = document.querySelector("#field-model input")?.value ?? "";
  const isOwn = OWN_MODEL.test(model);
  const begin = choiceOf(words("make.begin"), "making-begin",
    [["", words("make.from_scratch")], ...(isOwn ? [] : [[model, words("make.with_model", { model })]])],
    state.findings.may_start_warm && !isOwn ? model : "");
  const time = choiceOf(words("make.for"), "making-time", state.times.map((seconds) => [String(seconds), timeName(seconds)]), "60");
  const train = press("button primary", words("make.train"), () => act(() => postJson("start", { seconds: Number(chosenOf(time)), model: chosenOf(begin) })));
  train.dataset.first = "";
  const buttons = part("div", "buttons");
  buttons.append(train, another());
  const note = part("p", "hint", words("make.begin_note"));
  const last = state.sentence ? [part("p", "hint", wordsOf(state.sentence))] : [];
  status.textContent = words("make.checked");
  return [heading(state, words("make.what_is_in_it")), renderFindings(state.findings), ...last, begin, note, time, buttons];
}

function renderQueued(state) {
  const line = part("p", "waiting");
  const update = ({ queue }) => {
    if (queue) line.textContent = words("make.queue", { count: queue.before, wait: queue.wait });
  };
  update(state);
  live = update;
  const buttons = part("div", "buttons");
  buttons.append(press("button", words("make.leave_queue"), () => act(() => ask("stop"))));
  return [heading(state, words("make.waits")), line, buttons];
}

function timeLine(state) {
  const { run, seconds, elapsed } = state;
  if (run.phase === "reporting") return words("make.almost_done");
  if (run.phase === "starting") return words("make.gets_ready");
  return words("make.time_left", { time: minutesAndSeconds(seconds - elapsed) });
}

function renderTraining(state) {
  const number = state.findings.number_to_beat.bits;
  const head = part("div", "clock");
  const left = part("span", "left");
  const bar = part("progress", "bar");
  bar.setAttribute("aria-label", words("make.time"));
  bar.max = state.seconds;
  const stop = press("button", words("composer.stop"), () => act(() => ask("stop")));
  head.append(left, bar, stop);
  const card = snapshotCard();
  const graph = part("div", "graph");
  const line = part("p", "verdict");
  let drawn = -1;
  let hasPassed = false;
  const update = (now) => {
    left.textContent = now.is_stopped ? words("make.stopping") : timeLine(now);
    bar.value = Math.min(now.elapsed, now.seconds);
    stop.disabled = now.is_stopped;
    card.update(now.run.snapshots);
    const points = now.run.metrics.length + now.run.snapshots.length;
    if (points === drawn) return;
    drawn = points;
    graph.replaceChildren(chartFigure(now.run, number, now.seconds));
    line.textContent = comparison(now.run, state.findings);
    const passed = !state.findings.doubt && heldOutPoints(now.run).some(([, bits]) => bits < number);
    if (passed && !hasPassed) status.textContent = words("make.passed");
    hasPassed = passed;
  };
  update(state);
  live = update;
  status.textContent = words("make.learns");
  return [heading(state, words("make.learns")), head, card.root, graph, line];
}

function renderReady(state) {
  const number = state.findings.number_to_beat.bits;
  commandChat("identify", { key: makeOwner() });
  const chat = press("button primary", words("make.chat"), () => {
    commandChat("use-model", { model: state.label });
    location.hash = "#chat";
  });
  chat.dataset.first = "";
  const buttons = part("div", "buttons");
  buttons.append(
    chat,
    press("button", words("make.download"), (event) => downloadModel(event.currentTarget)),
    press("button", words("make.train_again"), () => act(() => ask("again"))),
    another(),
  );
  const card = snapshotCard();
  card.update(state.run.snapshots);
  const note = [wordsOf(state.sentence), state.is_warm ? words("make.warm") : ""].filter(Boolean).map((line) => part("p", "hint", line));
  const use = part("p", "hint", words("make.use", { label: state.label }));
  const code = part("pre", "code-lines", 'from hubcharlstm import CharLSTM\nmodel = CharLSTM.from_pretrained("the-unpacked-folder")');
  status.textContent = words("make.is_ready");
  const publishing = state.may_publish || state.may_sign_in ? [renderPublishing(state, cameBack)] : [];
  cameBack = "";
  return [heading(state, words("make.ready")), part("p", "verdict", comparison(state.run, state.findings)), ...note, buttons, card.root,
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

// The trainer writes English.
function failure(sentence) {
  const node = part("p", "verdict", wordsOf(sentence));
  node.dir = "auto";
  return node;
}

function renderFailed(state) {
  const buttons = part("div", "buttons");
  if (state.findings) buttons.append(press("button primary", words("make.choose_again"), () => act(() => ask("again"))));
  buttons.append(another());
  return [heading(state, words("make.failed")), failure(state.sentence), buttons];
}

const STAGES = {
  none: (state) => [renderGiving(state, { onText: submitText, onProblem: failed })],
  checking: (state) => [heading(state, words("make.checking")), part("p", "waiting", words("make.checking_note")), cancelling()],
  checked: renderChecked,
  queued: renderQueued,
  training: renderTraining,
  ready: renderReady,
  failed: renderFailed,
};

function submitText(text, title) {
  commandChat("identify", { key: makeOwner() });
  act(() => ask(`text?title=${encodeURIComponent(title || words("make.default_title"))}`, { body: text }));
}
