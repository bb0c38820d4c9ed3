// The view: what it shows of one text, and the one place where that changes.

import { ofGate, ofSurprise, ofValue, ofWeight } from "./colors.js";
import { ask, cellsOf, keyOf, mapsOf, unpack } from "./data.js";
import { copiedSwitch } from "./copied.js";
import { button, make, nameOf, number, percent, select, setOptions, setText, signed, visible } from "./dom.js";
import { cellDrawing } from "./drawing.js";
import { equations } from "./equations.js";
import { layerMap } from "./map.js";
import { prepareWhileTyping } from "./prepare.js";
import { explain, stepOf } from "./step.js";
import { stretchPanel } from "./stretch.js";
import { takeAlong } from "./take.js";
import { textStrip } from "./text.js";
import { cellCard } from "./card.js";
import { guide } from "./walk.js";

const MAX_TEXT = 2000;
const WAIT_MILLISECONDS = 150; // before the server is asked what mattered, so that scrubbing asks once

const COLORINGS = [
  ["surprise", "inside.color_surprise"],
  ["weights", "inside.color_weights"],
  ["none", "inside.color_none"],
];
const OF_UNIT = [
  ["cell", "inside.series_cell"],
  ["forget_gate", "inside.series_forget"],
  ["input_gate", "inside.series_input"],
  ["candidate", "inside.series_candidate"],
  ["output_gate", "inside.series_output"],
  ["hidden", "inside.series_hidden"],
];
const LEGENDS = {
  surprise: ["inside.legend_expected", "inside.legend_surprise"],
  weights: ["inside.legend_no_matter", "inside.legend_mattered"],
  none: [],
  cell: ["−1", "tanh(c)", "+1"],
  candidate: ["−1", "g", "+1"],
  hidden: ["−1", "h", "+1"],
};

const inThisLanguage = ([value, key]) => [value, words(key)];

const legendPart = (part) => (part.startsWith("inside.") ? Object.assign(make("span", "", words(part)), { dir: document.dir }) : make("span", "", part));

// The library's own probes have words of the catalogue; the name of another is the model's.
function nameOfCell({ probe, name }) {
  const key = `inside.probe.${probe}`;
  return Object.hasOwn(pageWords.entries, key) ? words(key) : name;
}

// The end of a text that is long, and what is read before it.
function partsOf(text) {
  const characters = Array.from(text);
  return { before: characters.slice(-2 * MAX_TEXT, -MAX_TEXT).join(""), text: characters.slice(-MAX_TEXT).join("") };
}

