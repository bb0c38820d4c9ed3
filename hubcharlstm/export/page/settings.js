// The settings, and what all parts share. All that a model or its record says is set as text, never as markup.

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

const speakerLabels = new Map(introduction.speakers); // names as in a sentence
const nameOf = (speaker) => speakerLabels.get(speaker) ?? speaker;
const SIDE_BY_SIDE = introduction.side_by_side;
const MAX_SEED = 2n ** 63n - 1n;
const defaultLength = Math.min(generation.max_new_tokens, 2000);

/** Opens the panel at a field that is to be corrected. */
function reveal(field) {
  byId("panel").classList.add("open");
  byId("toggle-settings").setAttribute("aria-expanded", "true");
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

/** A control's number; throws one sentence if it is none or out of range. */
function numberOf(id, name, whole = false) {
  const field = byId(id);
  const value = field.value.trim() === "" ? NaN : Number(field.value);
  const [low, high] = [Number(field.min), Number(field.max)];
  if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
    reveal(field);
    throw new Error(`The ${name} is "${field.value}"; expected ${whole ? "a whole" : "a"} number from ${low} to ${high}.`);
  }
  return value;
}

function readSettings() {
  const speaker = byId("speaker").value;
  const length = numberOf("length", "length", true);
  return {
    maxNewTokens: speaker && generation.turn_stop ? turnLength(length) : length,
    temperature: numberOf("temperature", "temperature"),
    topK: numberOf("top-k", "top-k", true),
    topP: numberOf("top-p", "top-p"),
    minP: numberOf("min-p", "min-p"),
    stop: byId("stop-at").value || (speaker ? generation.turn_stop : ""),
    seed: seedOf(byId("seed")),
  };
}

/** The seed of a field as text, drawn where it is empty; throws one sentence if it is none. */
function seedOf(field) {
  const seed = field.value.trim();
  if (seed === "") return drawSeed();
  if (/^\d{1,19}$/.test(seed) && BigInt(seed) <= MAX_SEED) return seed;
  reveal(field);
  throw new Error(`The seed is "${seed.slice(0, 40)}"; expected a whole number from 0 to ${MAX_SEED}.`);
}

/** A seed that is short enough to read aloud. */
function drawSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}

const rate = () => (byId("full-speed").checked ? Infinity : READING_PACE);
