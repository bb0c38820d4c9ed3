// Six steps through one cell, with this model's own numbers: the questions that readers of tutorials ask. At its end the
// view is where it was before.

import { button, make, nameOf, number, percent, setText } from "./dom.js";
import { lifeOf } from "./card.js";
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
    term: "f",
    question: "inside.walk_f",
    place: (step) => Math.min(step.f, 1 - step.f),
    answer: (s, char) => {
      const { x, u, b } = s.sums.f;
      return words("inside.walk_f_answer", { char, x: number(x, 2), u: number(u, 2), b: number(b, 2), f: number(s.f), share: percent(s.f) });
    },
  },
  {
    term: "stays",
    question: "inside.walk_stays",
    place: (step) => Math.abs(step.before) * (1 - step.f),
    answer: (s, char, cell) =>
      words("inside.walk_stays_answer", { char, before: number(s.before, 2), f: number(s.f), stays: number(s.stays, 2), life: lifeOf(cell) }),
  },
  {
    term: "added",
    question: "inside.walk_added",
    place: (step) => Math.abs(step.added),
    answer: (s, char) => words("inside.walk_added_answer", { char, g: number(s.g), i: number(s.i), added: number(s.added) }),
  },
  {
    term: "tanh",
    question: "inside.walk_tanh",
    place: (step) => Math.abs(step.c),
    answer: (s, char) =>
      words("inside.walk_tanh_answer", { char, c: number(s.c, 2), squeezed: number(s.squeezed), o: number(s.o), h: number(s.h) }),
  },
  {
    term: "h",
    question: "inside.walk_h",
    place: (step) => Math.abs(step.h),
    answer: (s, char, cell, at, trace) => {
      const most = trace.guessIds.length / (trace.characters.length + 1);
      const [guess, chance] = [trace.alphabet[trace.guessIds[(at + 1) * most]], trace.guessProbs[(at + 1) * most]];
      return words("inside.walk_h_answer", { char, h: number(s.h), others: trace.size - 1, guess: nameOf(guess), chance: percent(chance) });
    },
  },
  {
    term: "o",
    question: "inside.walk_o",
    place: (step) => Math.abs(step.squeezed) * (1 - step.o),
    answer: (s, char) => words("inside.walk_o_answer", { char, c: number(s.c, 2), o: number(s.o), h: number(s.h) }),
  },
];

export function guide({ state, cell, go, light }) {
  const title = make("h2", "walk-question");
  const answer = make("p", "walk-answer");
  answer.setAttribute("role", "status");
  const place = make("span", "walk-place");
  const back = button("secondary", words("inside.walk_back"), () => show(at - 1));
  const next = button("primary", words("inside.walk_next"), () => (at + 1 < STEPS.length ? show(at + 1) : close()));
  const end = button("walk-close", "✕", close);
  end.setAttribute("aria-label", words("inside.walk_end"));
  const root = make("section", "walk", end, title, answer, make("div", "walk-bar", place, back, next));
  root.setAttribute("aria-label", words("inside.walk"));
  root.hidden = true;
  const start = button("secondary start-walk", words("inside.walk"), () => show(0));
  let at = 0;
  let began = 0; // the place that the walk left

  function show(step) {
    if (!state.trace) return;
    if (root.hidden) began = state.at;
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
    setText(place, words("inside.walk_place", { step: at + 1, count: STEPS.length }));
    setText(title, words(question));
    setText(answer, tell(stepOf(values, where), nameOf(trace.characters[where]), values, where, trace));
    back.disabled = at === 0;
    next.textContent = at + 1 < STEPS.length ? words("inside.walk_next") : words("inside.walk_done");
  }

  function close() {
    root.hidden = true;
    root.parentElement.classList.remove("walking");
    go(began);
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
