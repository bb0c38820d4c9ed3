// A menu that opens at a button: arrow keys, Home and End move in it, Esc leaves it, any choice closes it. It stays with
// its button when the page moves, which it also does by itself: a reply grows, or a phone's keyboard goes.

let openedMenu = null; // {root, anchor}

function closeMenu(returnFocus = false) {
  if (!openedMenu) return;
  const { root, anchor } = openedMenu;
  openedMenu = null;
  root.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (returnFocus) anchor.focus();
}

function placeMenu() {
  const { root, anchor } = openedMenu;
  const [place, size] = [anchor.getBoundingClientRect(), root.getBoundingClientRect()];
  const below = place.bottom + size.height + 8 <= innerHeight;
  const left = document.dir === "rtl" ? place.right - size.width : place.left;
  root.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  root.style.top = `${Math.max(8, below ? place.bottom + 2 : place.top - size.height - 2)}px`;
}

// Whether a place in `node` can still be seen where that may scroll out of view.
function isInView(node, place) {
  const scroller = node.closest(".view");
  if (!scroller) return node.isConnected;
  const frame = scroller.getBoundingClientRect();
  return place.bottom > frame.top && place.top < frame.bottom;
}

function followAnchor() {
  if (!openedMenu) return;
  if (isInView(openedMenu.anchor, openedMenu.anchor.getBoundingClientRect())) placeMenu();
  else closeMenu();
}

// items: of {label, run}; without `run` it is a heading.
function openMenu(anchor, label, items) {
  const wasOpen = openedMenu?.anchor === anchor;
  closeMenu();
  if (wasOpen) return;
  const root = make("div", "menu");
  root.setAttribute("role", "menu");
  root.setAttribute("aria-label", label);
  for (const { label: text, run } of items) {
    const choose = () => {
      closeMenu(true);
      run();
    };
    const item = run ? button("menu-item", text, choose) : make("p", "menu-heading", text);
    item.dir = "auto";
    item.setAttribute("role", run ? "menuitem" : "presentation");
    root.append(item);
  }
  root.addEventListener("keydown", (event) => {
    const all = [...root.querySelectorAll(".menu-item")];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Tab") closeMenu(true);
    if (to === undefined) return;
    event.preventDefault();
    all[to % all.length].focus();
  });
  openedMenu = { root, anchor };
  anchor.setAttribute("aria-haspopup", "menu");
  anchor.setAttribute("aria-expanded", "true");
  document.querySelector(".gradio-container").append(root);
  placeMenu();
  root.querySelector(".menu-item")?.focus({ preventScroll: true });
}

document.addEventListener("pointerdown", (event) => {
  if (openedMenu && !openedMenu.root.contains(event.target) && !openedMenu.anchor.contains(event.target)) closeMenu();
});
addEventListener("resize", followAnchor);
element.querySelector(".view").addEventListener("scroll", followAnchor);
