// Where in this text a cell is highest and where it is lowest: what it fires on, whether or not it has a name.

import { button, make, number, setText, visible } from "./dom.js";

const PLACES = 3;
const CONTEXT = 12; // characters before a place that are shown
const APART = 4; // characters between two places, at least

// The places where sign * value is largest, the first one first, and above its mean.
function peaksOf(values, sign) {
  const mean = values.reduce((sum, value) => sum + sign * value, 0) / values.length;
  const ranked = Array.from(values, (value, at) => [sign * value, at]).sort((a, b) => b[0] - a[0]);
  const found = [];
  for (const [value, at] of ranked) {
    if (found.length === PLACES || value < mean) break;
    if (found.every((other) => Math.abs(other - at) > APART)) found.push(at);
  }
  return found;
}

function peakButton(go) {
  const [before, char, value] = [make("span"), make("b"), make("span", "peak-value")];
  const excerpt = make("span", "", before, char);
  excerpt.dir = "auto";
  const root = button("quote", "", () => go(Number(root.dataset.at)));
  root.append(excerpt, value);

  function refresh(at, values, characters) {
    root.hidden = at === undefined;
    if (root.hidden) return;
    root.dataset.at = at;
    setText(before, characters.slice(Math.max(0, at - CONTEXT), at).join("").replaceAll("\n", "⏎"));
    setText(char, visible(characters[at]));
    setText(value, number(Math.tanh(values[at]), 2));
  }

  return { root, refresh };
}

export function peakPlaces({ go }) {
  const rows = [["inside.card_highest", 1], ["inside.card_lowest", -1]].map(([key, sign]) => {
    const buttons = Array.from({ length: PLACES }, () => peakButton(go));
    const root = make("div", "", make("h3", "", words(key)), make("div", "chips-row", ...buttons.map((one) => one.root)));
    return { sign, buttons, root };
  });

  function refresh(cell, characters) {
    for (const { sign, buttons } of rows) {
      const places = peaksOf(cell.cell, sign);
      buttons.forEach((one, n) => one.refresh(places[n], cell.cell, characters));
    }
  }

  return { root: make("div", "peaks", ...rows.map((row) => row.root)), refresh };
}
