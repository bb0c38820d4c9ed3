// A stretch of the text that is selected: the cells that are high there and not elsewhere, and other such places.

import { button, make, number, setText } from "./dom.js";

const SHOWN = 6;
const MAX_PLACES = 5;

// For each unit how much higher tanh(c) is inside the stretch than outside, in standard deviations outside.
function contrasts({ bytes, count, size }, [from, to]) {
  return Array.from({ length: size }, (_, unit) => {
    let [inside, outside, squares] = [0, 0, 0];
    for (let at = 0; at < count; at += 1) {
      const value = bytes[unit * count + at] / 127.5 - 1;
      if (at >= from && at < to) inside += value;
      else {
        outside += value;
        squares += value * value;
      }
    }
    const others = count - (to - from);
    const mean = outside / others;
    const deviation = Math.sqrt(Math.max(squares / others - mean * mean, 0));
    const here = inside / (to - from);
    return { unit, here, mean, contrast: (here - mean) / (deviation + 0.1) };
  });
}

// Places of the stretch's length elsewhere where these cells are as they are in it, the likest first.
function alike({ bytes, count }, [from, to], cells) {
  const length = to - from;
  const scoreAt = (start) => {
    let distance = 0;
    for (const { unit, here } of cells) {
      let sum = 0;
      for (let at = start; at < start + length; at += 1) sum += bytes[unit * count + at] / 127.5 - 1;
      distance += (sum / length - here) ** 2;
    }
    return distance / cells.length;
  };
  const starts = Array.from({ length: count - length + 1 }, (_, start) => start).filter((start) => start + length <= from || start >= to);
  const ranked = starts.map((start) => [start, scoreAt(start)]).sort((a, b) => a[1] - b[1]);
  const found = [];
  for (const [start, score] of ranked) {
    if (score > 0.15 || found.length >= MAX_PLACES) break;
    if (found.every((other) => Math.abs(other - start) >= length)) found.push(start);
  }
  return found;
}

export function stretchPanel({ state, cellMap, chooseUnit, go, showError }) {
  const title = make("h3", "", "");
  const cells = make("div", "chips-row");
  const places = make("div", "chips-row");
  const placesTitle = make("h3", "", words("inside.stretch_places"));
  const root = make("div", "stretch", title, cells, placesTitle, places);
  root.hidden = true;

  async function refresh() {
    const { range, trace, layer } = state;
    root.hidden = range === null || range[1] - range[0] >= trace.characters.length;
    if (root.hidden) return;
    setText(title, "");
    for (const row of [cells, places]) row.replaceChildren();
    placesTitle.hidden = true;
    const map = await cellMap().catch((problem) => showError(problem.message));
    if (!map || state.range !== range) return;
    const ranked = contrasts(map, range).sort((a, b) => Math.abs(b.contrast) - Math.abs(a.contrast)).slice(0, SHOWN);
    const quote = trace.characters.slice(...range).join("").replaceAll("\n", "⏎");
    setText(title, words("inside.stretch_title", { quote: quote.length > 40 ? `${quote.slice(0, 40)} …` : quote }));
    cells.replaceChildren(
      ...ranked.map(({ unit, here, mean }) => button("", words("inside.stretch_cell", { unit: String(unit), here: number(here, 2), mean: number(mean, 2) }), () => chooseUnit(layer, unit, "cell"))),
    );
    const found = alike(map, range, ranked);
    placesTitle.hidden = found.length === 0;
    places.replaceChildren(
      ...found.map((start) => {
        const excerpt = trace.characters.slice(start, start + range[1] - range[0]).join("").replaceAll("\n", "⏎");
        return button("quote", words("inside.quoted", { text: excerpt.slice(0, 40) }), () => go(start));
      }),
    );
  }

  return { root, refresh };
}
