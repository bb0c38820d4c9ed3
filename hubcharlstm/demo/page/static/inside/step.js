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

const GATE_NAMES = { i: "input gate", f: "forget gate", o: "output gate", g: "candidate" };

const push = (name, value) => {
  if (Math.abs(value) < 0.05) return "which hardly matters here";
  if (name === "g") return value > 0 ? "which pushes it up" : "which pushes it down";
  return value > 0 ? "which pushes it open" : "which pushes it shut";
};

// One plain sentence for each equation.
export const SENTENCES = {
  f: ({ f }) => `The forget gate lets ${percent(f)} of what the cell held stay.`,
  i: ({ i }) => `The input gate lets ${percent(i)} of the candidate in.`,
  g: ({ g }) => (Math.abs(g) < 0.05 ? "The candidate proposes next to nothing." : `The candidate proposes to ${g > 0 ? "add" : "take away"} ${number(Math.abs(g), 2)}.`),
  c: ({ before, stays, added, c }) => {
    if (Math.abs(added) > Math.abs(stays)) return `The cell goes from ${number(before, 2)} to ${number(c, 2)}: mostly what has just come in.`;
    return `The cell goes from ${number(before, 2)} to ${number(c, 2)}: mostly what it held before.`;
  },
  o: ({ o }) => `The output gate shows ${percent(o)} of the cell.`,
  h: ({ h }) => `${number(h, 2)} leaves: to all gates of the next step, and upward to the guess of the next character.`,
};

// What a term is and does here. char: the character that is read; isFirst: of the lowest layer, which reads characters.
export function explain(term, values, char, isFirst) {
  const [kind, name] = term.split(".");
  const sums = values.sums[name];
  const gate = GATE_NAMES[name];
  const source = isFirst ? nameOf(char) : "the layer below";
  const texts = {
    x: () => `W x: what ${source} itself says to the ${gate}: ${signed(sums.x)}, ${push(name, sums.x)}.`,
    u: () => `U h: what all outputs h of the step before say to the ${gate}: ${signed(sums.u)}, ${push(name, sums.u)}.`,
    b: () => `b: the bias, the same at every step: ${signed(sums.b)}, ${push(name, sums.b)}.`,
    sigma: () => `σ squeezes ${number(sums.sum)} to a number between 0, shut, and 1, open: ${number(values[name])}. A gate multiplies, so this is the share that passes.`,
    squash: () => `tanh squeezes ${number(sums.sum)} to a number between −1 and 1: ${number(values.g)}. Unlike a gate it has a sign: it says what is written, up or down.`,
    f: () => `f, the forget gate: ${percent(values.f)} of the old content stays. At 1 the cell remembers everything, at 0 it starts afresh.`,
    i: () => `i, the input gate: ${percent(values.i)} of the candidate comes in.`,
    g: () => `g, the candidate: what could be written into the cell, from −1 to 1. Here ${number(values.g)}.`,
    o: () => `o, the output gate: ${percent(values.o)} of the cell's tanh leaves.`,
    before: () => `c of the step before: what the cell held when ${nameOf(char)} came: ${number(values.before)}.`,
    stays: () => `f · c: what is left of the old content: ${number(values.f)} times ${number(values.before)} is ${number(values.stays)}.`,
    added: () => `i · g: what is added: ${number(values.i)} times ${number(values.g)} is ${number(values.added)}.`,
    c: () => `c, the cell: the conveyor belt. It is only multiplied and added to, which is why it can carry something for a long time. Now ${number(values.c)}.`,
    tanh: () => `tanh(c): a cell can grow beyond 1, and tanh brings ${number(values.c)} back to ${number(values.squeezed)}.`,
    h: () => `h, the hidden state, which is also the output: ${number(values.h)}. The same number goes to the next step and to the guess.`,
    hBefore: () => `h of the step before: ${number(values.hBefore)} for this unit. The gates take in those of all units.`,
  };
  return texts[kind]();
}
