// The DOM of a turn: a message and its replies. Text of visitors and models is inserted as text nodes only, so HTML,
// Markdown and LaTeX in it are inert. A reply that grows is appended to, so that only its end changes.

// Shows `text` on a button for a moment.
function flash(node, text) {
  node.dataset.label ??= node.textContent;
  node.textContent = text;
  announce(text);
  setTimeout(() => (node.textContent = node.dataset.label), 1500);
}

async function copyText(text, node, done, selected) {
  try {
    await navigator.clipboard.writeText(text);
    flash(node, done);
  } catch {
    if (selected) getSelection().selectAllChildren(selected); // no clipboard access: select it for Ctrl+C
    flash(node, selected ? "Selected" : "No access");
  }
}

function details(className, summary) {
  const root = make("details", className);
  root.append(make("summary", "", summary));
  root.addEventListener("toggle", () => root.open && root.scrollIntoView({ block: "nearest" }));
  return root;
}

function codeBlock(className = "") {
  const node = make("pre", className);
  node.tabIndex = 0;
  return node;
}

function linkOf(reply) {
  return reply.link && location.origin + location.pathname + reply.link;
}

function columnName(turn, index) {
  const { temperature, model } = turn.replies[index];
  return turn.replies.some((reply) => reply.model !== model) ? model : `at ${temperature}`;
}

const DETAIL_ROWS = [
  ["link", "Link", linkOf],
  ["python", "Python", (reply) => reply.python],
  ["command", "Command line", (reply) => reply.command],
  ["prompt", "The prompt as the model read it", (reply, turn) => readPrompt(turn, reply)],
];

function readPrompt(turn, reply) {
  const prompt = reply.prompt || turn.prompt;
  return prompt === (reply.shown || turn.shown) ? "" : prompt;
}

// The one disclosure of a reply: its numbers, how to write it again, and what the model read.
function renderDetails() {
  const root = details("details", "Details");
  const caption = make("p", "caption");
  root.append(caption);
  const rows = {};
  for (const [key, label] of DETAIL_ROWS) {
    const row = make("div", `detail-row ${key}`);
    const code = codeBlock();
    code.setAttribute("aria-label", label);
    const copy = button("copy-button", "Copy", () => copyText(code.textContent, copy, "Copied", code));
    copy.setAttribute("aria-label", `Copy: ${label}`);
    if (key === "prompt") code.dir = "auto";
    row.append(make("span", "row-label", label), code, copy);
    root.append(row);
    rows[key] = { row, code };
  }
  const tooLong = make("p", "note", "Too long for a link.");
  root.append(tooLong);
  const refresh = (reply, turn) => {
    if (caption.textContent !== reply.caption) {
      const parts = reply.caption.split(" · ").map((part) => make("span", "caption-part", part)); // lines break between parts
      caption.replaceChildren(...parts.flatMap((part, index) => (index > 0 ? [" · ", part] : [part])));
    }
    for (const [key, , textOf] of DETAIL_ROWS) {
      const { row, code } = rows[key];
      const text = textOf(reply, turn);
      if (code.textContent !== text) code.textContent = text;
      row.hidden = !text;
    }
    tooLong.hidden = reply.link !== "" || reply.python === "";
  };
  return { root, refresh };
}

function renderReply(turn, index, onAction) {
  const root = make("div", "reply-block");
  const isSideBySide = turn.replies.length > 1;
  if (isSideBySide) root.append(make("p", "reply-temperature", columnName(turn, index)));
  const reply = make("div", "reply");
  reply.dir = "auto";
  reply.tabIndex = 0; // see characters.js
  reply.setAttribute("role", "group");
  reply.setAttribute("aria-label", "Reply");
  reply.setAttribute("aria-describedby", "characters-hint");
  const text = document.createTextNode("");
  const author = make("span", "visually-hidden", isSideBySide ? `The model ${columnName(turn, index)}: ` : "The model: ");
  author.dir = "ltr"; // so that the direction of the reply is that of its own first letter
  reply.append(author, make("span", "prompt-text", turn.replies[index].shown || turn.shown), text);
  const warning = make("p", "reply-warning");
  const permalink = renderDetails();
  const [choice, actions] = [make("div", "actions"), make("div", "actions")];
  const add = (name, label, row = actions) => {
    const node = button(`action ${name}`, label, () => onAction(name, index, node));
    row.append(node);
  };
  add("copy", "Copy");
  if (isSideBySide) add("pick", "Go on with this", choice);
  else add("retry", "Retry");
  add("continue", "Continue");
  if (!isSideBySide) add("compare", "Compare");
  add("more", "More");
  actions.append(permalink.root);
  root.append(reply, warning, ...(isSideBySide ? [choice] : []), actions);
  return { root, reply, text, warning, actions, permalink };
}

