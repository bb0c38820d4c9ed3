// The server's routes for the view, and the key by which it knows this browser again.

const MAKE_OWNER_KEY = "hubcharlstm.owner.1"; // the same as in owner.js

let ownerOfView = null; // where the browser has no storage

function makerKey() {
  try {
    const stored = localStorage.getItem(MAKE_OWNER_KEY);
    if (/^[0-9a-f]{32}$/.test(stored)) return stored;
  } catch {
    // no storage: the key lasts as long as the page
  }
  ownerOfView ??= [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(16).padStart(8, "0")).join("");
  try {
    localStorage.setItem(MAKE_OWNER_KEY, ownerOfView);
  } catch {
    // as above
  }
  return ownerOfView;
}

// The answer of a route, or an `Error` with a sentence for people, in their language.
async function ask(route, { method = "POST", body, isFile = false } = {}) {
  let response;
  try {
    response = await fetch(`make/${route}`, {
      method, body, cache: "no-store", headers: { "x-hubcharlstm-owner": makerKey() },
    });
  } catch {
    throw new Error(words("make.no_answer"));
  }
  if (response.ok) return isFile ? { blob: await response.blob(), name: fileNameOf(response) } : response.json();
  const answer = await response.json().catch(() => ({}));
  throw new Error(wordsOf(answer.sentence ?? answer.error) || words("make.no_answer"));
}

const fileNameOf = (response) => /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "model.zip";

const postJson = (route, value) => ask(route, { body: JSON.stringify(value) });

// A command of the conversation: see commands.js.
function commandChat(name, detail = {}) {
  document.getElementById("conversation").dispatchEvent(new CustomEvent("command", { detail: { name, ...detail } }));
}
