// A server that is gone while it writes: the page says so, keeps what came, and goes on when the server is back, or at
// once when another replica answers in its place.

const SILENCE_MILLISECONDS = 1000; // without an update, after which the server is asked whether it is there
const CHECK_MILLISECONDS = 250; // between two looks whether it is silent: Gradio loads the page anew after two seconds
const ASK_MILLISECONDS = 1500;
const RESUME_KEY = "hubcharlstm.resume.1";

const lostHint = make("p", "hint lost");
lostHint.setAttribute("role", "status");

let heardAt = 0;
let watchTimer = 0;
let isAsking = false;
let askedAt = 0;
let instance = null; // of the process that answered when the page opened
let interrupted = loadInterrupted(); // {id, goals}: a turn that is to go on by itself, and the characters that its replies were to have

const isSilent = () => Date.now() - heardAt > SILENCE_MILLISECONDS;

function heard() {
  heardAt = Date.now();
}

function watchServer() {
  heard();
  clearInterval(watchTimer);
  watchTimer = setInterval(askServer, CHECK_MILLISECONDS);
}

function unwatchServer() {
  clearInterval(watchTimer);
  lostHint.remove();
}

// {isUp, isAnother}: whether a server answers, and whether it is another process than the page's own.
async function askHealth() {
  try {
    const response = await fetch("healthz", { cache: "no-store", signal: AbortSignal.timeout(3000) });
    const answered = response.ok ? (await response.json()).instance : null;
    instance ??= answered;
    return { isUp: response.status < 500, isAnother: response.ok && answered !== instance };
  } catch {
    return { isUp: false, isAnother: false };
  }
}

async function askServer() {
  if (!pending?.hasStarted || isAsking || !(pending.isLost || isSilent()) || Date.now() - askedAt < ASK_MILLISECONDS) return;
  const asked = pending;
  isAsking = true;
  askedAt = Date.now();
  const { isUp, isAnother } = await askHealth();
  isAsking = false;
  if (pending !== asked) return;
  if (isSilent() && (isAnother || !isUp)) lose();
  if (isUp && asked.isLost) location.reload(); // Gradio's own client needs a new page, too
}

function lose() {
  if (pending.isLost || pending.isStopping) return; // it ends by itself
  pending.isLost = true;
  clearTimeout(requestTimer);
  lostHint.textContent = words("server.lost", { time: new Date(heardAt).toLocaleTimeString(pageLocale) });
  composer().before(lostHint);
  save();
}

function loadInterrupted() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(RESUME_KEY) ?? "null");
    sessionStorage.removeItem(RESUME_KEY);
    return typeof stored?.id === "string" && Array.isArray(stored.goals) ? stored : null;
  } catch {
    return null;
  }
}

// As the page closes: whether the next one has something to go on with.
function keepInterrupted() {
  if (!pending?.hasStarted || !(pending.isLost || isSilent())) return;
  const id = turnId(pending);
  const goals = pending.goals.map((goal, index) => Math.max(goal, (interrupted?.id === id && interrupted.goals[index]) || 0));
  try {
    sessionStorage.setItem(RESUME_KEY, JSON.stringify({ id, goals }));
  } catch {
    // no sessionStorage: Continue does it by hand
  }
}

// Goes on with the first reply that was cut short; once it is done, with the next.
function continueInterrupted() {
  if (!interrupted || pending) return;
  const turn = isAlive(interrupted.id) ? book.turns.get(interrupted.id) : null;
  const index = turn?.replies.findIndex(({ text, ending }, at) => ending === "stopped" && text && lengthInCharacters(text) < interrupted.goals[at]) ?? -1;
  if (index < 0) interrupted = null;
  else continueReply(turn, index, interrupted.goals[index] - lengthInCharacters(turn.replies[index].text));
}

askHealth(); // not written into the page: where cookies are blocked, its events live in another process than it came from
