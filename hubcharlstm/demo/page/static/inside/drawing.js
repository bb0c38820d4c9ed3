// One cell as a drawing: the conveyor belt c, three valves that open by their gates, what comes in and what leaves.

import { number, percent, setText, svg, visible } from "./dom.js";

const PIPE = 34; // inner width of a pipe
const BELT = 84; // height of its middle
const INPUT = 236; // x of the middle of the pipe that comes up
const OUTPUT = 372;

// A pipe along `path`, as two strokes: the wall and the inside.
function pipe(path) {
  return svg("g", {}, svg("path", { d: path, class: "wall", "stroke-width": PIPE + 4 }), svg("path", { d: path, class: "bore", "stroke-width": PIPE }));
}

// What flows along `path`, as thick as its value is large.
function flow(term, path) {
  return svg("path", { d: path, class: "flow part", "data-term": term });
}

// Two plates that meet in the middle of a pipe when the gate is shut.
function valve(name, x, y, isAcross) {
  const plates = [svg("rect", { class: "plate" }), svg("rect", { class: "plate" })];
  const half = PIPE / 2 + 2;
  const set = (open) => {
    const depth = half * (1 - open);
    plates.forEach((plate, n) => {
      const start = n === 0 ? -half : half - depth;
      const [px, py, width, height] = isAcross ? [x - 5, y + start, 10, depth] : [x + start, y - 5, depth, 10];
      for (const [key, value] of Object.entries({ x: px, y: py, width, height })) plate.setAttribute(key, value.toFixed(2));
    });
  };
  const collar = isAcross ? { x: x - 7, y: y - half, width: 14, height: 2 * half } : { x: x - half, y: y - 7, width: 2 * half, height: 14 };
  const root = svg("g", { class: "valve part", "data-term": name }, svg("rect", { ...collar, rx: 2, class: "collar" }), ...plates);
  return { root, set };
}

function caption(term, x, y, name, anchor = "middle") {
  const value = svg("text", { x, y: y + 17, class: "value", "text-anchor": anchor });
  const root = svg("g", { class: "part", "data-term": term }, svg("text", { x, y, class: "name", "text-anchor": anchor }, name), value);
  return { root, set: (text) => setText(value, text) };
}

export function cellDrawing() {
  const flows = {
    before: flow("before", `M8 ${BELT}H112`),
    stays: flow("stays", `M126 ${BELT}H${INPUT - 14}`),
    c: flow("c", `M${INPUT + 14} ${BELT}H470`),
    g: flow("g", `M${INPUT} 236V180`),
    added: flow("added", `M${INPUT} 164V${BELT + 15}`),
    tanh: flow("tanh", `M${OUTPUT} 140V180`),
    h: flow("h", `M${OUTPUT} 196V236Q${OUTPUT} 250 ${OUTPUT + 14} 250H470`),
  };
  const valves = {
    f: valve("f", 119, BELT, true),
    i: valve("i", INPUT, 172, false),
    o: valve("o", OUTPUT, 188, false),
  };
  const labels = {
    before: caption("before", 40, 36, words("inside.c_before")),
    f: caption("f", 119, 36, words("inside.forget")),
    stays: caption("stays", 184, 36, "f · c"),
    c: caption("c", 410, 36, words("inside.c_now")),
    i: caption("i", INPUT - 28, 168, words("inside.input"), "end"),
    added: caption("added", INPUT + 28, 128, "i · g", "start"),
    g: caption("g", INPUT + 28, 222, words("inside.candidate"), "start"),
    o: caption("o", OUTPUT + 28, 184, words("inside.output"), "start"),
    h: caption("h", 440, 284, words("inside.h_leaves")),
    x: caption("x", 52, 244, words("inside.reads")),
    hBefore: caption("hBefore", 128, 244, words("inside.h_before")),
  };
  const wire = (d) => svg("path", { d, class: "wire" });
  const root = svg(
    "svg",
    { viewBox: "0 0 480 312", class: "drawing", role: "img" },
    svg("g", { class: "wires" }, wire("M52 270V290H345V188H354"), wire("M128 270V290"), wire("M84 290V128Q84 118 94 118H119V104"), wire("M190 290V172H217"), wire(`M${INPUT} 290V262`)),
    pipe(`M${INPUT} 238V${BELT}`),
    pipe(`M${OUTPUT} ${BELT}V236Q${OUTPUT} 250 ${OUTPUT + 14} 250H472`),
    pipe(`M6 ${BELT}H474`),
    ...Object.values(flows),
    svg("g", { class: "part", "data-term": "added" }, svg("circle", { cx: INPUT, cy: BELT, r: 14, class: "node" }), svg("text", { x: INPUT, y: BELT + 6, class: "sign", "text-anchor": "middle" }, "+")),
    svg("g", { class: "part", "data-term": "tanh" }, svg("circle", { cx: OUTPUT, cy: 124, r: 18, class: "node" }), svg("text", { x: OUTPUT, y: 128, class: "small", "text-anchor": "middle" }, "tanh")),
    svg("g", { class: "part", "data-term": "g" }, svg("rect", { x: INPUT - 26, y: 234, width: 52, height: 27, rx: 6, class: "node" }), svg("text", { x: INPUT, y: 252, class: "small", "text-anchor": "middle" }, "tanh")),
    ...Object.values(valves).map((one) => one.root),
    ...Object.values(labels).map((one) => one.root),
  );

  function setFlow(name, value) {
    const node = flows[name];
    node.setAttribute("stroke-width", Math.max(1, Math.min(1, Math.abs(value)) * (PIPE - 4)).toFixed(2));
    node.classList.toggle("below", value < 0);
  }

  function refresh(values, char, isFirst) {
    for (const name of ["f", "i", "o"]) {
      valves[name].set(values[name]);
      labels[name].set(number(values[name]));
    }
    setFlow("before", Math.tanh(values.before));
    setFlow("stays", Math.tanh(values.stays));
    setFlow("c", values.squeezed);
    setFlow("g", values.g);
    setFlow("added", values.added);
    setFlow("tanh", values.squeezed);
    setFlow("h", values.h);
    for (const name of ["before", "stays", "c", "g", "added", "h", "hBefore"]) labels[name].set(number(values[name]));
    labels.x.set(isFirst ? visible(char) : words("inside.from_below"));
    root.setAttribute(
      "aria-label",
      words("inside.drawing_told", {
        before: number(values.before), f: percent(values.f), i: percent(values.i), g: number(values.g),
        c: number(values.c), o: percent(values.o), h: number(values.h),
      }),
    );
  }

  return { root, refresh };
}
