// What a text says of a model and what can be taken along: bits per character by each model, a file, a picture.

import { button, make, number, setText } from "./dom.js";

function download(name, blob) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function takeAlong({ ask, state, canvas, showError }) {
  const rows = make("tbody");
  const head = make("tr", "", ...[words("panel.model"), words("inside.take_this"), words("inside.take_held_out")].map((name) => Object.assign(make("th", "", name), { scope: "col" })));
  const table = make("table", "scores", make("caption", "", words("inside.take_caption")), make("thead", "", head), rows);
  table.hidden = true;
  const guarded = (run) => async () => {
    try {
      await run();
    } catch (problem) {
      showError(problem.message);
    }
  };
  const compare = button("secondary", words("inside.take_compare"), guarded(async () => {
    const { trace } = state;
    const answer = await (await ask("scores", {})).json();
    if (state.trace !== trace) return;
    rows.replaceChildren(
      ...answer.rows.map(({ model, bpc, held_out: heldOut }) => make("tr", "", make("td", "", model), make("td", "", number(bpc, 2)), make("td", "", heldOut === null ? words("inside.take_unknown") : number(heldOut, 2)))),
    );
    table.hidden = false;
  }));
  const file = button("secondary", words("inside.take_html"), guarded(async () => download("inside.html", await (await ask("report", { language: pageWords.language })).blob())));
  const picture = button("secondary", words("inside.take_png"), () => canvas.toBlob((blob) => download("layer.png", blob)));
  const root = make("div", "take", make("div", "chips-row", compare, file, picture), table);
  return { root, reset: () => (table.hidden = true) };
}
