// The text as characters, and the slider that moves through it.

import { button, make, nameOf, number, percent, setText, visible } from "./dom.js";

const PLAY_MILLISECONDS = 260;
const AROUND = 8; // characters on each side of the place that the bar shows, for the text may be out of sight

export function textStrip({ onMove, onSelect }) {
  const strip = make("div", "strip");
  strip.setAttribute("aria-hidden", "true"); // the slider tells the same
  strip.dir = "auto";
  const plain = make("p", "visually-hidden");
  const slider = make("input", "scrubber");
  Object.assign(slider, { type: "range", min: 0, step: 1, id: "inside-scrubber" });
  slider.setAttribute("aria-label", words("inside.character"));
  const place = make("output", "place");
  place.htmlFor = "inside-scrubber";
  place.dir = document.dir;
  const around = [make("span"), make("b"), make("span")]; // before it, the character, after it
  const excerpt = make("span", "excerpt", ...around);
  excerpt.dir = "auto";
  excerpt.setAttribute("aria-hidden", "true"); // the slider tells the place
  const numbers = make("span");
  place.append(excerpt, numbers);
  const back = button("step", "‹", () => onMove(Number(slider.value) - 1));
  const forth = button("step", "›", () => onMove(Number(slider.value) + 1));
  back.setAttribute("aria-label", words("inside.character_before"));
  forth.setAttribute("aria-label", words("inside.character_next"));
  const play = button("play", words("intro.play"), () => setPlaying(!timer));
  const bar = make("div", "scrub-bar", play, back, slider, forth, place);
  bar.dir = "ltr"; // as the arrow keys, in every language
  const spans = [];
  let here = -1;
  let timer = 0;
  let scrolling = 0;
  let from = -1; // where a selection by the pointer began

  function setPlaying(isPlaying) {
    clearInterval(timer);
    timer = 0;
    if (isPlaying) {
      if (Number(slider.value) >= Number(slider.max)) onMove(0);
      timer = setInterval(() => {
        const isHidden = strip.offsetParent === null; // another view is shown
        if (isHidden || Number(slider.value) >= Number(slider.max)) setPlaying(false);
        else onMove(Number(slider.value) + 1);
      }, PLAY_MILLISECONDS);
    }
    play.textContent = timer ? words("intro.pause") : words("intro.play");
  }

  slider.addEventListener("input", () => onMove(Number(slider.value)));
  const indexAt = (event) => Number(event.target.closest?.("[data-at]")?.dataset.at ?? -1);
  strip.addEventListener("pointerdown", (event) => {
    from = indexAt(event);
    if (from < 0) return;
    event.preventDefault();
    slider.focus({ preventScroll: true }); // so that the arrow keys go on from here
    onSelect(null);
    onMove(from);
  });
  strip.addEventListener("pointerover", (event) => {
    const to = indexAt(event);
    if (event.buttons !== 1 || from < 0 || to < 0 || to === from) return;
    onSelect([Math.min(from, to), Math.max(from, to) + 1]);
  });

  const told = (span, where) => (span.classList.contains("copied") ? words("copies.here", { place: where }) : where);

  // Elements of the text before are used again: a new one costs the browser the styles of all that is around it, too.
  function setTrace({ characters, text }) {
    setPlaying(false);
    spans[here]?.classList.remove("here");
    here = -1;
    while (spans.length > characters.length) spans.pop().remove();
    const added = characters.slice(spans.length).map((_, at) => {
      const span = make("span", "char");
      span.dataset.at = spans.length + at;
      return span;
    });
    strip.append(...added);
    spans.push(...added);
    spans.forEach((span, at) => {
      const isBreak = characters[at] === "\n";
      setText(span, isBreak ? "⏎\n" : characters[at]);
      span.classList.toggle("break", isBreak);
      span.classList.remove("copied");
    });
    plain.textContent = text;
    slider.max = spans.length - 1;
  }

  function setColors(colors) {
    spans.forEach((span, at) => (span.style.backgroundColor = colors[at] ?? ""));
  }

  function setSelection(range) {
    spans.forEach((span, at) => span.classList.toggle("selected", range !== null && at >= range[0] && at < range[1]));
  }

  function setCopied(runs) {
    spans.forEach((span, at) => span.classList.toggle("copied", runs.some(([from, to]) => at >= from && at < to)));
  }

  function moveTo(at, { characters, surprise }) {
    spans[here]?.classList.remove("here");
    here = at;
    const span = spans[at];
    span.classList.add("here");
    slider.value = at;
    const char = characters[at];
    const chance = percent(2 ** -surprise[at]);
    const where = { place: at + 1, count: characters.length };
    const parts = [characters.slice(Math.max(0, at - AROUND), at), [char], characters.slice(at + 1, at + 1 + AROUND)];
    parts.forEach((part, n) => setText(around[n], part.join("").replaceAll("\n", "⏎")));
    setText(numbers, words("inside.place", { char: visible(char), bits: number(surprise[at], 1), ...where }));
    slider.setAttribute("aria-valuetext", told(span, words("inside.place_told", { char: nameOf(char), chance, ...where })));
    scrolling ||= requestAnimationFrame(scroll);
  }

  // Once a frame, when all else is in its place: where a character stands is known after the layout alone.
  function scroll() {
    scrolling = 0;
    const span = spans[here];
    const top = span.offsetTop;
    if (top < strip.scrollTop) strip.scrollTop = top - 8;
    else if (top + span.offsetHeight > strip.scrollTop + strip.clientHeight) strip.scrollTop = top + span.offsetHeight - strip.clientHeight + 8;
  }

  return { strip, plain, bar, slider, setTrace, setColors, setSelection, setCopied, moveTo, togglePlay: () => setPlaying(!timer) };
}
