// Who replies: chips, which are radio buttons, and a search among them that also takes any other name.

const search = element.querySelector(".speaker-search");
const chips = element.querySelector(".chips");
const messageField = () => document.querySelector("#field-message textarea");
const goOn = () => document.querySelector("#field-go-on input");

let rendered = "";
let isTalk = false;
const READS_ON_KEY = "hubcharlstm.reads-on.1";
const readsOn = new Map([[true, true], [false, false], ...keptReadsOn()]); // by whether it is a talk: does a message go on from the text so far?

function keptReadsOn() {
  try {
    const pairs = JSON.parse(localStorage.getItem(READS_ON_KEY) ?? "[]");
    return pairs.every((pair) => pair.length === 2 && pair.every((one) => typeof one === "boolean")) ? pairs : [];
  } catch {
    return []; // a browser without storage, or foreign data under our key
  }
}

function keepReadsOn() {
  try {
    localStorage.setItem(READS_ON_KEY, JSON.stringify([...readsOn]));
  } catch {
    // a browser without storage, or a full one
  }
}

const labelOf = (name) => props.speakers.find(([, known]) => known === name)?.[0] ?? name;
const matches = (label) => label.toLocaleLowerCase().includes(search.value.trim().toLocaleLowerCase());

function renderChips() {
  const isOwn = props.value && !props.speakers.some(([, name]) => name === props.value);
  const all = [[words("speaker.none"), ""], ...(isOwn ? [[props.value, props.value]] : []), ...props.speakers];
  if (JSON.stringify(all) === rendered) return;
  rendered = JSON.stringify(all);
  chips.replaceChildren(...all.map(([label, name]) => {
    const chip = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "speaker", value: name });
    chip.className = "chip";
    chip.title = name ? "" : words("speaker.none_hint");
    chip.append(radio, label);
    return chip;
  }));
}

// Where the writing runs from right to left, the first chip is the one on the right.
function scrollToChip(chip) {
  const [at, row] = [chip.getBoundingClientRect(), chips.getBoundingClientRect()];
  chips.scrollLeft += document.dir === "rtl" ? at.right - row.right + 8 : at.left - row.left - 8;
}

// Shows the value, whoever has set it.
function refresh() {
  const name = props.value ?? "";
  renderChips();
  for (const radio of chips.querySelectorAll("input")) {
    radio.checked = radio.value === name;
    if (radio.checked) scrollToChip(radio.parentElement);
  }
  const field = messageField();
  if (field) {
    field.dataset.startLine ??= field.placeholder; // where no character replies
    field.placeholder = name ? words("composer.placeholder_to", { name: labelOf(name) }) : field.dataset.startLine;
  }
  if (isTalk !== (name !== "")) {
    isTalk = name !== "";
    if (goOn() && goOn().checked !== readsOn.get(isTalk)) goOn().click();
  }
}

function choose(name) {
  props.value = name;
  refresh();
  trigger("change");
}

function filter() {
  for (const chip of chips.children) chip.hidden = !matches(chip.textContent);
}

// A name that no chip has is one's own; without a name the talk ends.
function chooseFound() {
  const typed = search.value.trim();
  const found = props.speakers.find(([label]) => label.toLocaleLowerCase() === typed.toLocaleLowerCase());
  const name = (found ?? (typed ? props.speakers.find(([label]) => matches(label)) : null))?.[1] ?? typed;
  search.value = "";
  filter();
  choose(name);
  messageField()?.focus();
}

search.placeholder = words("speaker.search");
search.setAttribute("aria-label", words("speaker.search_label"));
chips.setAttribute("aria-label", words("speaker.group"));
search.addEventListener("input", filter);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    chooseFound();
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    chips.querySelector("label:not([hidden]) input")?.focus();
  } else if (event.key === "Escape") {
    search.value = "";
    filter();
  }
});
chips.addEventListener("change", (event) => choose(event.target.value));
chips.addEventListener("click", (event) => {
  if (event.target.className !== "chip" || !matchMedia("(hover: hover)").matches) return; // by keyboard, or a touch
  search.value = "";
  filter();
  setTimeout(() => messageField()?.focus());
});
element.addEventListener("choose", (event) => choose(event.detail));
document.addEventListener("change", (event) => {
  if (!event.isTrusted || event.target !== goOn()) return;
  readsOn.set(isTalk, event.target.checked);
  keepReadsOn();
});

refresh();
watch(["value", "speakers"], refresh);
