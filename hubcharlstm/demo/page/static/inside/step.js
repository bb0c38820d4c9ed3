// The numbers of one step of one cell, and a sentence for each. Everything is the trace's own; what is not in it is
// summed or multiplied from what is, as the equations say.

import { nameOf, number, percent, signed } from "./dom.js";

export const GATES = [
  ["i", "input_gate"],
  ["f", "forget_gate"],
  ["g", "candidate"],
  ["o", "output_gate"],
]; // in PyTorch's order, which that of the summands is

// The step that reads character `at`.
export function stepOf(cell, at) {
  const values = {
    c: cell.cell[at],
    h: cell.hidden[at],
    before: at > 0 ? cell.cell[at - 1] : cell.initialCell,
    hBefore: at > 0 ? cell.hidden[at - 1] : cell.initialHidden,
    sums: {},
  };
  GATES.forEach(([name, series], n) => {
    values[name] = cell[series][at];
    const [x, u, b] = [cell.input[n][at], cell.recurrent[n][at], cell.bias[n]];
    values.sums[name] = { x, u, b, sum: x + u + b };
  });
  values.stays = values.f * values.before;
  values.added = values.i * values.g;
  values.squeezed = Math.tanh(values.c);
  return values;
}

const GATE_NAMES = { i: "inside.gate_i", f: "inside.gate_f", g: "inside.gate_g", o: "inside.gate_o" };

const push = (name, value) => {
  if (Math.abs(value) < 0.05) return words("inside.push_none");
  if (name === "g") return value > 0 ? words("inside.push_up") : words("inside.push_down");
  return value > 0 ? words("inside.push_open") : words("inside.push_shut");
};

// One plain sentence for each equation.
export const SENTENCES = {
  f: ({ f }) => words("inside.says_f", { share: percent(f) }),
  i: ({ i }) => words("inside.says_i", { share: percent(i) }),
  g: ({ g }) => {
    if (Math.abs(g) < 0.05) return words("inside.says_g_none");
    return words(g > 0 ? "inside.says_g_add" : "inside.says_g_take", { value: number(Math.abs(g), 2) });
  },
  c: ({ before, stays, added, c }) => {
    const isNew = Math.abs(added) > Math.abs(stays);
    return words(isNew ? "inside.says_c_new" : "inside.says_c_old", { before: number(before, 2), now: number(c, 2) });
  },
  o: ({ o }) => words("inside.says_o", { share: percent(o) }),
  h: ({ h }) => words("inside.says_h", { value: number(h, 2) }),
};

// What a term is and does here. char: the character that is read; isFirst: of the lowest layer, which reads characters.
export function explain(term, values, char, isFirst) {
  const [kind, name] = term.split(".");
  const sums = values.sums[name];
  const gate = () => words(GATE_NAMES[name]);
  const source = () => (isFirst ? nameOf(char) : words("inside.layer_below"));
  const summand = (value) => ({ value: signed(value), push: push(name, value) });
  const texts = {
    x: () => words("inside.term_x", { source: source(), gate: gate(), ...summand(sums.x) }),
    u: () => words("inside.term_u", { gate: gate(), ...summand(sums.u) }),
    b: () => words("inside.term_b", summand(sums.b)),
    sigma: () => words("inside.term_sigma", { sum: number(sums.sum), value: number(values[name]) }),
    squash: () => words("inside.term_squash", { sum: number(sums.sum), value: number(values.g) }),
    f: () => words("inside.term_f", { share: percent(values.f) }),
    i: () => words("inside.term_i", { share: percent(values.i) }),
    g: () => words("inside.term_g", { value: number(values.g) }),
    o: () => words("inside.term_o", { share: percent(values.o) }),
    before: () => words("inside.term_before", { char: nameOf(char), value: number(values.before) }),
    stays: () => words("inside.term_stays", { f: number(values.f), before: number(values.before), value: number(values.stays) }),
    added: () => words("inside.term_added", { i: number(values.i), g: number(values.g), value: number(values.added) }),
    c: () => words("inside.term_c", { value: number(values.c) }),
    tanh: () => words("inside.term_tanh", { cell: number(values.c), value: number(values.squeezed) }),
    h: () => words("inside.term_h", { value: number(values.h) }),
    hBefore: () => words("inside.term_h_before", { value: number(values.hBefore) }),
  };
  return texts[kind]();
}
