// The loss of a training against the number to beat, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const [CHART_WIDTH, CHART_HEIGHT] = [640, 220];
const MARGIN = { left: 34, right: 12, top: 14, bottom: 26 };

function svgPart(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// The held-out loss in bits by seconds: that of each evaluation, and before the first that of the snapshots.
function heldOutPoints({ metrics, snapshots }) {
  const first = metrics[0]?.seconds ?? Infinity;
  const early = snapshots.map(({ minutes, val_loss }) => [60 * minutes, val_loss * BITS]).filter(([at]) => at < first);
  return [...early, ...metrics.map(({ seconds, val_loss }) => [seconds, val_loss * BITS])];
}

function drawChart(run, number, seconds) {
  const held = heldOutPoints(run);
  const train = run.metrics.map((row) => [row.seconds, row.train_loss * BITS]);
  const values = [...held, ...train].map(([, bits]) => bits);
  const top = Math.max(number * 1.3, ...values) * 1.04;
  const bottom = Math.max(0, Math.min(number, ...values) * 0.85);
  const end = Math.max(seconds, ...held.map(([at]) => at), 1);
  const x = (at) => MARGIN.left + (at / end) * (CHART_WIDTH - MARGIN.left - MARGIN.right);
  const y = (bits) => MARGIN.top + ((top - bits) / (top - bottom)) * (CHART_HEIGHT - MARGIN.top - MARGIN.bottom);
  const path = (points) => points.map(([at, bits], index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(bits).toFixed(1)}`).join("");
  const root = svgPart("svg", { viewBox: `0 0 ${CHART_WIDTH} ${CHART_HEIGHT}`, class: "chart", role: "img" });
  const last = held.at(-1);
  const beat = decimals(number);
  root.append(svgPart("title", {}, last ? words("make.chart_at", { bits: decimals(last[1]), beat }) : words("make.chart_nothing", { beat })));
  const step = (top - bottom) / 4 > 0.7 ? 1 : 0.5;
  for (let bits = Math.ceil(bottom / step) * step; bits < top; bits += step) {
    root.append(svgPart("line", { class: "grid", x1: MARGIN.left, x2: CHART_WIDTH - MARGIN.right, y1: y(bits), y2: y(bits) }));
    root.append(svgPart("text", { class: "tick", x: MARGIN.left - 6, y: y(bits) + 4, "text-anchor": "end" }, inDigits(bits, {})));
  }
  root.append(svgPart("line", { class: "beat", x1: MARGIN.left, x2: CHART_WIDTH - MARGIN.right, y1: y(number), y2: y(number) }));
  const label = { class: "beat-label", x: CHART_WIDTH - MARGIN.right, y: y(number) - 6, "text-anchor": "end" };
  root.append(svgPart("text", label, isolated(words("make.to_beat", { bits: beat }))));
  for (const [at, anchor] of [[0, "start"], [end, "end"]]) {
    root.append(svgPart("text", { class: "tick", x: x(at), y: CHART_HEIGHT - 8, "text-anchor": anchor }, isolated(inSeconds(Math.round(at)))));
  }
  if (train.length > 1) root.append(svgPart("path", { class: "train-line", d: path(train) }));
  if (held.length > 1) root.append(svgPart("path", { class: "held-line", d: path(held) }));
  if (last) root.append(svgPart("circle", { class: "held-point", cx: x(last[0]), cy: y(last[1]), r: 4 }));
  return root;
}

function chartFigure(run, number, seconds) {
  const figure = part("figure", "figure");
  const caption = part("figcaption", "legend");
  caption.append(
    part("span", "key held", words("make.key_held_out")),
    part("span", "key train", words("make.key_train")),
    part("span", "key", words("make.key_unit")),
  );
  figure.append(drawChart(run, number, seconds), caption);
  return figure;
}
