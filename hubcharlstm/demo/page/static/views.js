// The switch between the chat and "Look inside". The view is a module of its own, loaded when it is first opened; the
// chat stays as it is under it. `#inside` opens the view, `#inside=TEXT` with a text.

const INSIDE = "#inside";

let view = null; // the view, once it is loaded
let section = null; // where it stands

const nameOfModel = () => document.querySelector("#field-model input")?.value ?? "";

function makeSection() {
  const made = document.createElement("section");
  made.id = "inside";
  made.setAttribute("aria-label", "Look inside");
  document.getElementById("page").append(made);
  return made;
}

// The URL of a file of the view, beside the page wherever it is served.
const fileUrl = (name) => new URL(`inside/${name}`, document.baseURI).href;

async function loadView() {
  section ??= makeSection();
  const sheet = document.createElement("link");
  const styled = new Promise((resolve, reject) => Object.assign(sheet, { onload: resolve, onerror: reject }));
  Object.assign(sheet, { rel: "stylesheet", href: fileUrl("inside.css") });
  document.head.append(sheet);
  const [{ mountView }] = await Promise.all([import(fileUrl("view.js")), styled]);
  return mountView(section, { fileUrl, nameOfModel });
}

// request: {text, before, model} of a reply; without one, what is there already stays.
async function openInside(request) {
  showView("inside");
  try {
    view ??= loadView();
    (await view).open(request);
  } catch {
    view = null;
    section.textContent = "The view did not load; expected the server to answer: check that it runs, then open it again.";
  }
}

function showView(name) {
  const isInside = name === "inside";
  for (const link of element.querySelectorAll(".view-link")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  section ??= isInside ? makeSection() : null;
  if (section) section.hidden = !isInside;
  for (const id of ["main-column", "panel"]) document.getElementById(id)?.toggleAttribute("inert", isInside);
}

function textOfHash() {
  if (!location.hash.startsWith(`${INSIDE}=`)) return null;
  try {
    return { text: decodeURIComponent(location.hash.slice(INSIDE.length + 1)) };
  } catch {
    return null; // a damaged link opens the view without its text
  }
}

function followHash() {
  if (location.hash.startsWith(INSIDE)) openInside(textOfHash());
  else showView("chat");
}

// Once all of the page is there, which may be after this script has run.
function start() {
  if (document.getElementById("limits-note")) followHash();
  else requestAnimationFrame(start);
}

addEventListener("hashchange", followHash);
document.addEventListener("look-inside", ({ detail }) => {
  history.pushState(null, "", INSIDE);
  openInside(detail);
});
if (location.hash.startsWith(INSIDE)) start();
else showView("chat");
