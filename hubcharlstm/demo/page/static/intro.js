// The empty page: what the model is, a recorded passage that is written letter by letter, how the model learned, and
// lines to start with. Everything shown here comes from the model's record; nothing is asked of the server.

const LETTERS_PER_SECOND = 50;

let typing = 0;

function make(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function button(className, text, act) {
  const made = make("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

// Letter by letter for the eye; a screen reader has the whole text from the start.
function writeSlowly(node, text) {
  cancelAnimationFrame(typing);
  node.data = "";
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    node.data = text;
    return;
  }
  const start = performance.now();
  const step = (now) => {
    const due = Math.floor(((now - start) / 1000) * LETTERS_PER_SECOND);
    if (due > node.length) node.appendData(text.slice(node.length, due));
    if (node.length < text.length && node.isConnected !== false) typing = requestAnimationFrame(step);
  };
  typing = requestAnimationFrame(step);
}

function drawPlate({ passage, lapse }) {
  const plate = make("figure", "plate");
  const voices = lapse ? lapse.moments.map((moment) => moment.text) : [passage.text];
  const prompt = lapse ? lapse.prompt : passage.prompt;
  const stack = make("div", "stack");
  stack.setAttribute("aria-hidden", "true");
  const sheet = (className) => {
    const made = make("p", `sheet ${className}`);
    made.append(make("span", "seed-phrase", prompt));
    return made;
  };
  for (const voice of voices) {
    const room = sheet("room"); // unseen: holds the place of the longest, so that nothing moves
    room.append(voice);
    stack.append(room);
  }
  const shown = sheet("shown");
  const text = document.createTextNode("");
  shown.append(text);
  stack.append(shown);
  const spoken = make("p", "unseen", prompt + voices.at(-1));
  plate.append(stack, spoken);
  if (lapse) plate.append(drawLapse(lapse, text, spoken));
  else plate.append(make("figcaption", "told", `Written by this model: ${passage.told}.`));
  writeSlowly(text, voices.at(-1));
  return plate;
}

function drawLapse(lapse, text, spoken) {
  const caption = make("figcaption", "lapse");
  const last = lapse.moments.length - 1;
  const slider = make("input");
  slider.type = "range";
  Object.assign(slider, { min: 0, max: last, step: 1, value: last });
  slider.id = "lapse";
  const told = make("output", "told");
  told.htmlFor = "lapse";
  const label = make("label", "", "How it learned");
  label.htmlFor = "lapse";
  const tell = () => {
    told.textContent = lapse.moments[slider.value].label;
    slider.setAttribute("aria-valuetext", told.textContent);
  };
  slider.addEventListener("input", () => {
    cancelAnimationFrame(typing);
    text.data = lapse.moments[slider.value].text;
    spoken.textContent = lapse.prompt + text.data;
    tell();
  });
  tell();
  const ends = make("span", "ends");
  ends.append(make("span", "", "noise"), slider, make("span", "", "voice"));
  caption.append(label, ends, told);
  return caption;
}

function oneLine(text) {
  return text.trim().replace(/\s*\n\s*/g, " ⏎ ");
}

function drawIntro(intro, start) {
  const root = element.querySelector(".intro");
  root.replaceChildren(make("h1", "title", intro.title), make("p", "line", intro.lines.join(" ")));
  if (intro.lapse || intro.passage) root.append(drawPlate(intro));
  const starters = make("ul", "starters");
  starters.setAttribute("aria-label", "Lines to start with");
  const offer = (label, wish) => {
    const item = make("li");
    item.append(button("starter", label, () => start(wish)));
    starters.append(item);
  };
  for (const prompt of intro.starters) offer(`${oneLine(prompt)} …`, { typed: prompt });
  if (intro.side) {
    const named = intro.side.temperatures.map((one) => String(one));
    const label = `the same line at ${named.slice(0, -1).join(", ")} and ${named.at(-1)}`;
    offer(label, { typed: intro.side.prompt, temperatures: intro.side.temperatures });
  }
  if (starters.children.length > 0) root.append(starters);
}
