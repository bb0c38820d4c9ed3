// The conversation on the page: what buttons and keys do to it, and what the server tells of the turn being written.

const NEAR_THE_END = 48; // pixels: a reader this close to the end is taken along as the text grows

// Seconds without a word from the server before the page goes on without it: until it has heard a wish, and after
// that, when a model may have to be loaded or a row to become free.
const UNHEARD = 6;
const SILENT = 90;

const view = element.querySelector(".view");
const list = element.querySelector(".turns");
const spoken = element.querySelector("[role=status]");

const composer = () => document.getElementById("composer"); // stands further down, so it may come later

let intro = null;
let conversation = loadConversation();
let past = []; // earlier conversations, for Undo
let drawn = [];
let following = true;
let asked = null; // the wish under way: {turn, at, typed, begun}
let patience = 0;
let editing = null; // the place of the message that is being edited

// --- drawing ---------------------------------------------------------------------------------------------------

function toTheEnd() {
  view.scrollTop = view.scrollHeight;
}

function draw() {
  let kept = 0;
  while (kept < drawn.length && kept < conversation.length && drawn[kept].turn.id === conversation[kept].id) kept += 1;
  for (const gone of drawn.splice(kept)) gone.root.remove();
  conversation.forEach((turn, index) => {
    if (index === drawn.length) {
      drawn.push(drawTurn(turn, (verb, reply) => act(verb, drawn.findIndex((one) => one.turn.id === turn.id), reply)));
      list.append(drawn[index].root);
    }
    if (drawn[index].turn !== turn || index >= kept) refreshTurn(drawn[index], turn);
    drawn[index].root.classList.toggle("last", index === conversation.length - 1);
  });
  element.classList.toggle("empty", conversation.length === 0);
  document.getElementById("stage").classList.toggle("empty", conversation.length === 0);
  if (conversation.length === 0) view.scrollTop = 0;
  else if (following) toTheEnd();
}

function say(text) {
  if (spoken.textContent !== text) spoken.textContent = text;
}

function setWriting(writing) {
  for (const root of [element, composer()]) root?.classList.toggle("is-writing", writing);
}

// --- asking --------------------------------------------------------------------------------------------------------

function box() {
  return document.querySelector("#field-message textarea");
}

function setBox(text) {
  box().value = text;
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

function textSoFar(before) {
  const last = conversation[before - 1];
  return last ? last.prompt + last.replies[0].text : "";
}

function newId() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join("");
}

function ask(wish, at, fromBox = false) {
  if (asked) return;
  hideProblem();
  asked = { turn: newId(), at, typed: wish.typed ?? "", fromBox, before: conversation, begun: false };
  following = true;
  setWriting(true);
  expectNews(UNHEARD);
  trigger("ask", { ...wish, turn: asked.turn });
}

// A server that is gone ends no event: Gradio waits for it to come back.
function expectNews(seconds) {
  clearTimeout(patience);
  patience = setTimeout(settle, seconds * 1000);
}

function send(text) {
  const at = editing ?? conversation.length;
  ask({ typed: text, context: textSoFar(at) }, at, true);
}

function start(wish) {
  ask({ speaker: "", context: "", again: false, ...wish }, conversation.length);
}

function act(verb, at, reply = 0) {
  const turn = conversation[at];
  if (asked || !turn) return;
  if (verb === "edit") {
    editing = at;
    setBox(turn.typed);
    box().focus();
    drawEditing();
    return;
  }
  if (at !== conversation.length - 1) return;
  if (verb === "continue") ask({ place: turn, index: reply, typed: "" }, at);
  if (verb === "retry") {
    const several = turn.replies.length > 1;
    const temperatures = several ? turn.replies.map((one) => one.temperature) : undefined;
    ask({ typed: turn.typed, speaker: turn.speaker, context: turn.context, again: true, temperatures }, at);
  }
}

const hint = make("p", "hint", "Editing: Enter sends it and goes on from there, Esc leaves all as it is.");
hint.setAttribute("role", "status");

function drawEditing() {
  if (editing === null) hint.remove();
  else composer().before(hint);
  drawn.forEach((entry, index) => entry.root.classList.toggle("to-go", editing !== null && index >= editing));
  composer()?.classList.toggle("is-editing", editing !== null);
}

function stopEditing() {
  if (editing !== null) setBox("");
  editing = null;
  drawEditing();
}

// --- verbs of buttons and keys ------------------------------------------------------------------------------------

function undo() {
  if (asked) return;
  if (editing !== null) {
    stopEditing();
    return;
  }
  const gone = conversation.at(-1);
  conversation = past.length > 0 ? past.pop() : conversation.slice(0, -1);
  if (gone && !conversation.some((turn) => turn.typed === gone.typed) && box().value === "") setBox(gone.typed);
  save();
  draw();
}

function clear() {
  if (asked) return;
  const replies = [...conversation, ...past.flat()].flatMap((turn) => turn.replies.map((reply) => reply.id));
  if (replies.length > 0) trigger("forget", { replies: [...new Set(replies)] });
  [conversation, past] = [[], []];
  stopEditing();
  hideProblem();
  save();
  draw();
  say("The conversation is cleared.");
  box().focus();
}

