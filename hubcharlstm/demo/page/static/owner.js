// The key by which the server knows this browser again: random, drawn when its first own model is made, and told to the
// server alone.

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
