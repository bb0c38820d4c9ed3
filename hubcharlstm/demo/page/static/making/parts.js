// Small parts of the view "Make your own". Whatever a visitor gave is text here, never HTML.

function part(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function press(className, label, run) {
  const node = part("button", className, label);
  node.type = "button";
  node.addEventListener("click", run);
  return node;
}

const BITS = 1 / Math.LN2; // of a nat
const decimals = (number) => inDigits(number, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const bitsOf = (number) => words("intro.bits", { bits: decimals(number) });
const characters = (number) => words("caption.characters", { n: number });
const inSeconds = (number) => inDigits(number, { style: "unit", unit: "second", unitDisplay: "narrow" });
const isolated = (text) => `\u2068${text}\u2069`; // runs in its own direction

function minutesAndSeconds(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function inTime(seconds) {
  if (seconds < 90) return words("make.seconds", { n: Math.max(10, 10 * Math.round(seconds / 10)) });
  return words("make.minutes", { n: Math.round(seconds / 60) });
}

function inList(names, most) {
  if (names.length <= most) return listed(names.map(isolated));
  const shown = names.slice(0, most).map(isolated).join(words("list.comma"));
  return words("make.and_more", { names: shown, n: names.length - most });
}

// Radio buttons that look like chips. choices: of [value, label].
function choiceOf(legend, name, choices, chosen) {
  const root = part("fieldset", "choice");
  root.append(part("legend", "", legend));
  for (const [value, label] of choices) {
    const option = part("label", "option");
    const radio = part("input");
    Object.assign(radio, { type: "radio", name, value, checked: value === chosen });
    option.append(radio, part("bdi", "", label));
    root.append(option);
  }
  return root;
}

const chosenOf = (root) => root.querySelector("input:checked").value;