function surprise() {
  const pool = (intro?.pool ?? []).filter((prompt) => prompt !== conversation.at(-1)?.typed);
  start({ typed: pool.length > 0 ? pool[Math.floor(Math.random() * pool.length)] : "", again: true });
}

function more() {
  const open = document.getElementById("panel").classList.toggle("open");
  document.getElementById("more").setAttribute("aria-expanded", String(open));
}

function stop() {
  if (asked) trigger("halt", { turn: asked.turn });
}

const verbs = {
  send: ({ text }) => send(text),
  settle,
  stop,
  undo,
  clear,
  surprise,
  more,
  "save-text": () => download("conversation.txt", "text/plain", asText(conversation)),
  "save-json": () => download("conversation.json", "application/json", JSON.stringify(conversation, null, 2)),
};
document.getElementById("conversation").addEventListener("do", (event) => verbs[event.detail.verb](event.detail));

// A seed that is typed or pasted is one to keep; Gradio's own input event does not tell of what is pasted.
document.addEventListener("input", (event) => {
  const lock = document.querySelector("#lock-seed input");
  if (event.target.closest?.("#field-seed") && !lock.checked) lock.click();
});

document.addEventListener(
  "keydown",
  (event) => {
    const last = conversation.length - 1;
    const enter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    const is = (verb, run) => {
      event.preventDefault();
      event.stopPropagation();
      run(verb);
    };
    if (event.key === "Escape" && asked) is("stop", stop);
    else if (event.key === "Escape" && editing !== null) is("stop", stopEditing);
    else if (enter && (event.ctrlKey || event.metaKey)) is("retry", () => act("retry", last));
    else if (enter && event.altKey) is("continue", () => act("continue", last));
    else if (enter && asked && event.target === box()) is("wait", () => {}); // one reply at a time
  },
  true,
);

// --- what the server tells ----------------------------------------------------------------------------------------

function save() {
  if (!saveNow(conversation)) showProblem("message", "This browser keeps no more of the conversation: save it as text, then clear it.");
}

const wait = make("p", "hint waiting");

function takeWait({ turn, sentence: text }) {
  if (!asked || turn !== asked.turn) return;
  expectNews(SILENT);
  if (!wait.isConnected) composer().before(wait);
  wait.textContent = text;
  say(text);
}

function takeTurn(turn) {
  if (!asked || turn.id !== asked.turn) return;
  expectNews(SILENT);
  wait.remove();
  if (!asked.begun) {
    asked.begun = true;
    past.push(asked.before);
    if (asked.fromBox) {
      setBox("");
      editing = null;
    }
    say("The model is writing.");
  }
  conversation = [...asked.before.slice(0, asked.at), turn];
  draw();
  drawEditing();
  saveSoon(save);
}

function takeProblem({ turn, field, sentence: text }) {
  if (asked && turn === asked.turn && asked.begun) {
    conversation = past.pop();
    if (asked.fromBox && box().value === "") setBox(asked.typed);
    draw();
  }
  if (asked && turn === asked.turn) asked.failed = true;
  showProblem(field, text);
}

function settle() {
  if (!asked) return;
  const { begun, failed } = asked;
  clearTimeout(patience);
  wait.remove();
  asked = null;
  setWriting(false);
  conversation = conversation.map(settled);
  draw();
  if (!failed && begun) {
    const turn = conversation.at(-1);
    say(`The model is done: ${turn.replies.map((reply) => reply.caption).join("; ")}`);
  } else if (!failed) {
    showProblem("message", "The server did not answer; expected it to: check that it runs, then send the line again.");
  }
  save();
}

function takeValue() {
  const value = props.value;
  if (value?.kind === "turn") takeTurn(value.turn);
  else if (value?.kind === "heard" && value.turn === asked?.turn) expectNews(SILENT);
  else if (value?.kind === "waiting") takeWait(value);
  else if (value?.kind === "problem") takeProblem(value);
  else if (value?.kind === "link") ask(value.ask, conversation.length);
  else if (value?.kind === "intro") {
    intro = value.intro;
    drawIntro(intro, start);
    document.title = `${intro.title} · hubcharlstm`;
  }
}

view.addEventListener("scroll", () => {
  following = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_THE_END;
});
new ResizeObserver(() => {
  if (following && drawn.length > 0) toTheEnd();
}).observe(view);
addEventListener("pagehide", () => saveNow(conversation));
addEventListener("storage", (event) => {
  if (event.key !== KEY || asked) return; // another tab of the same visitor
  conversation = loadConversation();
  past = [];
  draw();
});

takeValue();
draw();
watch("value", takeValue);
if (location.search.length > 1) {
  trigger("open_link", { query: location.search });
  const foreign = [...new URLSearchParams(location.search)].filter(([name]) => name.startsWith("__"));
  const rest = new URLSearchParams(foreign).toString();
  history.replaceState(null, "", location.pathname + (rest ? `?${rest}` : ""));
}
