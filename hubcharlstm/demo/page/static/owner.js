// The key by which the server knows this browser again: random, drawn when a view first needs it, and told to the server
// alone. And what the menu calls this browser's own models. For every script of the page.

const OWNER_KEY = "hubcharlstm.owner.1";

let ownerOfPage = null; // where the browser has no storage

function loadOwner() {
  try {
    const stored = localStorage.getItem(OWNER_KEY);
    return /^[0-9a-f]{32}$/.test(stored) ? stored : ownerOfPage;
  } catch {
    return ownerOfPage;
  }
}

function makeOwner() {
  const key = loadOwner();
  if (key) return key;
  ownerOfPage = newId();
  try {
    localStorage.setItem(OWNER_KEY, ownerOfPage);
  } catch {
    // a browser without storage, or a full one: its models are found until the page closes
  }
  return ownerOfPage;
}

function newId() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join("");
}

// A name in the menu that this browser alone has: see private_models.py.
const OWN_MODEL = /, (remembering your text|made by you)( \(\d+\))?$/;

// The key for a request of our own routes.
function ownerHeaders() {
  const key = loadOwner();
  return key ? { "x-hubcharlstm-owner": key } : {};
}
