// An error: one sentence beside the control that it is about, removed with the next request.

const errorMessage = make("p", "error-message");
errorMessage.id = "error-message";
errorMessage.setAttribute("role", "alert");

function hideError() {
  errorMessage.textContent = "";
  errorMessage.remove();
  for (const field of document.querySelectorAll(".invalid")) field.classList.remove("invalid");
  for (const field of document.querySelectorAll("[aria-describedby=error-message]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

function showError(field, sentence) {
  hideError();
  const control = document.getElementById(`field-${field}`) ?? document.getElementById("field-message");
  control.classList.add("invalid");
  for (const input of control.querySelectorAll("input,textarea")) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "error-message");
  }
  const isHidden = control.getClientRects().length === 0;
  if (control.id === "field-message" || isHidden) composer().before(errorMessage);
  else (control.closest("#seed-row") ?? control).after(errorMessage);
  errorMessage.textContent = wordsOf(sentence);
  if (isHidden && matchMedia("(max-width: 60rem)").matches) return;
  errorMessage.scrollIntoView({ block: "nearest" });
}

// What was done, for a while.

const NOTE_SECONDS = 12;
const note = make("p", "hint note-line");
note.setAttribute("role", "status");
let noteTimer = 0;

function hideNote() {
  clearTimeout(noteTimer);
  note.remove();
}

function showNote(sentence) {
  hideNote();
  note.textContent = sentence;
  composer().before(note);
  noteTimer = setTimeout(hideNote, NOTE_SECONDS * 1000);
}
