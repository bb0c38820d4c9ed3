// A text is given: pasted, typed, or dropped as a file, which is read here in the browser.

const MAX_FILE_BYTES = 8_000_000;

function renderGiving({ min_chars: least, max_chars: most }, { onText, onProblem }) {
  const root = part("div", "giving");
  const field = part("textarea", "text-field");
  Object.assign(field, { rows: 10, placeholder: words("make.placeholder"), spellcheck: false });
  field.setAttribute("aria-label", words("make.text"));
  const amount = part("p", "hint amount");
  amount.setAttribute("role", "status");
  const send = press("button primary", words("make.check"), () => submit());
  const file = part("input", "visually-hidden");
  Object.assign(file, { type: "file", tabIndex: -1, ariaLabel: words("make.file") });
  file.setAttribute("aria-hidden", "true");
  const choose = press("button", words("make.choose_file"), () => file.click());
  let title = "";

  const length = () => [...field.value].length;
  const fits = () => length() >= least && length() <= most;
  const update = () => {
    const now = length();
    field.dir = now === 0 ? "" : "auto"; // the placeholder runs as the page does
    const given = { characters: characters(now) };
    if (now === 0) amount.textContent = words("make.bounds", { min: least, max: most });
    else if (now < least) amount.textContent = words("make.needs_more", { ...given, count: least - now });
    else if (now > most) amount.textContent = words("make.takes_at_most", { ...given, count: most });
    else amount.textContent = words("make.fits", given);
    send.disabled = !fits();
  };
  const submit = () => {
    if (fits()) onText(field.value, title);
  };
  const readFile = async (given) => {
    if (!given) return;
    if (given.size > MAX_FILE_BYTES) {
      onProblem(words("make.file_too_large", { count: given.size, max: MAX_FILE_BYTES }));
      return;
    }
    try {
      field.value = new TextDecoder("utf-8", { fatal: true }).decode(await given.arrayBuffer());
    } catch {
      onProblem(words("make.file_no_utf8"));
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
  file.addEventListener("change", () => {
    readFile(file.files[0]);
    file.value = ""; // the same file, once it is mended, is a change again
  });
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
  root.append(field, row, part("p", "hint", words("make.promise")));
  update();
  return root;
}