function truncate(text) {
  return text.length > 80 ? `${text.slice(0, 80)} …` : text;
}

function refreshReply(entry, reply, turn) {
  if (reply.text.startsWith(entry.text.data)) entry.text.appendData(reply.text.slice(entry.text.length));
  else entry.text.data = reply.text;
  entry.reply.classList.toggle("writing", reply.writing);
  const cycle = reply.cycle ? `It goes in circles: “${truncate(oneLine(reply.cycle))}” again and again. A higher temperature leaves them.` : "";
  const warning = [cycle, reply.replay_check && `Replay: ${reply.replay_check}.`].filter(Boolean).join(" ");
  if (entry.warning.textContent !== warning) entry.warning.textContent = warning;
  entry.root.classList.toggle("busy", reply.writing);
  entry.permalink.refresh(reply, turn);
}

function renderMessage(turn) {
  const message = make("p", "message");
  if (turn.speaker) {
    const recipient = make("span", "recipient", "to ");
    recipient.append(make("bdi", "", turn.speaker));
    message.append(recipient);
  }
  const typed = make("span", turn.typed ? "typed" : "typed empty-message", turn.typed || "nothing typed");
  typed.dir = "auto";
  message.append(make("span", "visually-hidden", "You: "), typed);
  return message;
}

// ‹ 2/3 ›: the versions of a line, by its buttons or by the arrow keys on them.
function renderVersions(onAction) {
  const root = make("span", "versions");
  root.setAttribute("role", "group");
  const step = (label, name, by) => {
    const node = button("version-button", label, () => onAction("version", by, node));
    node.setAttribute("aria-label", name);
    return node;
  };
  const [previous, next] = [step("‹", "Previous version", -1), step("›", "Next version", 1)];
  const place = make("span", "version-place");
  root.append(previous, place, next);
  root.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    onAction("version", by, by < 0 ? previous : next);
  });
  const refresh = (at, count) => {
    root.hidden = count < 2;
    place.textContent = `${at + 1}/${count}`;
    root.setAttribute("aria-label", `Version ${at + 1} of ${count}`);
    previous.setAttribute("aria-disabled", String(at === 0));
    next.setAttribute("aria-disabled", String(at === count - 1));
  };
  return { root, refresh };
}

function renderTurn(turn, onAction) {
  const root = make("li", "turn");
  const isSideBySide = turn.replies.length > 1;
  const columns = make("div", isSideBySide ? "replies side-by-side" : "replies");
  const replies = turn.replies.map((_, index) => renderReply(turn, index, onAction));
  columns.append(...replies.map((reply) => reply.root));
  const versions = renderVersions(onAction);
  const messageActions = make("div", "actions message-actions");
  messageActions.append(versions.root, button("action edit", "Edit", () => onAction("edit")));
  root.append(renderMessage(turn), messageActions);
  const warnings = make("p", "warnings");
  root.append(warnings, columns);
  if (isSideBySide) {
    const actions = make("div", "actions turn-actions");
    const add = (name, label) => {
      const node = button(`action ${name}`, label, () => onAction(name, 0, node));
      actions.append(node);
    };
    add("retry", "Retry");
    add("compare", "Compare");
    root.append(actions);
  }
  return { turn: null, root, replies, versions, warnings };
}

function refreshTurn(entry, turn) {
  if (entry.turn !== turn) {
    entry.root.dataset.id = turn.request;
    entry.warnings.textContent = turn.warnings.join("; ");
    turn.replies.forEach((reply, index) => refreshReply(entry.replies[index], reply, turn));
    entry.root.classList.toggle("busy", turn.replies.some((reply) => reply.writing));
  }
  entry.turn = turn;
}
