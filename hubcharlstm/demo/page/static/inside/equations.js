// The equations of one unit with the numbers of one step: each term is a button that says what it is.

import { button, make, number, setText } from "./dom.js";
import { SENTENCES } from "./step.js";

// [symbol, term, how its number is shown, its name if the symbol says too little]; a plain string stands between terms.
const gateRow = (name, squash, term) => [
  [name, name, (v) => number(v[name])], "=",
  [squash, `${term}.${name}`, () => ""], "(",
  ["W x", `x.${name}`, (v) => number(v.sums[name].x)], "+",
  ["U h", `u.${name}`, (v) => number(v.sums[name].u)], "+",
  ["b", `b.${name}`, (v) => number(v.sums[name].b)], ")",
];

const ROWS = [
  ["f", gateRow("f", "σ", "sigma")],
  ["i", gateRow("i", "σ", "sigma")],
  ["g", gateRow("g", "tanh", "squash")],
  ["c", [["c", "c", (v) => number(v.c)], "=", ["f", "f", (v) => number(v.f)], ["·", "stays", () => "", "f · c"], ["inside.c_before", "before", (v) => number(v.before)], "+", ["i", "i", (v) => number(v.i)], ["·", "added", () => "", "i · g"], ["g", "g", (v) => number(v.g)]]],
  ["o", gateRow("o", "σ", "sigma")],
  ["h", [["h", "h", (v) => number(v.h)], "=", ["o", "o", (v) => number(v.o)], "·", ["tanh(c)", "tanh", (v) => number(v.squeezed)]]],
];

export function equations() {
  const root = make("div", "equations");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", words("inside.equations"));
  const terms = [];
  const sentences = {};
  for (const [name, parts] of ROWS) {
    const row = make("div", "equation");
    row.dir = "ltr";
    for (const part of parts) {
      if (typeof part === "string") {
        row.append(make("span", "operator", part));
        continue;
      }
      const [name, term, show, label] = part;
      const symbol = name.startsWith("inside.") ? words(name) : name;
      const value = make("span", "term-value");
      const node = button("term part", "", () => {});
      node.append(make("span", "term-symbol", symbol), value);
      node.dataset.term = term;
      node.tabIndex = terms.length === 0 ? 0 : -1;
      row.append(node);
      terms.push({ node, value, show, label: label ?? symbol });
    }
    sentences[name] = make("p", "equation-sentence");
    root.append(row, sentences[name]);
  }

  // One stop of the tab key; arrow keys move on from there.
  root.addEventListener("keydown", (event) => {
    const at = terms.findIndex(({ node }) => node === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: terms.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = terms[(to + terms.length) % terms.length].node;
    terms[at].node.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  function refresh(values) {
    for (const { node, value, show, label } of terms) {
      const text = show(values);
      setText(value, text);
      node.setAttribute("aria-label", [label, text].filter(Boolean).join(" "));
    }
    for (const [name, sentence] of Object.entries(sentences)) setText(sentence, SENTENCES[name](values));
  }

  return { root, refresh };
}
