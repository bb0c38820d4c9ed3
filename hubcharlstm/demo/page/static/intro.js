// The empty page: what the model is, a recorded sample that is typed out, how the model learned, and starters.
// All of it comes from the model's record; no request is made.

const CHARACTERS_PER_SECOND = 50;
const SNAPSHOT_MILLISECONDS = 700;

let typingFrame = 0;
let stopPlaying = () => {};

const wantsMotion = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;

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

// Animates visible text only: screen readers get the whole text at once.
function typeOut(node, text, onEnd = () => {}) {
  cancelAnimationFrame(typingFrame);
  node.data = "";
  if (!wantsMotion()) {
    node.data = text;
    onEnd();
    return;
  }
  const start = performance.now();
  const step = (now) => {
    const due = Math.floor(((now - start) / 1000) * CHARACTERS_PER_SECOND);
    if (due > node.length) node.appendData(text.slice(node.length, due));
    if (node.length >= text.length) onEnd();
    else if (node.isConnected !== false) typingFrame = requestAnimationFrame(step);
  };
  typingFrame = requestAnimationFrame(step);
}

// The last text gives the card its height: what is longer is cut, and the layout never shifts.
function renderSample({ passage, time_lapse: timeLapse }) {
  const sample = make("figure", "sample");
  const last = timeLapse ? timeLapse.snapshots.at(-1).text : passage.text;
  const prompt = timeLapse ? timeLapse.prompt : passage.prompt;
  const stack = make("div", "stack");
  stack.setAttribute("aria-hidden", "true");
  const sheet = (className) => {
    const node = make("p", `sheet ${className}`);
    node.append(make("span", "prompt-text", prompt));
    stack.append(node);
    return node;
  };
  sheet("sizer").append(last);
  const text = document.createTextNode("");
  sheet("shown").append(text);
  const accessibleText = make("p", "visually-hidden", prompt + last);
  sample.append(stack, accessibleText);
  if (timeLapse) sample.append(renderTimeLapse(timeLapse, text, accessibleText));
  else {
    sample.append(make("figcaption", "note", words("intro.passage", passage)));
    typeOut(text, last);
  }
  return sample;
}

// A duration as people say it.
function inTime(seconds) {
  if (seconds < 1) return words("intro.instant");
  const unit = seconds < 100 ? "second" : seconds < 5400 ? "minute" : "hour";
  const value = seconds / { second: 1, minute: 60, hour: 3600 }[unit];
  return inDigits(value, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: unit === "hour" ? 1 : 0 });
}

// How far the training was: characters read, and the time and the loss where the record knows them.
function snapshotFacts({ characters, seconds, bits }) {
  const count = inDigits(characters, characters < 10_000 ? {} : { notation: "compact", compactDisplay: "long", maximumFractionDigits: characters < 1e6 ? 0 : 1 });
  const facts = [
    words("intro.snapshot", { count }),
    seconds !== null && inTime(seconds),
    bits !== null && words("intro.bits", { bits: inDigits(bits, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) }),
  ];
  return facts.filter(Boolean).join(words("list.comma"));
}

// From noise to voice, once by itself unless motion is unwanted, then by hand.
function renderTimeLapse({ prompt, snapshots }, text, accessibleText) {
  const caption = make("figcaption", "time-lapse");
  const last = snapshots.length - 1;
  const slider = make("input");
  slider.type = "range";
  Object.assign(slider, { min: 0, max: last, step: 1, id: "time-lapse" });
  const label = make("label", "", words("intro.learned"));
  label.htmlFor = "time-lapse";
  const facts = make("span", "note facts");
  facts.setAttribute("aria-hidden", "true"); // the slider's value is the same text
  const moveTo = (index) => {
    slider.value = index;
    facts.textContent = snapshotFacts(snapshots[index]);
    slider.setAttribute("aria-valuetext", facts.textContent);
  };
  const show = (index) => {
    moveTo(index);
    text.data = snapshots[index].text;
  };
  let timer = 0;
  const playButton = button("action play", words("intro.play"), () => (timer ? stopPlaying(true) : play()));
  const setPlaying = (newTimer) => {
    timer = newTimer;
    playButton.textContent = words(timer ? "intro.pause" : "intro.play_again");
  };
  stopPlaying = (isByHand = false) => {
    clearTimeout(timer);
    cancelAnimationFrame(typingFrame);
    if (isByHand) accessibleText.textContent = prompt + snapshots[slider.value].text;
    else if (timer) show(last);
    setPlaying(0);
  };
  const play = (index = 0) => {
    accessibleText.textContent = prompt + snapshots[last].text; // it ends there
    if (index < last) {
      show(index);
      setPlaying(setTimeout(() => play(index + 1), SNAPSHOT_MILLISECONDS));
    } else {
      moveTo(last);
      typeOut(text, snapshots[last].text, () => setPlaying(0));
    }
  };
  slider.addEventListener("input", () => {
    stopPlaying(true);
    show(slider.value);
  });
  if (wantsMotion() && conversation.length === 0) play();
  else {
    show(last);
    setPlaying(0);
  }
  const range = make("span", "range");
  range.append(make("span", "", words("intro.noise")), slider, make("span", "", words("intro.voice")));
  caption.append(label, range, playButton, facts);
  return caption;
}

// The conversation with a character goes on as one: see speakers.js.
function chooseSpeaker(name) {
  document.querySelector("#field-speaker .chips")?.dispatchEvent(new CustomEvent("choose", { detail: name, bubbles: true }));
}

function oneLine(text) {
  return text.trim().replace(/\s*\n\s*/g, " ⏎ ");
}

function renderIntro(intro, startFrom) {
  const root = element.querySelector(".intro");
  stopPlaying();
  if (root.childElementCount > 0) chooseSpeaker(""); // another model, which may know no speakers
  root.replaceChildren(make("h1", "title", wordsOf(intro.title)), make("p", "tagline", intro.lines.map(wordsOf).join(" ")));
  if (intro.time_lapse || intro.passage) root.append(renderSample(intro));
  const starters = make("ul", "starters");
  starters.setAttribute("aria-label", words("intro.starters"));
  const addStarter = (label, params) => {
    const item = make("li");
    item.append(button("starter", label, () => {
      if (params.speaker) chooseSpeaker(params.speaker);
      startFrom(params);
    }));
    starters.append(item);
  };
  for (const { label, ...params } of intro.starters) addStarter(wordsOf(label), params);
  if (starters.children.length > 0) root.append(starters);
}
