// The conversation, kept in this browser alone: it survives a reload and a restart of the server.
// Gradio runs all scripts together as the body of one function of `element`, `trigger`, `props` and `watch`.

const KEY = "hubcharlstm.conversation.1";
const SAVE_MILLISECONDS = 1000;

let saving = 0;

function isTurn(turn) {
  const texts = (owner, names) => names.every((name) => typeof owner?.[name] === "string");
  return (
    texts(turn, ["id", "typed", "speaker", "context", "prompt", "shown"]) &&
    Array.isArray(turn.warnings) && turn.warnings.every((note) => typeof note === "string") &&
    Array.isArray(turn.replies) && turn.replies.length > 0 &&
    turn.replies.every((reply) => texts(reply, ["id", "text", "caption", "link", "python", "command", "cycle", "replay_check"]))
  );
}

// A conversation that an earlier version of the page kept has other names for the same things.
function migrated(turn) {
  const replies = Array.isArray(turn?.replies) ? turn.replies : [];
  const renamed = ({ foot, circle, verdict, ...reply }) => ({ ...reply, caption: reply.caption ?? foot, cycle: reply.cycle ?? circle, replay_check: reply.replay_check ?? verdict });
  const { notes, ...rest } = turn ?? {};
  return { ...rest, warnings: rest.warnings ?? notes, replies: replies.map((reply) => renamed(reply ?? {})) };
}

// What was being written when the page went away stands as it was.
function settled(turn) {
  if (!turn.replies.some((reply) => reply.writing)) return turn;
  const cut = (reply) => (reply.writing ? { ...reply, writing: false, ending: "stopped", caption: reply.caption.replace(/^writing/, `${reply.text.length.toLocaleString("en")} characters`) + " · stopped" } : reply);
  return { ...turn, replies: turn.replies.map(cut) };
}

function loadConversation() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.map(migrated).filter(isTurn).map(settled) : [];
  } catch {
    return []; // a browser that keeps nothing, or something else under our name
  }
}

function saveNow(conversation) {
  clearTimeout(saving);
  saving = 0;
  try {
    if (conversation.length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

function saveSoon(save) {
  if (saving === 0) saving = setTimeout(save, SAVE_MILLISECONDS);
}

function asText(conversation) {
  const reply = (turn, one) => `${turn.replies.length > 1 ? `[temperature ${one.temperature}]\n` : ""}${turn.shown}${one.text}\n\n(${one.caption})`;
  return conversation.map((turn) => [`> ${turn.typed.replaceAll("\n", "\n> ")}`, ...turn.replies.map((one) => reply(turn, one))].join("\n\n")).join("\n\n\n") + "\n";
}

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
