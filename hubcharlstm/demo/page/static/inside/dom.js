// Small helpers. Text of visitors and models is inserted as text nodes only.

export function make(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function button(className, text, onClick) {
  const node = make("button", className, text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

export function select(label, onChange) {
  const node = make("select");
  node.addEventListener("change", () => onChange(node.value));
  const root = make("label", "field", make("span", "field-label", label), node);
  return { root, node };
}

const shownOptions = new WeakMap(); // of each menu, as JSON

// groups: [[label, [[value, text], ...]], ...]; a group without a label stands alone. A menu that is the same stays: new
// elements cost the browser their styles.
export function setOptions(node, groups) {
  const asked = JSON.stringify(groups);
  if (shownOptions.get(node) === asked) return;
  shownOptions.set(node, asked);
  const option = ([value, text]) => Object.assign(make("option", "", text), { value });
  node.replaceChildren(
    ...groups.flatMap(([label, options]) => {
      const made = options.map(option);
      return label ? [Object.assign(make("optgroup", "", ...made), { label })] : made;
    }),
  );
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const NAMES = { "\n": "inside.line_break", "\t": "inside.tab", " ": "inside.space" };
export const visible = (char) => ({ "\n": "⏎", "\t": "⇥", " ": "␣" })[char] ?? char;
export const nameOf = (char) => (NAMES[char] ? words(NAMES[char]) : words("inside.quoted", { text: char }));

// Three decimals with a true minus sign.
export const number = (value, digits = 3) => (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "−");
export const signed = (value, digits = 3) => (value >= 0 ? "+" : "") + number(value, digits);
const inPercent = (share) => inDigits(share, { style: "percent" });
export const percent = (share) => (share > 0 && share < 0.005 ? words("inside.percent_under", { share: inPercent(0.01) }) : inPercent(share));
