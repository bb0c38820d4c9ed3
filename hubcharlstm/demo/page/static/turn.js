// One message and its replies on the page. What a visitor or a model wrote goes in as text nodes only: no HTML,
// Markdown or LaTeX in it is ever read; a reply that grows is appended to, so that nothing moves but its end.

function copyButton(name, text) {
  const made = button("copy", "Copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      made.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(made.previousElementSibling); // for the visitor's own keys
      made.textContent = "Selected";
    }
    setTimeout(() => (made.textContent = "Copy"), 1500);
  });
  made.setAttribute("aria-label", `Copy the ${name}`);
  return made;
}

function drawPermalink() {
  const root = make("details", "permalink");
  root.append(make("summary", "", "Receipt"));
  const rows = {};
  for (const [key, name, label] of [["link", "link", "Link"], ["python", "Python lines", "Python"], ["command", "command", "Command line"]]) {
    const row = make("div", "row");
    const code = make("pre");
    code.tabIndex = 0;
    code.setAttribute("aria-label", label);
    row.append(make("span", "what", label), code, copyButton(name, () => code.textContent));
    root.append(row);
    rows[key] = { row, code };
  }
  root.addEventListener("toggle", () => root.open && root.scrollIntoView({ block: "nearest" }));
  const missing = make("p", "told", "Too long for a link.");
  root.append(missing);
  const fill = (reply) => {
    root.hidden = reply.python === "";
    const texts = { link: reply.link && location.origin + location.pathname + reply.link, python: reply.python, command: reply.command };
    for (const [key, { row, code }] of Object.entries(rows)) {
      if (code.textContent !== texts[key]) code.textContent = texts[key];
      row.hidden = !texts[key];
    }
    missing.hidden = reply.link !== "";
  };
  return { root, fill };
}

function drawReply(turn, index, act) {
  const root = make("div", "answer");
  const several = turn.replies.length > 1;
  if (several) root.append(make("p", "heat", `at ${turn.replies[index].temperature}`));
  const box = make("div", "reply");
  const text = document.createTextNode("");
  box.append(make("span", "unseen", several ? `The model at temperature ${turn.replies[index].temperature}: ` : "The model: "), make("span", "seed-phrase", turn.shown), text);
  const caption = make("p", "caption");
  const said = make("p", "said");
  const permalink = drawPermalink();
  const more = button("act continue", "Continue", () => act("continue", index));
  const acts = make("div", "acts");
  acts.append(more, permalink.root);
  root.append(box, caption, said, acts);
  return { root, box, text, caption, said, acts, permalink };
}

function shorten(text) {
  return text.length > 80 ? `${text.slice(0, 80)} …` : text;
}

function refreshReply(entry, reply) {
  if (reply.text.startsWith(entry.text.data)) entry.text.appendData(reply.text.slice(entry.text.length));
  else entry.text.data = reply.text;
  entry.box.classList.toggle("writing", reply.writing);
  const cycle = reply.cycle ? `It goes in circles: “${shorten(oneLine(reply.cycle))}” again and again. A higher temperature leaves them.` : "";
  const said = [cycle, reply.replay_check && `Receipt: ${reply.replay_check}.`].filter(Boolean).join(" ");
  if (entry.caption.textContent !== reply.caption) {
    const parts = reply.caption.split(" · ").map((part) => make("span", "part", part)); // a line breaks between them only
    entry.caption.replaceChildren(...parts.flatMap((part, index) => (index > 0 ? [" · ", part] : [part])));
  }
  if (entry.said.textContent !== said) entry.said.textContent = said;
  entry.root.classList.toggle("busy", reply.writing);
  entry.permalink.fill(reply);
}

function drawPrompt(prompt) {
  const root = make("details", "real");
  const text = make("pre", "", prompt);
  text.tabIndex = 0;
  root.append(make("summary", "", "The prompt as the model read it"), text);
  root.addEventListener("toggle", () => root.open && root.scrollIntoView({ block: "nearest" }));
  return root;
}

function drawTurn(turn, act) {
  const root = make("li", "turn");
  root.dataset.id = turn.id;
  const visitor = make("p", "visitor");
  if (turn.speaker) visitor.append(make("span", "to", `to ${turn.speaker}`));
  visitor.append(make("span", "unseen", "You: "), make("span", turn.typed ? "typed" : "typed none", turn.typed || "nothing typed"));
  const columns = make("div", turn.replies.length > 1 ? "answers several" : "answers");
  const replies = turn.replies.map((_, index) => drawReply(turn, index, act));
  columns.append(...replies.map((reply) => reply.root));
  root.append(visitor);
  if (turn.warnings.length > 0) root.append(make("p", "warnings", turn.warnings.join("; ")));
  root.append(columns);
  const whole = [button("act retry", "Retry", () => act("retry")), button("act edit", "Edit", () => act("edit"))];
  const real = turn.prompt === turn.shown ? [] : [drawPrompt(turn.prompt)];
  if (replies.length === 1) {
    replies[0].permalink.root.before(...whole);
    replies[0].acts.append(...real);
  } else {
    const acts = make("div", "acts");
    acts.append(...whole, ...real);
    root.append(acts);
  }
  return { turn, root, replies };
}

function refreshTurn(entry, turn) {
  turn.replies.forEach((reply, index) => refreshReply(entry.replies[index], reply));
  entry.root.classList.toggle("busy", turn.replies.some((reply) => reply.writing));
  entry.turn = turn;
}
