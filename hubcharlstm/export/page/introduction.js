// The empty page: what the model is, a sample of its text, how it learned, and lines to start with.

const oneLine = (text) => text.trim().replace(/\s*\n\s*/g, " ⏎ ");

function sheet(className, prompt, text) {
  const node = make("p", `sheet ${className}`);
  node.append(make("span", "prompt-text", prompt), text);
  return node;
}

function showSample({ passage, time_lapse: timeLapse }) {
  const figure = byId("sample");
  const caption = figure.querySelector("figcaption");
  const { prompt } = timeLapse ?? passage;
  const texts = timeLapse ? timeLapse.snapshots.map(({ text }) => text) : [passage.text];
  const shown = document.createTextNode(texts.at(-1));
  for (const text of texts) {
    const sizer = sheet("sizer", prompt, text);
    sizer.setAttribute("aria-hidden", "true");
    figure.querySelector(".stack").append(sizer);
  }
  figure.querySelector(".stack").append(sheet("shown", prompt, shown));
  figure.hidden = false;
  if (!timeLapse) {
    caption.append(make("span", "note", `Written by this model: ${passage.caption}.`));
    return;
  }
  const slider = make("input");
  Object.assign(slider, { type: "range", min: 0, max: texts.length - 1, step: 1, id: "time-lapse" });
  slider.value = texts.length - 1;
  const label = make("label", "", "How it learned");
  const output = make("output");
  label.htmlFor = output.htmlFor = "time-lapse";
  const refresh = () => {
    shown.data = texts[slider.value];
    output.textContent = timeLapse.snapshots[slider.value].label;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.addEventListener("input", refresh);
  refresh();
  const range = make("span", "range");
  range.append(make("span", "", "noise"), slider, make("span", "", "voice"));
  caption.append(label, range, output);
}

function introduce() {
  byId("title").textContent = introduction.title;
  byId("tagline").textContent = introduction.tagline;
  byId("about").textContent = introduction.about;
  byId("conversation").classList.toggle("code", introduction.is_code);
  if (introduction.time_lapse || introduction.passage) showSample(introduction);
  const addStarter = (label, onClick) => {
    const item = make("li");
    item.append(button("starter", label, onClick));
    byId("starters").append(item);
  };
  for (const prompt of introduction.starters) addStarter(`${oneLine(prompt)} …`, () => write(prompt));
  if (introduction.starters.length) {
    addStarter(`the same line at ${SIDE_BY_SIDE.join(", ")}`, () => write(introduction.starters[0], SIDE_BY_SIDE));
  }
}
