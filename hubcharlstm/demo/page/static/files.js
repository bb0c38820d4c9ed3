// The conversation as a file: saved as text or JSON, and loaded again. A file comes from anywhere: only what is known is
// taken of it, and all of it is shown as text.

const MAX_FILE = 20_000_000; // bytes
const MAX_FILE_TURNS = 5_000;
const MAX_TEXT = 100_000; // characters of a text in it

const REPLY_TYPES = {
  string: ["id", "text", "seed", "stop", "model", "revision", "precision", "device", "ending", "cycle", "hash", "caption",
    "link", "python", "command", "prompt", "shown", "opening"],
  number: ["temperature", "length", "top_k", "top_p", "min_p", "rate"],
  boolean: ["writing", "continued"],
};
const TURN_TYPES = {
  string: ["id", "typed", "speaker", "context", "prompt", "shown", "slot", "parent", "request"],
  number: ["order", "changed", "made"],
};

function asText(conversation) {
  const replyText = (turn, reply, index) => {
    const heading = turn.replies.length > 1 ? `[${columnName(turn, index)}]\n` : "";
    return `${heading}${reply.shown || turn.shown}${reply.text}\n\n(${captionOf(reply)})`;
  };
  const turnText = (turn) =>
    [`> ${turn.typed.replaceAll("\n", "\n> ")}`, ...turn.replies.map((reply, index) => replyText(turn, reply, index))].join("\n\n");
  return conversation.map(turnText).join("\n\n\n") + "\n";
}

// Every version of every line; those that are shown are marked, for whoever reads the file.
function asJson() {
  const shown = new Set(conversation);
  return JSON.stringify(aliveTurns().map((turn) => ({ ...turn, is_shown: shown.has(turn) })), null, 2);
}

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The values of `owner` that have the right types, and of texts those of a reasonable length.
function pick(owner, types) {
  const picked = {};
  for (const [type, names] of Object.entries(types)) {
    for (const name of names) {
      const value = owner[name];
      const isGood = typeof value === type && (type !== "string" || value.length <= MAX_TEXT) && (type !== "number" || Number.isFinite(value));
      if (Object.hasOwn(owner, name) && isGood) picked[name] = value;
    }
  }
  return picked;
}

function parseFile(text) {
  const data = JSON.parse(text);
  if (!Array.isArray(data) || data.length === 0 || data.length > MAX_FILE_TURNS) return null;
  const isId = (value) => typeof value === "string" && /^[\w-]{8,64}$/.test(value);
  const turns = data.map(migrateTurn).map((turn) => {
    const message = (one) => (isObject(one) ? { key: String(one.key), params: isObject(one.params) ? one.params : {} } : String(one).slice(0, 1000));
    const replies = turn.replies.filter(isObject).map((reply) => ({
      ...pick(reply, REPLY_TYPES),
      ...(Array.isArray(reply.clamp) && { clamp: reply.clamp.filter((cell) => Array.isArray(cell) && cell.length === 3 && cell.every(Number.isFinite)).slice(0, 16) }),
      ...(Object.hasOwn(reply, "replay_check") && { replay_check: message(reply.replay_check) }),
    }));
    const warnings = Array.isArray(turn.warnings) ? turn.warnings.map(message).slice(0, 20) : [];
    return { ...pick(turn, TURN_TYPES), warnings, replies, isShown: turn.is_shown !== false };
  });
  const isGood = (turn) =>
    isTurn(turn) && isId(turn.id) && isId(turn.slot) && turn.replies.length <= 4 &&
    turn.replies.every((reply) => isId(reply.id) && Number.isFinite(reply.temperature) && /^(\?|$)/.test(reply.link));
  if (!turns.every(isGood) || new Set(turns.map((turn) => turn.id)).size < turns.length) return null;
  const orders = new Map(turns.map((turn) => [turn.id, turn.order]));
  // What a line follows comes before it: a circle of lines would show none of them.
  return turns.map((turn) => ({ ...turn, parent: orders.get(turn.parent) < turn.order ? turn.parent : "" }));
}

function addFile(turns) {
  const added = turns.filter((turn) => !isAlive(turn.id));
  if (added.length > 0) rememberStep({ added: added.map((turn) => turn.id), slots: [...new Set(added.map((turn) => turn.slot))] });
  for (const { isShown, ...turn } of added) {
    putTurn(markStopped(turn)); // it may have been saved while it was written
    if (isShown) chooseVersion(turn.slot, turn.id);
  }
  save();
  followEnd = true;
  render();
  showNote(added.length > 0 ? words("note.loaded", { n: added.length }) : words("note.loaded_nothing"));
}

function loadFile() {
  const input = make("input");
  input.type = "file";
  input.accept = ".json,application/json";
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file || pending) return;
    hideError();
    const refuse = (key) => showError("message", words(key));
    if (file.size > MAX_FILE) {
      refuse("file.too_large");
      return;
    }
    try {
      const turns = parseFile(await file.text());
      if (turns) addFile(turns);
      else refuse("file.damaged");
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      refuse("file.not_json");
    }
  });
  input.click();
}
