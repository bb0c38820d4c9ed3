// Publishing: what would become public, the choice of name and license, the push.

const PUBLIC_PARTS = [
  ["titles", "make.public_title"],
  ["examples", "make.public_examples"],
  ["speakers", "make.public_speakers"],
  ["lines", "make.public_lines"],
];

function labelled(label, control, id) {
  const row = part("div", "field");
  const name = part("label", "", label);
  control.id = id;
  name.htmlFor = id;
  row.append(name, control);
  return row;
}

// Loads what it shows when it is opened. cameBack: where a sign-in has just led back to, "" without one.
function renderPublishing({ may_publish: mayPublish, account }, cameBack) {
  const root = part("details", "publishing");
  const content = part("div");
  root.append(part("summary", "", words("make.publish_on_hub")), content);
  root.addEventListener("toggle", async () => {
    if (!root.open || content.childElementCount > 0) return;
    try {
      const nodes = mayPublish
        ? publishForm(await ask("publish", { method: "GET" }), account, content)
        : signInNote(cameBack === "sign-in-failed");
      content.replaceChildren(...nodes);
      if (cameBack) root.scrollIntoView(); // where the visitor was
    } catch (error) {
      tell(error.message);
    }
  });
  root.open = cameBack !== "";
  return root;
}

function publicLine(text) {
  const node = part("li", "", text);
  node.dir = "auto";
  return node;
}

// account: the name of a sign-in, "" for the login of this machine.
function publishForm(parts, account, content) {
  const nodes = [part("p", "hint", account ? words("make.publish_note_account", { name: isolated(account) }) : words("make.publish_note"))];
  for (const [key, label] of PUBLIC_PARTS) {
    if (parts[key].length === 0) continue;
    const list = part("ul", key === "speakers" ? "public-lines in-a-row" : "public-lines");
    list.append(...parts[key].map(publicLine));
    nodes.push(part("p", "public-label", words(label)), list);
  }
  const name = part("input");
  Object.assign(name, { type: "text", value: parts.name, maxLength: 82, autocomplete: "off", spellcheck: false, dir: "ltr" });
  const license = part("select");
  for (const one of parts.licenses) license.append(new Option(one || words("make.license_none"), one));
  const hidden = part("input");
  Object.assign(hidden, { type: "checkbox", checked: true });
  const hiddenLabel = part("label", "switch");
  hiddenLabel.append(hidden, words("make.private"));
  const send = press("button primary", words("make.publish"), async () => {
    tell();
    send.disabled = true;
    send.textContent = words("make.goes_up");
    try {
      const published = await postJson("publish", { name: name.value.trim(), license: license.value, private: hidden.checked });
      content.replaceChildren(...publishedNote(published));
      status.textContent = words("make.published");
    } catch (error) {
      tell(error.message);
      send.disabled = false;
      send.textContent = words("make.publish");
    }
  });
  const buttons = part("div", "buttons");
  buttons.append(send, ...(account ? [press("button", words("make.sign_out"), signOut)] : []));
  return [...nodes, labelled(words("make.name"), name, "publish-name"), labelled(words("make.license"), license, "publish-license"), hiddenLabel, buttons];
}

function publishedNote({ url, repo_id: id, private: isPrivate, python, space, duplicate }) {
  const line = part("p", "verdict", words(isPrivate ? "make.on_hub_private" : "make.on_hub"));
  const link = part("a", "", id);
  if (/^https?:/.test(url)) link.href = url;
  Object.assign(link, { target: "_blank", rel: "noopener" });
  line.append(link);
  const command = part("pre", "code-lines", space);
  const own = duplicate ? [...duplicateNote(duplicate, id, isPrivate), part("p", "hint", words("make.or_terminal"))] : [part("p", "hint", words("make.own_page"))];
  return [line, part("pre", "code-lines", python.join("\n")), ...own, command];
}
