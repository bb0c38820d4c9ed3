// A layer at a glance: characters along, units down, neighbours alike. A click picks a place and a unit.

import { palette } from "./colors.js";
import { make, number, select, setOptions, setText, visible } from "./dom.js";

const SERIES = [
  ["cell", "inside.series_cell_tanh"],
  ["forget_gate", "inside.series_forget"],
  ["input_gate", "inside.series_input"],
  ["output_gate", "inside.series_output"],
  ["candidate", "inside.series_candidate"],
  ["hidden", "inside.series_hidden"],
];
const IS_SIGNED = { cell: true, candidate: true, hidden: true };

export function layerMap({ onPick, onSeries }) {
  const canvas = make("canvas", "map-canvas");
  const rows = make("canvas"); // never shown
  const [column, row] = [make("div", "map-column"), make("div", "map-row")];
  const frame = make("div", "map-frame", canvas, column, row);
  frame.tabIndex = 0;
  frame.dir = "ltr";
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-roledescription", words("inside.map_role"));
  const series = select(words("inside.map_show"), onSeries);
  setOptions(series.node, [["", SERIES.map(([value, key]) => [value, words(key)])]]);
  const hint = make("p", "map-hint");
  let shown = null; // {bytes, order, rank, count, size}
  let extent = { width: 0, height: 0 }; // of the frame; asking for it while a text changes would lay out the page twice
  let at = 0;
  let unit = 0;

  // Byte of the map at a row of the picture and a character.
  const valueAt = (rank, place) => {
    const byte = shown.bytes[shown.order[rank] * shown.count + place];
    return shown.isSigned ? byte / 127.5 - 1 : byte / 255;
  };

  // Drawn as large as it is shown: a row of pixels is the mean of the units in it, a character a column with sharp edges.
  function draw() {
    if (!shown || extent.width === 0) return;
    const { bytes, order, count, size } = shown;
    const [wide, high] = [extent.width, extent.height].map((length) => Math.round(length * Math.min(devicePixelRatio, 2)));
    const colors = palette(shown.isSigned);
    const image = new ImageData(count, high);
    const pixels = new Uint32Array(image.data.buffer);
    const sums = new Uint32Array(count);
    for (let y = 0; y < high; y += 1) {
      const first = Math.floor((y * size) / high);
      const end = Math.max(first + 1, Math.floor(((y + 1) * size) / high));
      sums.fill(0);
      for (let rank = first; rank < end; rank += 1) {
        const start = order[rank] * count;
        for (let place = 0; place < count; place += 1) sums[place] += bytes[start + place];
      }
      for (let place = 0; place < count; place += 1) pixels[y * count + place] = colors[Math.round(sums[place] / (end - first))];
    }
    Object.assign(rows, { width: count, height: high });
    rows.getContext("2d").putImageData(image, 0, 0);
    Object.assign(canvas, { width: wide, height: high });
    const picture = canvas.getContext("2d");
    picture.imageSmoothingEnabled = false;
    picture.drawImage(rows, 0, 0, wide, high);
  }
  new ResizeObserver(([{ contentRect }]) => {
    extent = contentRect;
    draw();
  }).observe(frame);

  function setMap(name, bytes, order, count) {
    const rank = new Uint16Array(order.length);
    order.forEach((one, n) => (rank[one] = n));
    shown = { bytes, order, rank, count, size: order.length, isSigned: Boolean(IS_SIGNED[name]) };
    series.node.value = name;
    draw();
  }

  function moveTo(place, chosen, characters) {
    if (!shown) return;
    [at, unit] = [place, chosen];
    const { rank, count, size } = shown;
    column.style.left = `${(100 * place) / count}%`;
    column.style.width = `${100 / count}%`;
    row.style.top = `${(100 * (rank[unit] + 0.5)) / size}%`;
    const value = number(valueAt(rank[unit], place), 2);
    const told = { unit: String(unit), char: visible(characters[place]), value, characters: count, units: size };
    frame.setAttribute("aria-label", words("inside.map_told", told));
  }

  const placeOf = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const clip = (share, most) => Math.max(0, Math.min(most - 1, Math.floor(share * most)));
    return [clip((event.clientX - left) / width, shown.count), clip((event.clientY - top) / height, shown.size)];
  };
  let isDown = false;
  const pick = (event) => {
    const [place, rank] = placeOf(event);
    onPick(place, shown.order[rank]);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (!shown || event.button !== 0) return;
    pick(event);
    isDown = event.pointerType === "mouse";
  });
  addEventListener("pointerup", () => (isDown = false));
  frame.addEventListener("pointermove", (event) => {
    if (!shown) return;
    const [place, rank] = placeOf(event);
    if (isDown) onPick(place, unit);
    setText(hint, words("inside.map_hint", { unit: String(shown.order[rank]), place: place + 1, value: number(valueAt(rank, place), 2) }));
  });
  frame.addEventListener("pointerleave", () => setText(hint, ""));
  frame.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], PageUp: [0, -20], PageDown: [0, 20] }[event.key];
    if (!steps || !shown) return;
    event.preventDefault();
    event.stopPropagation();
    const rank = Math.max(0, Math.min(shown.size - 1, shown.rank[unit] + steps[1]));
    onPick(Math.max(0, Math.min(shown.count - 1, at + steps[0])), shown.order[rank]);
  });

  return { frame, series: series.root, hint, setMap, moveTo, draw, canvas, get map() { return shown; } };
}
