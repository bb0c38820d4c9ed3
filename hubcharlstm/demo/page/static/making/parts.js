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
const count = (number) => number.toLocaleString("en");

function minutesAndSeconds(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function inTime(seconds) {
  if (seconds < 90) return `${Math.max(10, 10 * Math.round(seconds / 10))} seconds`;
  return `${Math.round(seconds / 60)} minutes`;
}

function inList(names, most) {
  const shown = names.slice(0, most);
  if (names.length > most) return `${shown.join(", ")} and ${count(names.length - most)} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : shown[0];
}

// Radio buttons that look like chips. choices: of [value, label].
function choiceOf(legend, name, choices, chosen) {
  const root = part("fieldset", "choice");
  root.append(part("legend", "", legend));
  for (const [value, label] of choices) {
    const option = part("label", "option");
    const radio = part("input");
    Object.assign(radio, { type: "radio", name, value, checked: value === chosen });
    option.append(radio, part("span", "", label));
    root.append(option);
  }
  return root;
}

const chosenOf = (root) => root.querySelector("input:checked").value;
