// The DOM of a turn: a message and its replies. Text of visitors and models is inserted as text nodes only, so HTML,
// Markdown and LaTeX in it are inert. A reply that grows is appended to, so that only its end changes.

function copyButton(name, text) {
  const node = button("copy-button", "Copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      node.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(node.previousElementSibling); // no clipboard access: select it for Ctrl+C
      node.textContent = "Selected";
    }
    setTimeout(() => (node.textContent = "Copy"), 1500);
  });
  node.setAttribute("aria-label", `Copy the ${name}`);
  return node;
}

function details(className, summary) {
  const root = make("details", className);
  root.append(make("summary", "", summary));
  root.addEventListener("toggle", () => root.open && root.scrollIntoView({ block: "nearest" }));
  return root;
}

function codeBlock(text = "") {
  const node = make("pre", "", text);
  node.tabIndex = 0;
  return node;
}

function renderPermalink() {
  const root = details("permalink", "Receipt");
  const rows = {};
  for (const [key, name, label] of [["link", "link", "Link"], ["python", "Python lines", "Python"], ["command", "command", "Command line"]]) {
    const row = make("div", "permalink-row");
    const code = codeBlock();
    code.setAttribute("aria-label", label);
    row.append(make("span", "row-label", label), code, copyButton(name, () => code.textContent));
    root.append(row);
    rows[key] = { row, code };
  }
  const tooLong = make("p", "note", "Too long for a link.");
  root.append(tooLong);
  const refresh = (reply) => {
    root.hidden = reply.python === "";
    const texts = { link: reply.link && location.origin + location.pathname + reply.link, python: reply.python, command: reply.command };
    for (const [key, { row, code }] of Object.entries(rows)) {
      if (code.textContent !== texts[key]) code.textContent = texts[key];
      row.hidden = !texts[key];
    }
    tooLong.hidden = reply.link !== "";
  };
  return { root, refresh };
}

function renderReply(turn, index, onAction) {
  const root = make("div", "reply-block");
  const isSideBySide = turn.replies.length > 1;
  const { temperature } = turn.replies[index];
  if (isSideBySide) root.append(make("p", "reply-temperature", `at ${temperature}`));
  const reply = make("div", "reply");
  const text = document.createTextNode("");
  const author = isSideBySide ? `The model at temperature ${temperature}: ` : "The model: ";
  reply.append(make("span", "visually-hidden", author), make("span", "prompt-text", turn.shown), text);
  const caption = make("p", "caption");
  const warning = make("p", "reply-warning");
  const permalink = renderPermalink();
  const actions = make("div", "actions");
  actions.append(button("action continue", "Continue", () => onAction("continue", index)), permalink.root);
  root.append(reply, caption, warning, actions);
  return { root, reply, text, caption, warning, actions, permalink };
}

function truncate(text) {
  return text.length > 80 ? `${text.slice(0, 80)} …` : text;
}

function refreshReply(entry, reply) {
  if (reply.text.startsWith(entry.text.data)) entry.text.appendData(reply.text.slice(entry.text.length));
  else entry.text.data = reply.text;
  entry.reply.classList.toggle("writing", reply.writing);
  const cycle = reply.cycle ? `It goes in circles: “${truncate(oneLine(reply.cycle))}” again and again. A higher temperature leaves them.` : "";
  const warning = [cycle, reply.replay_check && `Receipt: ${reply.replay_check}.`].filter(Boolean).join(" ");
  if (entry.caption.textContent !== reply.caption) {
    const parts = reply.caption.split(" · ").map((part) => make("span", "caption-part", part)); // lines break between parts
    entry.caption.replaceChildren(...parts.flatMap((part, index) => (index > 0 ? [" · ", part] : [part])));
  }
  if (entry.warning.textContent !== warning) entry.warning.textContent = warning;
  entry.root.classList.toggle("busy", reply.writing);
  entry.permalink.refresh(reply);
}

function renderFullPrompt(prompt) {
  const root = details("full-prompt", "The prompt as the model read it");
  root.append(codeBlock(prompt));
  return root;
}

function renderMessage(turn) {
  const message = make("p", "message");
  if (turn.speaker) message.append(make("span", "recipient", `to ${turn.speaker}`));
  const typed = make("span", turn.typed ? "typed" : "typed empty-message", turn.typed || "nothing typed");
  message.append(make("span", "visually-hidden", "You: "), typed);
  return message;
}

function renderTurn(turn, onAction) {
  const root = make("li", "turn");
  root.dataset.id = turn.id;
  const columns = make("div", turn.replies.length > 1 ? "replies side-by-side" : "replies");
  const replies = turn.replies.map((_, index) => renderReply(turn, index, onAction));
  columns.append(...replies.map((reply) => reply.root));
  root.append(renderMessage(turn));
  if (turn.warnings.length > 0) root.append(make("p", "warnings", turn.warnings.join("; ")));
  root.append(columns);
  const turnActions = [
    button("action retry", "Retry", () => onAction("retry")),
    button("action edit", "Edit", () => onAction("edit")),
  ];
  const fullPrompt = turn.prompt === turn.shown ? [] : [renderFullPrompt(turn.prompt)];
  if (replies.length === 1) {
    replies[0].permalink.root.before(...turnActions);
    replies[0].actions.append(...fullPrompt);
  } else {
    const actions = make("div", "actions");
    actions.append(...turnActions, ...fullPrompt);
    root.append(actions);
  }
  return { turn, root, replies };
}

function refreshTurn(entry, turn) {
  turn.replies.forEach((reply, index) => refreshReply(entry.replies[index], reply));
  entry.root.classList.toggle("busy", turn.replies.some((reply) => reply.writing));
  entry.turn = turn;
}
