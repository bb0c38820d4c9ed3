// Computes in a worker, so that the page never stalls: requests come as messages, and text leaves as it is written.

const SLICE = 8; // milliseconds of computing between two looks at the messages

let model = null;
const queue = []; // messages that came before the model was open
const streams = new Map(); // by the id of the reply
const states = new Map();

const channel = new MessageChannel(); // a timer would wait 4 ms each time
channel.port1.onmessage = () => pump();
let pumping = false;

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let n = 0; n < binary.length; n++) bytes[n] = binary.charCodeAt(n);
  return bytes;
}

const handlers = {
  /**
   * Starts a reply, or with `goesOn` continues it exactly where it stopped. isTurn: of a character, so that it is cut
   * after a whole sentence where it reaches its length. rate: characters a second.
   */
  generate({ id, prompt, options, goesOn, isTurn, rate }) {
    const from = [goesOn ? "" : prompt, { ...options, state: goesOn ? stateOf(id) : null }];
    const stream = model.generate(...from);
    streams.set(id, { stream, from, isTurn, rate, start: performance.now(), count: 0 });
    postMessage({ type: "started", id, prompt: goesOn ? null : stream.prompt.text, warnings: stream.warnings });
    schedule();
  },
  cancel({ id }) {
    const running = streams.get(id);
    if (running) finish(id, running);
  },
  alternatives({ id, prompt, text, options }) {
    postMessage({ type: "alternatives", id, found: model.alternatives(prompt, text, options) });
  },
  forget({ ids }) {
    for (const id of ids) states.delete(id);
  },
};

function handle(data) {
  try {
    handlers[data.type](data);
  } catch (error) {
    streams.delete(data.id);
    postMessage({ type: "error", id: data.id, message: error.message });
  }
}

function schedule() {
  if (pumping) return;
  pumping = true;
  channel.port2.postMessage(null);
}

/** Gives every running stream its turn. */
function pump() {
  pumping = false;
  let due = false;
  for (const [id, running] of streams) {
    const until = performance.now() + SLICE / streams.size;
    let text = "";
    const allowed = () => running.count < (running.rate * (performance.now() - running.start)) / 1000 + 1;
    try {
      while (performance.now() < until && allowed() && running.stream.finishReason === null) {
        text += running.stream.read();
        running.count += 1;
      }
    } catch (error) {
      streams.delete(id);
      postMessage({ type: "error", id, message: error.message });
      continue;
    }
    if (text) postMessage({ type: "text", id, text });
    if (running.stream.finishReason !== null) finish(id, running);
    else if (allowed()) due = true;
  }
  if (due) schedule();
  else if (streams.size) setTimeout(schedule, SLICE);
}

function finish(id, { stream, from, isTurn }) {
  streams.delete(id);
  const before = stream.text.length;
  stream.cancel();
  const { text, finishReason, state, cycle } = stream.completion;
  const shown = isTurn && finishReason === "length" ? cutAfterSentence(text) : text;
  const numCut = text.length - shown.length;
  states.set(id, numCut ? { from, length: Array.from(shown).length } : state);
  postMessage({ type: "done", id, rest: text.slice(before), numCut, finishReason, cycle });
}

/** The state after what is shown of a reply; of one that was cut by writing it again up to there. */
function stateOf(id) {
  const found = states.get(id);
  if (found instanceof GenerationState) return found;
  const [prompt, options] = found.from;
  const stream = model.generate(prompt, { ...options, stop: [], maxNewTokens: found.length });
  while (stream.read());
  return stream.completion.state;
}

let compiled = null; // a promise
const weightParts = [];

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    bytes.set(part, start);
    start += part.length;
  }
  return bytes;
}

async function open({ content }) {
  const { instance } = await compiled;
  model = new Model(content, joined(weightParts.splice(0)), instance);
  postMessage({ type: "open" });
  for (const data of queue.splice(0)) handle(data);
}

/** The messages by which the model is opened, in this order; the weights come in parts while the page is parsed. */
const opening = {
  compile({ wasm }) {
    compiled = WebAssembly.instantiate(fromBase64(wasm));
  },
  weights({ part }) {
    weightParts.push(fromBase64(part));
  },
  open(data) {
    open(data).catch((error) => postMessage({ type: "error", message: `The model cannot be opened: ${error.message}` }));
  },
};

onmessage = ({ data }) => {
  if (Object.hasOwn(opening, data.type)) opening[data.type](data);
  else if (model === null) queue.push(data);
  else handle(data);
};
