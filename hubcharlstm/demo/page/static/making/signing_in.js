// Signing in with Hugging Face on a Space, by Gradio's routes. The token stays in a cookie that no script can read.

const MODEL_VARIABLE = "HUBCHARLSTM_MODEL";

// Leaves the page, and comes back to this view.
function leaveFor(route) {
  const target = `${location.pathname}${location.search}#make=publish`;
  window.parent?.postMessage({ type: "SET_SCROLLING", enabled: true }, "*"); // the Hub's page around a Space
  location.assign(`${route}?_target_url=${encodeURIComponent(target)}`);
}

const signOut = () => leaveFor("logout");

function signInNote(hasFailed) {
  const buttons = part("div", "buttons");
  buttons.append(press("button primary", words("make.sign_in"), () => leaveFor("login/huggingface")));
  const failure = hasFailed ? [part("p", "error-message", words("make.sign_in_failed"))] : [];
  return [...failure, part("p", "hint", words("make.sign_in_note")), buttons];
}

// How a visitor who may have no terminal gets a Space that serves the model.
function duplicateNote(url, id, isPrivate) {
  const note = words(isPrivate ? "make.own_space_private" : "make.own_space", { variable: isolated(MODEL_VARIABLE) });
  const buttons = part("div", "buttons");
  const link = part("a", "button", words("make.duplicate"));
  if (/^https?:/.test(url)) link.href = url;
  Object.assign(link, { target: "_blank", rel: "noopener" });
  buttons.append(link);
  return [part("p", "hint", note), part("pre", "code-lines", id), buttons];
}
