// The worker, the settings, and what they share. All that a model or its record says is set as text, never as markup.

const content = JSON.parse(document.getElementById("content").textContent);
const { introduction, generation } = content;
const byId = (id) => document.getElementById(id);

function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function button(className, text, onClick) {
  const node = make("button", className, text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

// --- the worker ---

const READING_PACE = 100; // characters a second
const replies = new Map(); // by id, those on the page
let nextReply = 0;

/** Takes the text of a data block, and the block off the page: the weights are the most of its memory. */
function take(id) {
  const block = byId(id);
  const text = block.textContent;
  block.remove();
  return text;
}

const worker = new Worker(URL.createObjectURL(new Blob([take("worker")], { type: "text/javascript" })));
worker.onmessage = ({ data }) => onMessage[data.type](replies.get(data.id), data);
worker.onerror = (event) => showError(`The model cannot be opened: ${event.message}`);
worker.postMessage({ type: "open", content, wasm: take("wasm"), weights: take("weights") });

const onMessage = {
  open() {
    document.documentElement.dataset.open = "true";
  },
  started(reply, { warnings }) {
    reply?.showWarnings(warnings);
  },
  text(reply, { text }) {
    reply?.append(text);
  },
  done(reply, { rest, finishReason }) {
    reply?.append(rest);
    reply?.end(finishReason);
  },
  alternatives(reply, { found }) {
    reply?.showAlternatives(found);
  },
  error(reply, { message }) {
    reply?.end("failed");
    showError(message);
  },
};

function showError(message) {
  byId("error").textContent = message;
  byId("error").hidden = message === "";
}

// --- settings ---

const SIDE_BY_SIDE = introduction.side_by_side;

/** A control's number; throws one sentence if it is none or out of range. */
function numberOf(id, name, whole = false) {
  const field = byId(id);
  const value = field.value.trim() === "" ? NaN : Number(field.value);
  const [low, high] = [Number(field.min), Number(field.max)];
  if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
    byId("panel").classList.add("open");
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    throw new Error(`The ${name} is "${field.value}"; expected ${whole ? "a whole" : "a"} number from ${low} to ${high}.`);
  }
  return value;
}

function readSettings() {
  const speaker = byId("speaker").value;
  return {
    maxNewTokens: numberOf("length", "length", true),
    temperature: numberOf("temperature", "temperature"),
    topK: numberOf("top-k", "top-k", true),
    topP: numberOf("top-p", "top-p"),
    minP: numberOf("min-p", "min-p"),
    stop: byId("stop-at").value || (speaker ? generation.turn_stop : ""),
    seed: byId("seed").value.trim() || drawSeed(),
  };
}

/** A seed that is short enough to read aloud. */
function drawSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}

const rate = () => (byId("full-speed").checked ? Infinity : READING_PACE);

function fill(template, message, speaker) {
  return template.replace(/\{(message|speaker)\}/g, (_, name) => (name === "message" ? message : speaker));
}

/** The prompt for what was typed, and the end of it that is shown before the reply; as the app composes them. */
function compose(typed, speaker) {
  if (!speaker) return { prompt: typed, shown: typed };
  const shown = fill(generation.turn_template.split("{message}").slice(1).join("{message}").replace(/^\n+/, ""), "", speaker);
  let message = typed.replace(/^\n+|\n+$/g, "");
  const stop = generation.turn_stop;
  if (stop && /^\n+$/.test(stop)) message = message.replace(new RegExp(`${stop}\n*`, "g"), stop.slice(1) || " ");
  return { prompt: typed.trim() ? fill(generation.turn_template, message, speaker) : shown, shown };
}