export function mountView(root, { fileUrl, nameOfModel }) {
  const state = { trace: null, before: "", model: "", chosen: "", isPassage: false, isClamped: false, at: 0, layer: 0, unit: 0, color: "surprise", series: "cell", range: null, anchor: 0, weights: null };
  let asked = 0; // the number of the latest question, so that late answers to earlier ones are dropped
  let weightTimer = 0;

  const text = textStrip({ onMove: moveTo, onSelect: selectRange });
  const copied = copiedSwitch({ ask: askServer, state, text, showError: (sentence) => setText(error, sentence) });
  const drawing = cellDrawing();
  const terms = equations();
  const map = layerMap({ onPick: pick, onSeries: chooseSeries });
  const card = cellCard({ ask: askServer, state, cell: currentCell, go: moveTo });
  const walk = guide({ state, cell: currentCell, go: moveTo, light });

  const stretch = stretchPanel({ state, cellMap, chooseUnit, go: moveTo, showError: (sentence) => setText(error, sentence) });
  const take = takeAlong({ ask: askServer, state, canvas: map.canvas, showError: (sentence) => setText(error, sentence) });

  const color = select(words("inside.color"), (value) => {
    const [kind, layer, unit] = value.split(":");
    if (kind === "named") chooseUnit(Number(layer), Number(unit), "cell");
    else setColor(kind);
  });
  const unitMenu = select(words("inside.unit"), (value) => value !== "" && chooseUnit(...value.split(":").map(Number)));
  const unitNumber = make("input", "unit-number");
  Object.assign(unitNumber, { type: "number", min: 0, step: 1 });
  unitNumber.setAttribute("aria-label", words("inside.unit_number"));
  unitNumber.addEventListener("change", () => {
    const unit = Math.round(Number(unitNumber.value));
    if (unit >= 0 && unit < state.trace.size) chooseUnit(state.layer, unit);
    else unitNumber.value = state.unit;
  });
  const layerMenu = select(words("inside.layer"), (value) => chooseUnit(Number(value), state.unit));

  const field = make("textarea", "own-text");
  Object.assign(field, { rows: 2, maxLength: MAX_TEXT, placeholder: words("inside.own_placeholder"), spellcheck: false });
  field.setAttribute("aria-label", words("inside.own"));
  const submit = button("primary", words("views.inside"), () => open({ text: field.value, isOwn: true }));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit.click();
  });
  const answerTo = prepareWhileTyping(field, (typed) => questionOf(typed, nameOfModel()), load);
  const error = make("p", "error-message");
  error.setAttribute("role", "alert");
  const facts = make("p", "facts");
  facts.setAttribute("role", "status");
  const legend = make("p", "legend");
  legend.dir = "ltr";
  const explanation = make("p", "explanation");
  explanation.setAttribute("aria-live", "polite");
  const guesses = make("ol", "guesses");
  const guessTitle = make("h3", "");

  root.append(
    make("div", "inside-scroll",
      make("div", "inside-page",
        make("header", "inside-head",
          make("div", "", make("h1", "", words("views.inside")), make("p", "lead", words("inside.lead"))),
          walk.start,
        ),
        make("div", "own", field, submit),
        error,
        make("section", "text-card", make("div", "text-tools", color.root, copied.root, legend), text.strip, text.plain, facts, copied.note),
        text.bar,
        stretch.root,
        make("section", "cell-card",
          make("div", "section-head", make("h2", "", words("inside.cell_title")), make("div", "pickers", layerMenu.root, unitMenu.root, unitNumber)),
          make("div", "cell-columns", make("div", "drawing-column", drawing.root, make("p", "note", words("inside.drawing_key")), explanation), terms.root),
        ),
        make("section", "map-card",
          make("div", "section-head", make("h2", "", words("inside.map_title")), make("div", "pickers", map.series)),
          make("p", "note", words("inside.map_note")),
          map.frame, map.hint,
        ),
        make("section", "more-columns",
          make("div", "", make("h2", "", words("inside.guess_title")), guessTitle, guesses),
          card.root,
        ),
        take.root,
      ),
    ),
    walk.root,
  );

  const parts = [...root.querySelectorAll(".inside-page > :not(.inside-head, .own, .error-message)")];
  const ofCell = [root.querySelector(".cell-columns"), card.root];
  for (const part of parts) part.inert = true; // until there is a text to ask about

  // --- what is asked ---

  function askServer(name, body) {
    return ask(fileUrl(name), { text: state.trace.text, before: state.before, model: state.model, ...body });
  }

  function questionOf(shown, model) {
    return { ...partsOf(shown), model, maps: [[state.series, 0]] };
  }

  // An answer with a trace, null for an empty one.
  async function load(name, body) {
    const response = await ask(fileUrl(name), body);
    return response.status === 204 ? null : unpack(await response.arrayBuffer());
  }

  // Without a request: what is shown stays, unless another model was chosen meanwhile, which then reads it.
  async function open(request) {
    const chosen = nameOfModel();
    if (!request && state.trace) {
      if (chosen === state.chosen) return;
      request = { text: state.isPassage ? "" : state.before + state.trace.text, isClamped: state.isClamped };
    }
    const body = questionOf(request?.text ?? "", request?.model ?? chosen);
    const { before, text: shown } = body;
    const question = (asked += 1);
    root.classList.add("busy");
    try {
      const answer = await answerTo(body);
      if (question !== asked) return;
      setText(error, "");
      Object.assign(state, { before, model: answer.header.model, chosen, isPassage: shown === "", isClamped: Boolean(request?.isClamped) });
      Object.assign(state, { at: 0, range: null, weights: null });
      if (request?.isOwn) history.replaceState(null, "", shown.length <= 500 ? `#inside=${encodeURIComponent(shown)}` : "#inside");
      receive(answer);
    } catch (problem) {
      if (question === asked) setText(error, problem.message);
    } finally {
      if (question === asked) root.classList.remove("busy");
    }
  }

  function receive(answer) {
    const { header, arrays } = answer;
    const isSameModel = state.trace?.model === header.model;
    state.trace = {
      text: header.text, model: header.model, menu: header.menu.map((one) => ({ ...one, name: nameOfCell(one) })), heldOut: header.held_out, warnings: header.warnings.map(wordsOf),
      characters: Array.from(header.text), alphabet: header.characters, layers: header.sizes[0], size: header.sizes[1],
      surprise: arrays.surprise, guessIds: arrays.guess_ids, guessProbs: arrays.guess_probs,
      cells: cellsOf(answer), maps: new Map(mapsOf(answer)),
    };
    const { trace } = state;
    if (!isSameModel) {
      const [first] = trace.menu;
      [state.layer, state.unit] = [first.layer, first.unit];
    }
    const unitName = ({ layer, unit, name, strength }) => [keyOf(layer, unit), name ? `${unit}: ${name} (${inWords(signed(strength, 2))})` : `${unit}`];
    setOptions(unitMenu.node, [["", [["", words("inside.menu_another")]]], [trace.menu[0].name ? words("inside.menu_named") : words("inside.menu_liveliest"), trace.menu.map(unitName)]]);
    const named = trace.menu.filter(({ name }) => name).map(({ layer, unit, name }) => [`named:${layer}:${unit}`, name]);
    setOptions(color.node, [["", COLORINGS.map(inThisLanguage)], [words("inside.color_unit"), OF_UNIT.map(inThisLanguage)], ...(named.length > 0 ? [[words("inside.menu_named"), named]] : [])]);
    setOptions(layerMenu.node, [["", Array.from({ length: trace.layers }, (_, n) => [n, `${n}`])]]);
    layerMenu.root.hidden = trace.layers < 2;
    unitNumber.max = trace.size - 1;
    for (const part of parts) part.inert = false;
    text.setTrace(trace);
    if (!currentCell()) paint(); // the unit is asked for first: until then no colour may be one of the text before
    const bits = trace.surprise.reduce((sum, one) => sum + one, 0) / trace.surprise.length;
    const said = [words("inside.facts", { model: trace.model, n: trace.characters.length, bits: number(bits, 2) })];
    if (trace.heldOut) said.push(words("inside.facts_held_out", { bits: number(trace.heldOut, 2) }));
    if (state.isClamped) said.push(words("inside.facts_clamped"));
    setText(facts, [...said, trace.warnings.join("; ")].join(" "));
    chooseUnit(state.layer, state.unit, state.color);
    moveTo(Math.min(trace.characters.length - 1, state.at));
    walk.refresh();
    take.reset();
    card.reset();
    copied.refresh();
    selectRange(null);
  }

  // --- what is chosen ---

  function currentCell() {
    return state.trace?.cells.get(keyOf(state.layer, state.unit)) ?? null;
  }

  async function chooseUnit(layer, unit, color = state.color) {
    const { trace } = state;
    const isOther = layer !== state.layer;
    [state.layer, state.unit] = [layer, unit];
    unitMenu.node.value = trace.menu.some((one) => one.layer === layer && one.unit === unit) ? keyOf(layer, unit) : "";
    unitNumber.value = unit;
    layerMenu.node.value = layer;
    if (!trace.cells.has(keyOf(layer, unit))) {
      showWhetherMissing();
      try {
        const answer = unpack(await (await askServer("trace", { cells: [[layer, unit]] })).arrayBuffer());
        for (const [key, cell] of cellsOf(answer)) trace.cells.set(key, cell);
      } catch (problem) {
        setText(error, problem.message);
        return;
      }
      if (state.trace !== trace || state.layer !== layer || state.unit !== unit) return;
    }
    setColor(color);
    if (isOther || !map.map || map.map.trace !== trace) await showMap();
    card.refresh();
    moveTo(state.at);
    walk.refresh();
  }

  async function chooseSeries(series) {
    state.series = series;
    await showMap();
    moveTo(state.at);
  }

  async function showMap() {
    const { trace, series, layer } = state;
    const name = `map:${series}:${layer}`;
    if (!trace.maps.has(name)) {
      try {
        const answer = unpack(await (await askServer("trace", { cells: [], maps: [[series, layer]] })).arrayBuffer());
        for (const [key, array] of mapsOf(answer)) trace.maps.set(key, array);
      } catch (problem) {
        setText(error, problem.message);
        return;
      }
    }
    if (state.trace !== trace || state.series !== series || state.layer !== layer) return;
    map.setMap(series, trace.maps.get(name), trace.maps.get(`order:${layer}`), trace.characters.length);
    map.map.trace = trace;
  }

  // The map of the cell in the chosen layer, whichever is shown.
  async function cellMap() {
    const { trace, layer } = state;
    const name = `map:cell:${layer}`;
    if (!trace.maps.has(name)) {
      const answer = unpack(await (await askServer("trace", { cells: [], maps: [["cell", layer]] })).arrayBuffer());
      for (const [key, array] of mapsOf(answer)) trace.maps.set(key, array);
    }
    return { bytes: trace.maps.get(name), count: trace.characters.length, size: trace.size };
  }

  function pick(place, unit) {
    if (unit !== state.unit) chooseUnit(state.layer, unit);
    moveTo(place);
  }

  function selectRange(range) {
    state.range = range;
    text.setSelection(range);
    stretch.refresh();
  }

  // Shift with an arrow key selects as in any text.
  function extendRange(by) {
    const anchor = state.range === null ? state.at : state.anchor;
    const to = Math.max(0, Math.min(state.trace.characters.length - 1, state.at + by));
    state.anchor = anchor;
    moveTo(to);
    selectRange([Math.min(anchor, to), Math.max(anchor, to) + 1]);
  }

  // --- what is shown ---

  function setColor(kind) {
    state.color = kind;
    color.node.value = kind;
    paint();
    if (kind === "weights") askWeights();
    const className = `legend ${kind}`;
    if (legend.className === className) return;
    const parts = LEGENDS[kind] ?? ["inside.legend_shut", "inside.legend_open"];
    legend.className = className;
    legend.replaceChildren(...parts.map(legendPart));
  }

  function paint() {
    const { trace, color: kind } = state;
    const cell = currentCell();
    if (kind === "surprise") text.setColors(Array.from(trace.surprise, ofSurprise));
    else if (kind === "none") text.setColors([]);
    else if (kind === "weights") {
      const norms = state.weights?.norms ?? [];
      const most = Math.max(...norms, 1e-9);
      text.setColors(norms.map((norm) => ofWeight(norm / most)));
    } else if (!cell) text.setColors([]);
    else {
      const show = { cell: (value) => ofValue(Math.tanh(value)), candidate: ofValue, hidden: ofValue }[kind] ?? ofGate;
      text.setColors(Array.from(cell[kind], show));
    }
  }

  // Of a unit whose values are still asked for the numbers of the one before stay, so that nothing jumps, but faint.
  function showWhetherMissing() {
    const isMissing = !currentCell();
    root.classList.toggle("cell-missing", isMissing);
    for (const part of ofCell) part.ariaBusy = `${isMissing}`;
  }

  function moveTo(at) {
    const { trace } = state;
    if (!trace) return;
    showWhetherMissing();
    state.at = Math.max(0, Math.min(trace.characters.length - 1, at));
    text.moveTo(state.at, trace);
    map.moveTo(state.at, state.unit, trace.characters);
    const cell = currentCell();
    if (cell) {
      const values = stepOf(cell, state.at);
      const char = trace.characters[state.at];
      drawing.refresh(values, char, state.layer === 0);
      terms.refresh(values);
      describe();
    }
    showGuesses();
    card.moveTo();
    if (state.color === "weights") askWeights();
  }

  function showGuesses() {
    const { trace, at } = state;
    const most = trace.guessIds.length / (trace.characters.length + 1);
    const next = trace.characters[at + 1];
    setText(guessTitle, next === undefined ? words("inside.guess_end") : words("inside.guess_came", { char: visible(next) }));
    const rows = Array.from({ length: most }, (_, n) => [trace.alphabet[trace.guessIds[(at + 1) * most + n]], trace.guessProbs[(at + 1) * most + n]]);
    while (guesses.children.length < rows.length) guesses.append(make("li", "", make("span", "guess-char"), make("span", "guess-bar"), make("span", "guess-chance")));
    rows.forEach(([char, chance], n) => {
      const row = guesses.children[n];
      row.classList.toggle("came", char === next);
      setText(row.children[0], visible(char));
      row.children[1].style.setProperty("--share", chance.toFixed(4));
      setText(row.children[2], percent(chance));
    });
  }

  function askWeights() {
    clearTimeout(weightTimer);
    const { trace, at } = state;
    if (state.weights?.trace === trace && state.weights.at === at) return;
    weightTimer = setTimeout(async () => {
      try {
        const { norms } = await (await askServer("connectivity", { position: at })).json();
        if (state.trace !== trace || state.at !== at) return;
        state.weights = { trace, at, norms };
        if (state.color === "weights") paint();
      } catch (problem) {
        setText(error, problem.message);
      }
    }, WAIT_MILLISECONDS);
  }

  // --- terms answer to the pointer and to the focus ---

  let lit = "";

  function describe() {
    const cell = currentCell();
    if (!cell) return;
    const char = state.trace.characters[state.at];
    const sentence = lit ? explain(lit, stepOf(cell, state.at), char, state.layer === 0) : words("inside.point", { char: nameOf(char) });
    setText(explanation, sentence);
  }

  function light(term) {
    lit = term;
    for (const node of root.querySelectorAll(".part")) node.classList.toggle("lit", term !== "" && node.dataset.term === term);
    describe();
  }

  const cellSection = root.querySelector(".cell-card");
  for (const [event, isOn] of [["pointerover", true], ["focusin", true], ["pointerleave", false], ["focusout", false]]) {
    cellSection.addEventListener(event, ({ target }) => {
      const term = target.closest?.(".part")?.dataset.term ?? "";
      if (isOn ? term && term !== lit : lit) light(isOn ? term : "");
    });
  }

  document.addEventListener("keydown", (event) => {
    if (!state.trace || root.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target !== document.body && !root.contains(event.target)) return;
    const tag = event.target.tagName;
    if (tag === "TEXTAREA" || tag === "SELECT" || (tag === "INPUT" && event.target !== text.slider)) return;
    const last = state.trace.characters.length - 1;
    if (event.shiftKey && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
      extendRange(event.key === "ArrowRight" ? 1 : -1);
      event.preventDefault();
      return;
    }
    const to = { ArrowLeft: state.at - 1, ArrowRight: state.at + 1, Home: 0, End: last }[event.key];
    if (event.key === " " && (tag !== "BUTTON" || event.target.classList.contains("term"))) text.togglePlay();
    else if (to !== undefined) moveTo(to);
    else return;
    event.preventDefault();
  });
  new MutationObserver(() => {
    map.draw();
    if (state.trace) paint();
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });

  return { open, state, go: moveTo };
}
