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
    flash(node, words(selected ? "reply.selected" : "reply.no_access"));
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
  return turn.replies.some((reply) => reply.model !== model) ? model : words("reply.at", { temperature });
}

const ENDINGS = {
  "length reached": "ending.length",
  "ended by itself": "ending.stop",
  stopped: "ending.cancelled",
  "length reached, cut after a whole sentence": "ending.cut",
};

// The numbers of a reply: its length, seed, settings, model, speed and ending. Old replies were stored with theirs.
function captionParts(reply) {
  const count = reply.writing ? words("caption.writing") : words("caption.characters", { n: lengthInCharacters(reply.text) });
  if (reply.precision === undefined) {
    const caption = reply.caption ?? "";
    const ended = reply.ending === "stopped" && !caption.endsWith("stopped") ? [words("ending.cancelled")] : [];
    return [...caption.replace(/^writing/, count).split(" · "), ...ended];
  }
  return [
    count,
    words("caption.seed", { seed: reply.seed }),
    words("caption.temperature", { temperature: reply.temperature }),
    reply.top_k > 0 && `top-k ${reply.top_k}`,
    reply.top_p < 1 && `top-p ${reply.top_p}`,
    reply.min_p > 0 && `min-p ${reply.min_p}`,
    reply.clamp?.length > 0 && words("caption.clamped", { n: reply.clamp.length }),
    reply.opening && words("caption.opening", { place: lengthInCharacters(reply.opening) }),
    reply.model + (reply.revision ? ` @ ${reply.revision.slice(0, 7)}` : ""),
    words("caption.precision", reply),
    reply.rate > 0 && words("caption.rate", { rate: Math.round(reply.rate) }),
    Object.hasOwn(ENDINGS, reply.ending) && words(ENDINGS[reply.ending]),
  ].filter(Boolean);
}

const captionOf = (reply) => captionParts(reply).join(" · ");

const DETAIL_ROWS = [
  ["link", words("reply.link"), linkOf],
  ["python", words("reply.python"), (reply) => reply.python],
  ["command", words("reply.command"), (reply) => reply.command],
  ["prompt", words("reply.prompt"), (reply, turn) => readPrompt(turn, reply)],
];

function readPrompt(turn, reply) {
  const prompt = reply.prompt || turn.prompt;
  return prompt === (reply.shown || turn.shown) ? "" : prompt;
}

// The one disclosure of a reply: its numbers, how to write it again, and what the model read.
function renderDetails() {
  const root = details("details", words("reply.details"));
  const caption = make("p", "caption");
  root.append(caption);
  const rows = {};
  for (const [key, label] of DETAIL_ROWS) {
    const row = make("div", `detail-row ${key}`);
    const code = codeBlock();
    code.setAttribute("aria-label", label);
    const copy = button("copy-button", words("reply.copy"), () => copyText(code.textContent, copy, words("reply.copied"), code));
    copy.setAttribute("aria-label", words("reply.copy_row", { row: label }));
    if (key === "prompt") code.dir = "auto";
    row.append(make("span", "row-label", label), code, copy);
    root.append(row);
    rows[key] = { row, code };
  }
  const tooLong = make("p", "note", words("reply.no_link"));
  root.append(tooLong);
  const refresh = (reply, turn) => {
    if (caption.textContent !== captionOf(reply)) {
      const parts = captionParts(reply).map((part) => make("span", "caption-part", part)); // lines break between parts
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
  reply.setAttribute("aria-label", words("reply.label"));
  reply.setAttribute("aria-describedby", "characters-hint");
  const text = document.createTextNode("");
  const author = make("span", "visually-hidden", isSideBySide ? words("reply.author_column", { column: columnName(turn, index) }) : words("reply.author"));
  author.dir = document.dir; // so that the direction of the reply is that of its own first letter
  reply.append(author, make("span", "prompt-text", turn.replies[index].shown || turn.shown), text);
  const warning = make("p", "reply-warning");
  const permalink = renderDetails();
  const [choice, actions] = [make("div", "actions"), make("div", "actions")];
  const add = (name, label, row = actions) => {
    const node = button(`action ${name}`, label, () => onAction(name, index, node));
    row.append(node);
  };
  add("copy", words("reply.copy"));
  if (isSideBySide) add("pick", words("reply.pick"), choice);
  else add("retry", words("reply.retry"));
  add("continue", words("reply.continue"));
  if (!isSideBySide) add("compare", words("composer.compare"));
  add("look-inside", words("reply.look_inside"));
  add("more", words("reply.more"));
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
  const cycle = reply.cycle ? words("reply.cycle", { cycle: truncate(oneLine(reply.cycle)) }) : "";
  const warning = [cycle, reply.replay_check && words("reply.replay", { outcome: wordsOf(reply.replay_check) })].filter(Boolean).join(" ");
  if (entry.warning.textContent !== warning) entry.warning.textContent = warning;
  entry.root.classList.toggle("busy", reply.writing);
  entry.permalink.refresh(reply, turn);
}

function renderMessage(turn) {
  const message = make("p", "message");
  if (turn.speaker) {
    const recipient = make("span", "recipient");
    const [before, after] = words("turn.recipient").split("{name}");
    recipient.append(before, make("bdi", "", turn.speaker), after);
    message.append(recipient);
  }
  const typed = make("span", turn.typed ? "typed" : "typed empty-message", turn.typed || words("turn.nothing_typed"));
  typed.dir = "auto";
  message.append(make("span", "visually-hidden", words("turn.you")), typed);
  return message;
}

// ‹ 2/3 ›: the versions of a line, by its buttons or by the arrow keys on them.
function renderVersions(onAction) {
  const root = make("span", "versions");
  root.setAttribute("role", "group");
  const step = (label, name, by) => {
    const node = button("version-button", label, () => onAction("version", by, node));
    node.setAttribute("aria-label", name);
    node.dataset.step = by;
    return node;
  };
  const [previous, next] = [step("‹", words("turn.previous"), -1), step("›", words("turn.next"), 1)];
  const place = make("span", "version-place");
  root.append(previous, place, next);
  root.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (document.dir === "rtl" ? -1 : 1);
    if (!by) return;
    event.preventDefault();
    onAction("version", by, by < 0 ? previous : next);
  });
  const refresh = (at, count) => {
    root.hidden = count < 2;
    place.textContent = `${at + 1}/${count}`;
    root.setAttribute("aria-label", words("turn.version", { version: at + 1, count }));
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
  messageActions.append(versions.root, button("action edit", words("turn.edit"), () => onAction("edit")));
  root.append(renderMessage(turn), messageActions);
  const warnings = make("p", "warnings");
  root.append(warnings, columns);
  if (isSideBySide) {
    const actions = make("div", "actions turn-actions");
    const add = (name, label) => {
      const node = button(`action ${name}`, label, () => onAction(name, 0, node));
      actions.append(node);
    };
    add("retry", words("reply.retry"));
    add("compare", words("composer.compare"));
    root.append(actions);
  }
  return { turn: null, root, replies, versions, warnings };
}

function refreshTurn(entry, turn) {
  if (entry.turn !== turn) {
    entry.root.dataset.id = turn.request;
    entry.warnings.textContent = turn.warnings.map(wordsOf).filter(Boolean).join("; ");
    turn.replies.forEach((reply, index) => refreshReply(entry.replies[index], reply, turn));
    entry.root.classList.toggle("busy", turn.replies.some((reply) => reply.writing));
  }
  entry.turn = turn;
}
