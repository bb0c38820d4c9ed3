// What is known of the chosen cell: its name, how it is spread over this text, how long it holds its content, and a
// knob that holds it at a value while the model writes on.

import { button, make, number, percent, setText, svg } from "./dom.js";

const BINS = 24;
const OPEN = 0.9;
const SHUT = 0.1;

function histogram(cell) {
  const counts = new Array(BINS).fill(0);
  for (const value of cell.cell) counts[Math.min(BINS - 1, Math.floor(((Math.tanh(value) + 1) / 2) * BINS))] += 1;
  return counts;
}

// Characters after which half of the content is left, by the geometric mean of the forget gate.
export function halfLife(cell) {
  const mean = cell.forget_gate.reduce((sum, gate) => sum + Math.log(Math.max(gate, 1e-30)), 0) / cell.forget_gate.length;
  return Math.LN2 / Math.max(-mean, Math.LN2 / 1e6);
}

const share = (values, test) => values.reduce((count, value) => count + test(value), 0) / values.length;

export function cellCard({ ask, state, cell }) {
  const title = make("h2", "", "This cell");
  const name = make("p", "card-name");
  const facts = make("p", "card-facts");
  const bars = svg("svg", { viewBox: "0 0 240 64", class: "histogram", role: "img", preserveAspectRatio: "none" });
  const rects = Array.from({ length: BINS }, (_, n) => svg("rect", { x: n * 10 + 1, width: 8, class: n < BINS / 2 ? "below" : "" }));
  const mark = svg("line", { class: "mark", y1: 0, y2: 64 });
  bars.append(...rects, mark);
  const axis = make("p", "axis", make("span", "", "−1"), make("span", "", "tanh(c) over this text"), make("span", "", "+1"));
  const knob = make("input", "knob");
  Object.assign(knob, { type: "range", min: -3, max: 3, step: 0.1, value: 2, id: "inside-knob" });
  const knobValue = make("output", "knob-value");
  knobValue.htmlFor = "inside-knob";
  const write = button("secondary", "Write on", run);
  const clampLabel = make("label", "knob-label", "Hold the cell at");
  clampLabel.htmlFor = "inside-knob";
  const texts = ["As it is", "Held"].map((label) => {
    const shown = make("p", "written-text");
    const heading = make("h3", "", label);
    return { root: make("div", "", heading, shown), shown, heading };
  });
  const written = make("div", "written", ...texts.map((one) => one.root));
  written.hidden = true;
  const problem = make("p", "error-message");
  problem.setAttribute("role", "alert");
  const root = make("div", "card", title, name, bars, axis, facts,
    make("div", "clamp", clampLabel, knob, knobValue, write),
    make("p", "note", "From the character above on, once as it is and once with the cell held at this value, from one seed."),
    problem, written);
  let running = 0;

  const showKnob = () => {
    setText(knobValue, number(Number(knob.value), 1));
    knob.setAttribute("aria-valuetext", number(Number(knob.value), 1));
  };
  knob.addEventListener("input", showKnob);
  showKnob();

  async function run() {
    const mine = (running += 1);
    const { trace, at, layer, unit } = state;
    const value = Number(knob.value);
    setText(problem, "");
    written.hidden = false;
    setText(texts[1].heading, `Unit ${unit} held at ${number(value, 1)}`);
    for (const { shown } of texts) shown.textContent = "";
    write.disabled = true;
    try {
      const text = trace.characters.slice(0, at + 1).join("");
      const response = await ask("write", { text, cells: [[layer, unit]], value, length: 200, seed: 1 + Math.floor(Math.random() * 2 ** 40) });
      const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { done, value: chunk = "" } = await lines.read();
        if (mine !== running) return;
        const parts = (rest + chunk).split("\n");
        rest = parts.pop();
        for (const line of parts) JSON.parse(line).pieces?.forEach((piece, n) => texts[n].shown.append(piece));
        if (done) break;
      }
    } catch (fault) {
      setText(problem, fault.message);
    } finally {
      if (mine === running) write.disabled = false;
    }
  }

  function refresh() {
    const values = cell();
    if (!values) return;
    const { layer, unit, trace } = state;
    const named = trace.menu.find((one) => one.layer === layer && one.unit === unit && one.name);
    setText(title, trace.layers > 1 ? `Layer ${layer}, unit ${unit}` : `Unit ${unit}`);
    setText(name, named
      ? `It follows: ${named.name}. Its tanh(c) and this go together by ${number(named.strength, 2)}, where 1 is always and 0 is chance.`
      : "No name: it follows none of the properties that were tried, or not alone.");
    const counts = histogram(values);
    const most = Math.max(...counts);
    rects.forEach((rect, n) => {
      const height = (60 * counts[n]) / most;
      rect.setAttribute("y", 64 - height);
      rect.setAttribute("height", height);
    });
    bars.setAttribute("aria-label", `Histogram of tanh(c) over this text: ${percent(share(values.cell, (c) => c > 0))} of the characters above 0.`);
    const life = halfLife(values);
    const chars = life < 1 ? "less than a character" : life > 9999 ? "more than 9,999 characters" : `${life.toFixed(life < 10 ? 1 : 0)} characters`;
    setText(facts, `Half of what it holds is gone after ${chars}. Its forget gate is open (above 0.9) ${percent(share(values.forget_gate, (f) => f > OPEN))} of the time and shut (below 0.1) ${percent(share(values.forget_gate, (f) => f < SHUT))}; its output gate is open ${percent(share(values.output_gate, (o) => o > OPEN))} and shut ${percent(share(values.output_gate, (o) => o < SHUT))}.`);
    moveTo();
  }

  function moveTo() {
    const values = cell();
    if (!values) return;
    const x = (120 * (Math.tanh(values.cell[state.at]) + 1)).toFixed(1);
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
  }

  return { root, refresh, moveTo };
}
