// What the model reads: a message, put into a turn of its template, after the text so far.

const MAX_MESSAGE = 10_000; // characters, the text so far included
const TURN_LENGTH = 1_000; // characters that a character's turn may have, far above most

let latest = null; // the first reply of the last turn
const goesOnAfter = new Map([[true, true], [false, false]]); // by whether a character replies: from the text so far?

/** Ticks the switch as it was last set for a talk, or for lines of one's own. */
function refreshGoOn() {
  byId("go-on").checked = goesOnAfter.get(byId("speaker").value !== "");
  byId("message").placeholder = byId("speaker").value ? "Say something" : "Start a line; it goes on";
}

function setUpContext() {
  byId("speaker").addEventListener("change", refreshGoOn);
  byId("go-on").addEventListener("change", () => goesOnAfter.set(byId("speaker").value !== "", byId("go-on").checked));
  refreshGoOn();
}

/** The end of the text so far that fits before `typed`, and a warning if the rest is dropped. */
function contextFor(typed) {
  const text = latest !== null && byId("go-on").checked ? Array.from(latest.prompt + latest.text) : [];
  const room = MAX_MESSAGE - Array.from(typed).length;
  if (text.length <= room) return { context: text.join(""), warning: "" };
  const warning = `of the text so far only the last ${room.toLocaleString("en")} characters are read`;
  return { context: text.slice(text.length - room).join(""), warning };
}

/** The bound of a turn: the length if the visitor chose one, else `TURN_LENGTH` at least. */
function turnLength(length) {
  return length === defaultLength ? Math.max(length, TURN_LENGTH) : length;
}

function fill(template, message, speaker) {
  return template.replace(/\{(message|speaker)\}/g, (_, name) => (name === "message" ? message : speaker));
}

/** The prompt for what was typed, and the end of it that is shown before the reply; as the app composes them. */
function compose(typed, speaker, context) {
  if (!speaker) return { prompt: context + typed, shown: typed };
  const { turn_template: template, turn_stop: stop } = generation;
  const shown = fill(template.split("{message}").slice(1).join("{message}").replace(/^\n+/, ""), "", speaker);
  let message = typed.replace(/^\n+|\n+$/g, "");
  if (stop && /^\n+$/.test(stop)) message = message.replace(new RegExp(`${stop}\n*`, "g"), stop.slice(1) || " ");
  const turn = typed.trim() ? fill(template, message, speaker) : shown;
  const before = context && context.replace(/\n+$/, "") + (stop || "\n");
  return { prompt: before + turn, shown };
}
