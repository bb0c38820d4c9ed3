// A training as it goes: the same prompt from noise to voice, the loss, the time.

// The latest snapshot, or the one that the visitor has chosen with the slider.
function snapshotCard() {
  const root = part("figure", "sample");
  const text = part("p", "sheet");
  text.dir = "auto";
  const caption = part("figcaption", "range-row");
  const slider = part("input");
  Object.assign(slider, { type: "range", min: 0, step: 1 });
  slider.setAttribute("aria-label", words("make.slider"));
  const facts = part("span", "facts-line");
  const range = part("span", "range");
  range.append(part("span", "", words("intro.noise")), slider, part("span", "", words("intro.voice")));
  caption.append(range, facts);
  root.append(text, caption);
  let snapshots = [];
  const show = () => {
    const snapshot = snapshots[slider.value];
    text.replaceChildren(part("span", "prompt-text", snapshot.prompt), snapshot.text);
    facts.textContent = words("intro.snapshot", { count: snapshot.characters_read });
    slider.setAttribute("aria-valuetext", facts.textContent);
  };
  slider.addEventListener("input", show);
  const update = (given) => {
    const isAtEnd = snapshots.length === 0 || Number(slider.value) === snapshots.length - 1;
    if (given.length === snapshots.length) return;
    snapshots = given;
    slider.max = Math.max(0, snapshots.length - 1);
    slider.disabled = snapshots.length < 2;
    if (isAtEnd) slider.value = slider.max;
    if (snapshots.length > 0) show();
  };
  slider.disabled = true;
  facts.textContent = words("make.nothing_yet"); // the card has its place from the start, so that nothing moves
  return { root, update };
}

// found: of the pre-flight. Where its number to beat says little, the loss stands alone.
function comparison(run, found) {
  const number = found.number_to_beat.bits;
  const best = Math.min(...heldOutPoints(run).map(([, bits]) => bits));
  if (!Number.isFinite(best)) return "";
  const bits = bitsOf(best);
  if (found.doubt) return words("make.needs", { bits });
  const difference = decimals(Math.abs(best - number));
  return words(best < number ? "make.needs_less" : "make.needs_more_bits", { bits, difference });
}
