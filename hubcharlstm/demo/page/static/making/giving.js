// A text is given: pasted, typed, or dropped as a file, which is read here in the browser.

const MAX_FILE_BYTES = 8_000_000;

const EMPTY_NOTE =
  "The text stays on this server while you are here, and nobody else sees it or its model. Both are deleted ten minutes " +
  "after you close the page, and an hour after the training at the latest.";

function renderGiving({ min_chars: least, max_chars: most }, { onText, onProblem }) {
  const root = part("div", "giving");
  const field = part("textarea", "text-field");
  Object.assign(field, { rows: 10, placeholder: "Paste a text, or drop a file here: a chat, poems, a play, code, a diary …", spellcheck: false });
  field.setAttribute("aria-label", "The text to learn from");
  field.dir = "auto";
  const amount = part("p", "hint amount");
  amount.setAttribute("role", "status");
  const send = press("button primary", "Check the text", () => submit());
  const file = part("input", "visually-hidden");
  Object.assign(file, { type: "file", tabIndex: -1, ariaLabel: "A text file" });
  file.setAttribute("aria-hidden", "true");
  const choose = press("button", "Choose a file", () => file.click());
  let title = "";

  const length = () => [...field.value].length;
  const fits = () => length() >= least && length() <= most;
  const update = () => {
    const now = length();
    amount.textContent = now === 0 ? `${count(least)} to ${count(most)} characters` : `${count(now)} characters; ${
      now < least ? `it needs ${count(least - now)} more` : now > most ? `it takes ${count(most)} at most` : "that fits"}`;
    send.disabled = !fits();
  };
  const submit = () => {
    if (fits()) onText(field.value, title);
  };
  const readFile = async (given) => {
    if (!given) return;
    if (given.size > MAX_FILE_BYTES) {
      onProblem(`The file has ${count(given.size)} bytes; expected ${count(MAX_FILE_BYTES)} at most: take a part of it.`);
      return;
    }
    try {
      field.value = new TextDecoder("utf-8", { fatal: true }).decode(await given.arrayBuffer());
    } catch {
      onProblem("The file is no text in UTF-8; expected one: save it as plain text in UTF-8, or paste its text.");
      return;
    }
    title = given.name.replace(/\.[^.]*$/, "");
    update();
    submit();
  };

  field.addEventListener("input", (event) => {
    title = "";
    update();
    if (event.inputType === "insertFromPaste" && fits()) submit();
  });
  file.addEventListener("change", () => readFile(file.files[0]));
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("over");
  });
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("over");
    readFile(event.dataTransfer.files[0]);
  });
  const row = part("div", "buttons");
  row.append(send, choose, file, amount);
  root.append(field, row, part("p", "hint", EMPTY_NOTE));
  update();
  return root;
}
