// Six steps through one cell, with this model's own numbers: the questions that readers of tutorials ask.

import { button, make, nameOf, number, percent, setText } from "./dom.js";
import { halfLife } from "./card.js";
import { stepOf } from "./step.js";

// The place where `score` of the step is the largest.
function placeOf(cell, length, score) {
  let best = 0;
  let most = -Infinity;
  for (let at = 0; at < length; at += 1) {
    const value = score(stepOf(cell, at), at);
    if (value > most) [best, most] = [at, value];
  }
  return best;
}

const STEPS = [
  {
    question: "What is that “regulatory filter”?",
    term: "f",
    place: (step) => Math.min(step.f, 1 - step.f),
    answer: (s, char) =>
      `A gate: a number between 0 and 1 that multiplies. At ${nameOf(char)} this unit's forget gate sums what the character says (${number(s.sums.f.x, 2)}), what the step before says (${number(s.sums.f.u, 2)}) and its bias (${number(s.sums.f.b, 2)}), and σ makes ${number(s.f)} of it. Nothing is filtered by meaning; ${percent(s.f)} passes.`,
  },
  {
    question: "What does the forget gate forget?",
    term: "stays",
    place: (step) => Math.abs(step.before) * (1 - step.f),
    answer: (s, char, cell) =>
      `The cell's own content, at this step. Here it loses the most: at ${nameOf(char)} the cell held ${number(s.before, 2)}, the gate is at ${number(s.f)}, and ${number(s.stays, 2)} is left. Over this text half of its content is gone after ${halfLife(cell).toFixed(1)} characters.`,
  },
  {
    question: "Why an input gate and a candidate?",
    term: "added",
    place: (step) => Math.abs(step.added),
    answer: (s, char) =>
      `The candidate says what to write, with a sign: ${number(s.g)}. The gate says how much of it: ${number(s.i)}. At ${nameOf(char)} their product ${number(s.added)} is added, the most that this text adds to this cell. One number could not say both “down” and “not now”.`,
  },
  {
    question: "Why multiply tanh and sigmoid?",
    term: "tanh",
    place: (step) => Math.abs(step.c),
    answer: (s, char) =>
      `Here, at ${nameOf(char)}, the cell has grown to ${number(s.c, 2)}, its furthest. Sums may grow without end, so tanh brings it between −1 and 1: ${number(s.squeezed)}. The sigmoid then decides how much of it is shown: ${number(s.o)} of it, which makes ${number(s.h)}. tanh gives the value, σ the share.`,
  },
  {
    question: "Is h the hidden state or the output?",
    term: "h",
    place: (step) => Math.abs(step.h),
    answer: (s, char, cell, at, trace) => {
      const most = trace.guessIds.length / (trace.characters.length + 1);
      const [guess, chance] = [trace.alphabet[trace.guessIds[(at + 1) * most]], trace.guessProbs[(at + 1) * most]];
      return `Both: one vector with two readers. At ${nameOf(char)} this unit's h is ${number(s.h)}. The gates of the next step take it in as “h before”, and the last layer takes it, with ${(trace.size - 1).toLocaleString("en")} others, to guess the next character: ${nameOf(guess)} with ${percent(chance)}. c is the state that stays inside.`;
    },
  },
  {
    question: "What does the cell know that it does not show?",
    term: "o",
    place: (step) => Math.abs(step.squeezed) * (1 - step.o),
    answer: (s, char) =>
      `At ${nameOf(char)} the cell holds ${number(s.c, 2)}, but its output gate is at ${number(s.o)}, so only ${number(s.h)} leaves. The belt carries the content on, unseen, until the gate opens. That is what makes the memory long: what is kept need not be said.`,
  },
];

export function guide({ state, cell, go, light }) {
  const title = make("h2", "walk-question");
  const answer = make("p", "walk-answer");
  answer.setAttribute("role", "status");
  const place = make("span", "walk-place");
  const back = button("secondary", "Back", () => show(at - 1));
  const next = button("primary", "Next", () => (at + 1 < STEPS.length ? show(at + 1) : close()));
  const end = button("walk-close", "✕", close);
  end.setAttribute("aria-label", "End the walk");
  const root = make("aside", "walk", end, title, answer, make("div", "walk-bar", place, back, next));
  root.setAttribute("aria-label", "A walk in six steps");
  root.hidden = true;
  const start = button("secondary start-walk", "A walk in six steps", () => show(0));
  let at = 0;

  function show(step) {
    if (!state.trace) return;
    at = Math.max(0, step);
    root.hidden = false;
    root.parentElement.classList.add("walking");
    refresh();
    document.querySelector("#inside .cell-card").scrollIntoView({ block: "start", behavior: "smooth" });
    next.focus({ preventScroll: true });
  }

  function refresh() {
    const values = cell();
    if (root.hidden || !values) return;
    const { trace } = state;
    const { question, term, place: score, answer: tell } = STEPS[at];
    const where = placeOf(values, trace.characters.length, score);
    go(where);
    light(term);
    setText(place, `${at + 1} of ${STEPS.length}`);
    setText(title, question);
    setText(answer, tell(stepOf(values, where), trace.characters[where], values, where, trace));
    back.disabled = at === 0;
    next.textContent = at + 1 < STEPS.length ? "Next" : "Done";
  }

  function close() {
    root.hidden = true;
    root.parentElement.classList.remove("walking");
    light("");
    start.focus();
  }

  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });

  return { root, start, refresh };
}
