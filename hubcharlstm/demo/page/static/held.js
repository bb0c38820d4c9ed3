// Cells that "Look inside" has handed to the chat: what is written from now on holds them, until their chip is removed.

let heldCells = []; // [layer, unit, value] of each
let heldModel = ""; // the model whose cells they are

const heldChips = make("div", "held-cells");
heldChips.setAttribute("role", "group");
heldChips.setAttribute("aria-label", words("held.label"));

// What the next request clamps: nothing for another model.
const chosenModel = () => document.querySelector("#field-model input")?.value;
const heldClamp = () => (chosenModel() === heldModel ? heldCells : []);

function hold({ layer, unit, value, model }) {
  const others = model === heldModel ? heldCells.filter(([l, u]) => l !== layer || u !== unit) : [];
  [heldCells, heldModel] = [[...others, [layer, unit, value]], model];
  if (model !== chosenModel()) trigger("show_model", { model }); // of a reply that another one wrote
  renderHeld();
  announce(words("held.told", { unit: String(unit), value: inDigits(value) }));
}

function release(cell) {
  heldCells = heldCells.filter((one) => one !== cell);
  renderHeld();
  ((heldCells.length > 0 && heldChips.querySelector("button")) || messageField()).focus();
}

function renderHeld() {
  const chips = heldCells.map((cell) => {
    const [layer, unit, value] = cell;
    const name = words("held.chip", { layer: String(layer), unit: String(unit), value: inDigits(value) });
    const node = button("held-cell", `${name} ×`, () => release(cell));
    node.setAttribute("aria-label", words("held.release", { name }));
    return node;
  });
  heldChips.replaceChildren(...chips, make("span", "held-note", words("held.note")));
  placeHeld();
}

// Shows them with their model alone.
function placeHeld(model = chosenModel()) {
  if (heldCells.length === 0 || model !== heldModel) heldChips.remove();
  else if (!heldChips.isConnected) composer().before(heldChips);
}

// "Continue" of a reply that was written without them: another version that begins with all of it.
function continueHeld(turn, index) {
  const clamp = heldClamp();
  const own = turn.replies[index].clamp ?? [];
  if (clamp.length === 0 || JSON.stringify(clamp) === JSON.stringify(own) || turn.replies[index].model !== heldModel) return false;
  writeOn(turn, index, turn.replies[index].text, clamp);
  return true;
}

// A press in the view: see inside/card.js.
document.addEventListener("hold-cell", ({ detail }) => {
  hold(detail);
  addEventListener("hashchange", () => messageField().focus(), { once: true }); // inert until then
  location.hash = "#chat";
});
