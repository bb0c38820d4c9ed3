// The view "Look inside": a module of its own, loaded when it is first opened.

let insideView = null; // once it is loaded

const nameOfModel = () => document.querySelector("#field-model input")?.value ?? "";

// The URL of a file of the view, beside the page wherever it is served.
const fileUrl = (name) => new URL(`inside/${name}`, document.baseURI).href;

// The view's own words, which the page does not hold.
async function loadWords() {
  const response = await fetch(fileUrl(`words/${pageWords.language}.json`));
  if (!response.ok) throw new Error(words("endpoint.status", { status: response.status }));
  return response.json();
}

async function loadInside() {
  const sheet = document.createElement("link");
  const styled = new Promise((resolve, reject) => Object.assign(sheet, { onload: resolve, onerror: reject }));
  Object.assign(sheet, { rel: "stylesheet", href: fileUrl("inside.css") });
  document.head.append(sheet);
  const [{ mountView }, entries] = await Promise.all([import(fileUrl("view.js")), loadWords(), styled]);
  Object.assign(pageWords.entries, entries);
  insideSection.replaceChildren(); // without the sentence of an attempt before
  return mountView(insideSection, { fileUrl, nameOfModel });
}

const insideSection = addView("inside", words("views.inside"), async (value) => {
  try {
    insideView ??= loadInside();
    const view = await insideView;
    const { trace } = view.state;
    await view.open(typeof value === "string" ? { text: value } : value);
    // From its end: what stands before a reply may be cut, or read otherwise.
    if (view.state.trace !== trace && value?.fromEnd !== undefined) view.go(view.state.trace.characters.length - value.fromEnd);
  } catch (error) {
    console.error(error);
    insideView = null;
    insideSection.textContent = words("views.inside_failed");
  }
});

// A reply's menu: see conversation.js.
document.addEventListener("look-inside", ({ detail }) => {
  history.pushState(null, "", "#inside");
  showView("inside", detail);
});
