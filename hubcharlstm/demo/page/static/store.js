// The conversation in localStorage: it survives a reload and a restart of the server, and never leaves this browser.
// Gradio runs all scripts together as the body of one function of `element`, `trigger`, `props` and `watch`.

const KEY = "hubcharlstm.conversation.1";
const SAVE_MILLISECONDS = 1000;

let saveTimer = 0;

function isTurn(turn) {
  const hasStrings = (owner, names) => names.every((name) => typeof owner?.[name] === "string");
  return (
    hasStrings(turn, ["id", "typed", "speaker", "context", "prompt", "shown"]) &&
    Array.isArray(turn.warnings) && turn.warnings.every((warning) => typeof warning === "string") &&
    Array.isArray(turn.replies) && turn.replies.length > 0 &&
    turn.replies.every((reply) => hasStrings(reply, ["id", "text", "caption", "link", "python", "command", "cycle", "replay_check"]))
  );
}

// Conversations stored by the first version have other names for the same things.
function migrateReply({ foot, circle, verdict, ...reply }) {
  return { ...reply, caption: reply.caption ?? foot, cycle: reply.cycle ?? circle, replay_check: reply.replay_check ?? verdict };
}

function migrateTurn(turn) {
  const { notes, ...rest } = turn ?? {};
  const replies = Array.isArray(rest.replies) ? rest.replies : [];
  return { ...rest, warnings: rest.warnings ?? notes, replies: replies.map((reply) => migrateReply(reply ?? {})) };
}

// A reply that was under way when the page closed or the connection broke is a stopped one.
function markStopped(turn) {
  if (!turn.replies.some((reply) => reply.writing)) return turn;
  const stop = (reply) => {
    if (!reply.writing) return reply;
    const length = `${reply.text.length.toLocaleString("en")} characters`;
    return { ...reply, writing: false, ending: "stopped", caption: reply.caption.replace(/^writing/, length) + " · stopped" };
  };
  return { ...turn, replies: turn.replies.map(stop) };
}

function loadConversation() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.map(migrateTurn).filter(isTurn).map(markStopped) : [];
  } catch {
    return []; // no localStorage, or foreign data under our key
  }
}

function saveNow(conversation) {
  clearTimeout(saveTimer);
  saveTimer = 0;
  try {
    if (conversation.length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

function saveSoon(save) {
  if (saveTimer === 0) saveTimer = setTimeout(save, SAVE_MILLISECONDS);
}

function asText(conversation) {
  const replyText = (turn, reply) => {
    const heading = turn.replies.length > 1 ? `[temperature ${reply.temperature}]\n` : "";
    return `${heading}${turn.shown}${reply.text}\n\n(${reply.caption})`;
  };
  const turnText = (turn) =>
    [`> ${turn.typed.replaceAll("\n", "\n> ")}`, ...turn.replies.map((reply) => replyText(turn, reply))].join("\n\n");
  return conversation.map(turnText).join("\n\n\n") + "\n";
}

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
