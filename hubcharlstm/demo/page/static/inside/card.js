// What is known of the chosen cell: its name, what it fires on, how it is spread, how long it holds its content, and a
// knob that holds it at a value while the model writes on.

import { button, make, number, percent, setText, svg } from "./dom.js";
import { peakPlaces } from "./peaks.js";

const BINS = 24;
const OPEN = 0.9;
const SHUT = 0.1;

function histogram(cell) {
  const counts = new Array(BINS).fill(0);
  for (const value of cell.cell) counts[Math.min(BINS - 1, Math.floor(((Math.tanh(value) + 1) / 2) * BINS))] += 1;
  return counts;
}

// Characters after which half of the content is left, by the geometric mean of the forget gate.
function halfLife(cell) {
  const mean = cell.forget_gate.reduce((sum, gate) => sum + Math.log(Math.max(gate, 1e-30)), 0) / cell.forget_gate.length;
  return Math.LN2 / Math.max(-mean, Math.LN2 / 1e6);
}

export function lifeOf(cell) {
  const life = halfLife(cell);
  if (life < 1) return words("inside.life_less");
  if (life > 9999) return words("inside.life_more", { count: 9999 });
  return words("inside.life", { n: Number(life.toFixed(life < 10 ? 1 : 0)) });
}

const share = (values, test) => values.reduce((count, value) => count + test(value), 0) / values.length;

export function cellCard({ ask, state, cell, go }) {
  const peaks = peakPlaces({ go });
  const title = make("h2");
  const name = make("p", "card-name");
  const facts = make("p", "card-facts");
  const bars = svg("svg", { viewBox: "0 0 240 64", class: "histogram", role: "img", preserveAspectRatio: "none" });
  const rects = Array.from({ length: BINS }, (_, n) => svg("rect", { x: n * 10 + 1, width: 8, class: n < BINS / 2 ? "below" : "" }));
  const mark = svg("line", { class: "mark", y1: 0, y2: 64 });
  bars.append(...rects, mark);
  const axis = make("p", "axis", make("span", "", "−1"), Object.assign(make("span", "", words("inside.card_axis")), { dir: document.dir }), make("span", "", "+1"));
  axis.dir = "ltr";
  const knob = make("input", "knob");
  knob.dir = "ltr";
  Object.assign(knob, { type: "range", min: -3, max: 3, step: 0.1, value: 2, id: "inside-knob" });
  const knobValue = make("output", "knob-value");
  knobValue.htmlFor = "inside-knob";
  knobValue.dir = "ltr";
  const write = button("secondary", words("inside.write"), run);
  const toChat = button("secondary", words("inside.hold_in_chat"), holdInChat);
  const clampLabel = make("label", "knob-label", words("inside.hold"));
  clampLabel.htmlFor = "inside-knob";
  const texts = [words("inside.written_plain"), ""].map((label) => {
    const shown = make("p", "written-text");
    shown.dir = "auto";
    const heading = make("h3", "", label);
    return { root: make("div", "", heading, shown), shown, heading };
  });
  const written = make("div", "written", ...texts.map((one) => one.root));
  written.hidden = true;
  const problem = make("p", "error-message");
  problem.setAttribute("role", "alert");
  const root = make("div", "card", title, name, bars, axis, peaks.root, facts,
    make("div", "clamp", clampLabel, knob, knobValue, write, toChat),
    make("p", "note", words("inside.write_note")),
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
    setText(texts[1].heading, words("inside.written_held", { unit: String(unit), value: number(value, 1) }));
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
      if (mine === running) setText(problem, fault.message);
    } finally {
      if (mine === running) write.disabled = false;
    }
  }

  // Of a new text: what was written on from the text before goes, and what still comes is dropped.
  function reset() {
    running += 1;
    written.hidden = true;
    write.disabled = false;
    setText(problem, "");
  }

  // See held.js.
  function holdInChat() {
    const { layer, unit, trace } = state;
    document.dispatchEvent(new CustomEvent("hold-cell", { detail: { layer, unit, value: Number(knob.value), model: trace.model } }));
  }

  function refresh() {
    const values = cell();
    if (!values) return;
    const { layer, unit, trace } = state;
    const named = trace.menu.find((one) => one.layer === layer && one.unit === unit && one.name);
    setText(title, words(trace.layers > 1 ? "inside.card_layer_unit" : "inside.card_unit", { layer: String(layer), unit: String(unit) }));
    setText(name, named
      ? words("inside.card_named", { name: named.name, strength: number(named.strength, 2) })
      : words("inside.card_unnamed"));
    const counts = histogram(values);
    const most = Math.max(...counts);
    rects.forEach((rect, n) => {
      const height = (60 * counts[n]) / most;
      rect.setAttribute("y", 64 - height);
      rect.setAttribute("height", height);
    });
    bars.setAttribute("aria-label", words("inside.card_histogram", { share: percent(share(values.cell, (c) => c > 0)) }));
    setText(facts, words("inside.card_facts", {
      life: lifeOf(values),
      forget_open: percent(share(values.forget_gate, (f) => f > OPEN)),
      forget_shut: percent(share(values.forget_gate, (f) => f < SHUT)),
      output_open: percent(share(values.output_gate, (o) => o > OPEN)),
      output_shut: percent(share(values.output_gate, (o) => o < SHUT)),
    }));
    peaks.refresh(values, trace.characters);
    moveTo();
  }

  function moveTo() {
    const values = cell();
    if (!values) return;
    const x = (120 * (Math.tanh(values.cell[state.at]) + 1)).toFixed(1);
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
  }

  return { root, refresh, reset, moveTo };
}
