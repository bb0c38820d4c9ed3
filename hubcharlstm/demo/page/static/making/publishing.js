// Publishing from home: what would become public, the choice of name and license, the push.

const PUBLIC_PARTS = [
  ["examples", "As examples to start with:"],
  ["speakers", "As a menu of who speaks:"],
  ["lines", "Whole lines of your text, in samples that it wrote:"],
];

function labelled(label, control, id) {
  const row = part("div", "field");
  const name = part("label", "", label);
  control.id = id;
  name.htmlFor = id;
  row.append(name, control);
  return row;
}

// Loads what it shows when it is opened.
function renderPublishing() {
  const root = part("details", "publishing");
  const content = part("div");
  root.append(part("summary", "", "Publish it on the Hugging Face Hub"), content);
  root.addEventListener("toggle", async () => {
    if (!root.open || content.childElementCount > 0) return;
    try {
      content.replaceChildren(...publishForm(await ask("publish", { method: "GET" }), content));
    } catch (error) {
      tell(error.message);
    }
  });
  return root;
}

function publishForm(parts, content) {
  const nodes = [part("p", "hint", "It goes to the account of `hf auth login` on this machine. Besides the weights, everybody who sees it sees this of your text:")];
  for (const [key, label] of PUBLIC_PARTS) {
    if (parts[key].length === 0) continue;
    const list = part("ul", key === "speakers" ? "public-lines in-a-row" : "public-lines");
    list.append(...parts[key].map((line) => part("li", "", line)));
    nodes.push(part("p", "public-label", label), list);
  }
  const name = part("input");
  Object.assign(name, { type: "text", value: parts.name, maxLength: 82, autocomplete: "off", spellcheck: false });
  const license = part("select");
  for (const one of parts.licenses) license.append(new Option(one || "none", one));
  const hidden = part("input");
  Object.assign(hidden, { type: "checkbox", checked: true });
  const hiddenLabel = part("label", "switch");
  hiddenLabel.append(hidden, "private: only you see it");
  const send = press("button primary", "Publish", async () => {
    tell();
    send.disabled = true;
    send.textContent = "It goes up …";
    try {
      const published = await postJson("publish", { name: name.value.trim(), license: license.value, private: hidden.checked });
      content.replaceChildren(...publishedNote(published));
      status.textContent = "Your model is on the Hub.";
    } catch (error) {
      tell(error.message);
      send.disabled = false;
      send.textContent = "Publish";
    }
  });
  return [...nodes, labelled("Name", name, "publish-name"), labelled("License", license, "publish-license"), hiddenLabel, send];
}

function publishedNote({ url, repo_id: id, private: isPrivate, python, space }) {
  const line = part("p", "verdict", `It is on the Hub${isPrivate ? ", and private" : ""}: `);
  const link = part("a", "", id);
  if (/^https?:/.test(url)) link.href = url;
  Object.assign(link, { target: "_blank", rel: "noopener" });
  line.append(link);
  return [line, part("pre", "code-lines", python.join("\n")), part("p", "hint", "A page of its own, where everybody can chat with it:"), part("pre", "code-lines", space)];
}
