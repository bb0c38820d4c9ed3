// What cannot be done: one sentence beside its control, and an end of it once something can.

const sentence = make("p", "problem");
sentence.id = "problem";
sentence.setAttribute("role", "alert");

function hideProblem() {
  sentence.textContent = "";
  sentence.remove();
  for (const field of document.querySelectorAll(".wrong")) field.classList.remove("wrong");
  for (const field of document.querySelectorAll("[aria-describedby=problem]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

function showProblem(field, text) {
  hideProblem();
  const control = document.getElementById(`field-${field}`) ?? document.getElementById("field-message");
  control.classList.add("wrong");
  for (const input of control.querySelectorAll("input, textarea")) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "problem");
  }
  if (control.id === "field-message" || control.getClientRects().length === 0) composer().before(sentence);
  else (control.closest("#seed-row") ?? control).after(sentence);
  sentence.textContent = text;
  if (control.getClientRects().length === 0 && matchMedia("(max-width: 60rem)").matches) return;
  sentence.scrollIntoView({ block: "nearest" });
}
