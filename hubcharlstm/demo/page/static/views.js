// The switch between the views. The chat is the page itself; another view is a section over it, which says by its own
// script (`onShow`) what it does when it is opened. `#NAME` in the URL opens the view of that name, `#NAME=VALUE` with
// a value.

const sections = new Map(); // name -> {root, onShow}

function addView(name, label, onShow) {
  const root = document.createElement("section");
  root.id = name;
  root.className = "view-section";
  root.hidden = true;
  root.setAttribute("aria-label", label);
  sections.set(name, { root, onShow });
  return root;
}

function showView(wanted, value = null) {
  const name = sections.has(wanted) ? wanted : "chat";
  for (const link of element.querySelectorAll(".view-link")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const [other, { root }] of sections) {
    if (!root.isConnected) document.getElementById("page").append(root);
    root.hidden = other !== name;
  }
  for (const id of ["main-column", "panel"]) document.getElementById(id).toggleAttribute("inert", name !== "chat");
  sections.get(name)?.onShow(value);
}

function decode(value) {
  try {
    return value ? decodeURIComponent(value) : null;
  } catch {
    return null; // a damaged link opens the view without its value
  }
}

function followHash() {
  const [, name, value] = /^#?([^=]*)=?(.*)$/s.exec(location.hash);
  showView(name, decode(value));
}

// Once all of the page is there, which may be after this script has run.
function startViews() {
  if (!document.getElementById("limits-note")) {
    requestAnimationFrame(startViews);
    return;
  }
  followHash();
  addEventListener("hashchange", followHash);
}
