// The empty page: what the model is, a recorded sample that is typed out, how the model learned, and starters.
// All of it comes from the model's record; no request is made.

const CHARACTERS_PER_SECOND = 50;

let typingFrame = 0;

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
function typeOut(node, text) {
  cancelAnimationFrame(typingFrame);
  node.data = "";
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    node.data = text;
    return;
  }
  const start = performance.now();
  const step = (now) => {
    const due = Math.floor(((now - start) / 1000) * CHARACTERS_PER_SECOND);
    if (due > node.length) node.appendData(text.slice(node.length, due));
    if (node.length < text.length && node.isConnected !== false) typingFrame = requestAnimationFrame(step);
  };
  typingFrame = requestAnimationFrame(step);
}

function renderSample({ passage, time_lapse: timeLapse }) {
  const sample = make("figure", "sample");
  const texts = timeLapse ? timeLapse.snapshots.map((snapshot) => snapshot.text) : [passage.text];
  const prompt = timeLapse ? timeLapse.prompt : passage.prompt;
  const stack = make("div", "stack");
  stack.setAttribute("aria-hidden", "true");
  const sheet = (className) => {
    const node = make("p", `sheet ${className}`);
    node.append(make("span", "prompt-text", prompt));
    return node;
  };
  for (const text of texts) {
    const sizer = sheet("sizer"); // invisible: reserves the height of the longest text, so that the layout never shifts
    sizer.append(text);
    stack.append(sizer);
  }
  const shown = sheet("shown");
  const text = document.createTextNode("");
  shown.append(text);
  stack.append(shown);
  const accessibleText = make("p", "visually-hidden", prompt + texts.at(-1));
  sample.append(stack, accessibleText);
  if (timeLapse) sample.append(renderTimeLapse(timeLapse, text, accessibleText));
  else sample.append(make("figcaption", "note", `Written by this model: ${passage.caption}.`));
  typeOut(text, texts.at(-1));
  return sample;
}

function renderTimeLapse(timeLapse, text, accessibleText) {
  const caption = make("figcaption", "time-lapse");
  const last = timeLapse.snapshots.length - 1;
  const slider = make("input");
  slider.type = "range";
  Object.assign(slider, { min: 0, max: last, step: 1, value: last });
  slider.id = "time-lapse";
  const output = make("output", "note");
  output.htmlFor = "time-lapse";
  const label = make("label", "", "How it learned");
  label.htmlFor = "time-lapse";
  const refresh = () => {
    output.textContent = timeLapse.snapshots[slider.value].label;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.addEventListener("input", () => {
    cancelAnimationFrame(typingFrame);
    text.data = timeLapse.snapshots[slider.value].text;
    accessibleText.textContent = timeLapse.prompt + text.data;
    refresh();
  });
  refresh();
  const range = make("span", "range");
  range.append(make("span", "", "noise"), slider, make("span", "", "voice"));
  caption.append(label, range, output);
  return caption;
}

function oneLine(text) {
  return text.trim().replace(/\s*\n\s*/g, " ⏎ ");
}

function renderIntro(intro, startFrom) {
  const root = element.querySelector(".intro");
  root.replaceChildren(make("h1", "title", intro.title), make("p", "tagline", intro.lines.join(" ")));
  if (intro.time_lapse || intro.passage) root.append(renderSample(intro));
  const starters = make("ul", "starters");
  starters.setAttribute("aria-label", "Lines to start with");
  const addStarter = (label, params) => {
    const item = make("li");
    item.append(button("starter", label, () => startFrom(params)));
    starters.append(item);
  };
  for (const prompt of intro.starters) addStarter(`${oneLine(prompt)} …`, { typed: prompt });
  if (intro.side_by_side) {
    const temperatures = intro.side_by_side.temperatures.map(String);
    const label = `the same line at ${temperatures.slice(0, -1).join(", ")} and ${temperatures.at(-1)}`;
    addStarter(label, { typed: intro.side_by_side.prompt, temperatures: intro.side_by_side.temperatures });
  }
  if (starters.children.length > 0) root.append(starters);
}
