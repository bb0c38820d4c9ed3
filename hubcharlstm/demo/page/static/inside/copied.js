// A switch that underlines the runs of the text that stand in the model's training text, and what that means.

import { make, setText } from "./dom.js";

export function copiedSwitch({ ask, state, text, showError }) {
  const box = Object.assign(make("input"), { type: "checkbox" });
  const root = make("label", "copied-switch", box, make("span", "", words("inside.copied")));
  const note = make("p", "copied-note");
  note.setAttribute("role", "status");
  box.addEventListener("change", refresh);

  const share = (value) => inDigits(value, { style: "percent", maximumFractionDigits: value < 0.0995 ? 1 : 0 });

  function sentences({ runs, errors }) {
    if (runs === null) return words("copies.none", { model: state.trace.model });
    const parts = [words("inside.copied_found", { n: runs.length })];
    if (errors.windows === undefined) parts.push(words("copies.unmeasured"));
    else parts.push(words("copies.errors", { windows: share(errors.windows) }));
    if (errors.runs !== undefined) parts.push(words("copies.errors_runs", { runs: share(errors.runs) }));
    return parts.join(" ");
  }

  // The trace's text is as the model reads it, so its places are the server's.
  async function refresh() {
    const { trace } = state;
    text.setCopied([]);
    setText(note, "");
    if (!box.checked || !trace) return;
    try {
      trace.copies ??= await (await ask("copies", {})).json();
    } catch (problem) {
      showError(problem.message);
      return;
    }
    if (state.trace !== trace || !box.checked) return;
    text.setCopied(trace.copies.runs ?? []);
    setText(note, sentences(trace.copies));
  }

  return { root, note, refresh };
}
