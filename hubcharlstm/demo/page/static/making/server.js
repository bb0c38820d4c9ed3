// The server's routes for the view.

// The answer of a route, or an `Error` with a sentence for people, in their language.
async function ask(route, { method = "POST", body, isFile = false } = {}) {
  let response;
  try {
    response = await fetch(`make/${route}`, {
      method, body, cache: "no-store", headers: { "x-hubcharlstm-owner": makeOwner() },
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
