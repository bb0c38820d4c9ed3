// "Remember a text": a copy of the model reads it on the server, for this browser alone.

const MAX_REMEMBERED = 20_000; // characters, as on the server
const REMEMBER_SECONDS = 60; // without a word from the server, after which the page stops waiting
const MAX_WARNINGS = 200; // characters of what is said about letters that the model does not know

const rememberStatus = make("p", "hint remember-status");
rememberStatus.setAttribute("role", "status");

let isRemembering = false;
let rememberTimer = 0;
let sentText = ""; // what the server reads

const rememberField = () => document.querySelector("#field-remember textarea");

function setRemembering(value) {
  isRemembering = value;
  clearTimeout(rememberTimer);
  document.getElementById("remember-text").setAttribute("aria-disabled", String(value));
}

function showRemembering(sentence) {
  document.getElementById("remember-row").after(rememberStatus);
  if (rememberStatus.textContent !== sentence) rememberStatus.textContent = sentence;
}

function waitForServer() {
  clearTimeout(rememberTimer);
  rememberTimer = setTimeout(() => {
    setRemembering(false);
    showRemembering(words("remember.silent"));
  }, REMEMBER_SECONDS * 1000);
}

function rememberText() {
  if (isRemembering) return;
  hideError();
  const text = rememberField().value;
  if (lengthInCharacters(text) > MAX_REMEMBERED) {
    showError("remember", words("remember.too_long", { count: lengthInCharacters(text), max: MAX_REMEMBERED }));
    return;
  }
  sentText = text;
  setRemembering(true);
  showRemembering(words("remember.sent"));
  waitForServer();
  trigger("remember", { owner: makeOwner(), text, model: document.querySelector("#field-model input").value });
}

function forgetText() {
  if (isRemembering) return;
  hideError();
  trigger("forget", { model: document.querySelector("#field-model input").value });
}

// A word of the server on the text that is read.
function receiveRemember({ is_done: isDone, field, sentence }) {
  if (!isDone) {
    waitForServer();
    showRemembering(wordsOf(sentence));
    return;
  }
  setRemembering(false);
  rememberStatus.remove();
  showError(field, sentence);
}

// What became of letters that the model does not know, in brackets.
function substitutions(warnings) {
  const text = warnings.map(wordsOf).join("; ");
  return text && `(${text.length > MAX_WARNINGS ? `${text.slice(0, MAX_WARNINGS)} …` : text})`;
}

// What this browser may use has changed. chosen: the model to show now, "" for the default.
function receiveModels(value) {
  models = value.models;
  if (value.is_error) showError("model", value.sentence);
  else if (value.chosen !== undefined) {
    setRemembering(false);
    showRemembering([wordsOf(value.sentence), substitutions(value.warnings ?? [])].filter(Boolean).join(" "));
    if (value.chosen && rememberField().value === sentText) setText(rememberField(), ""); // else another one stands there already
    trigger("show_model", { model: value.chosen });
  }
  const chosenBefore = keptSettings?.model;
  if (!isOpened && OWN_MODEL.test(chosenBefore) && !models.includes(chosenBefore)) {
    showNote(words("private.gone", { name: chosenBefore }));
  }
  openConversation();
}
