// Computes in a worker, so that the page never stalls: requests come as messages, and text leaves as it is written.

const SLICE = 8; // milliseconds of computing between two looks at the messages

let model = null;
const queue = []; // messages that came before the model was open
const streams = new Map(); // by the id of the reply
const states = new Map();

const channel = new MessageChannel(); // a timer would wait 4 ms each time
channel.port1.onmessage = () => pump();
let pumping = false;

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
  alternatives({ id, position, prompt, text, options }) {
    postMessage({ type: "alternatives", id, position, found: model.alternatives(prompt, text, options) });
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
  const from = options.state; // null without one
  const held = from?.held ?? []; // shown first, without a step
  const count = found.length - held.length;
  if (count <= 0) return new GenerationState(model, from.state, from.lastId, from.rng, held.slice(found.length));
  const stream = model.generate(prompt, { ...options, stop: [], maxNewTokens: count });
  while (stream.read());
  return stream.completion.state;
}

/** Decodes base64 into the start of `target` -> the number of its bytes, which may be more than there is room for. */
function decodeInto(target, text) {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const length = (text.length / 4) * 3 - padding;
  if (target.setFromBase64) {
    target.setFromBase64(text);
  } else {
    const binary = atob(text);
    for (let n = 0; n < Math.min(length, target.length); n++) target[n] = binary.charCodeAt(n);
  }
  return length;
}

let opened = null; // the model while its weights arrive
let numBytes = 0; // of its weights, so far

/** The messages by which the model is opened, in this order; the weights come in parts while the page is parsed. */
const opening = {
  compile({ content, wasm }) {
    const bytes = new Uint8Array((wasm.length / 4) * 3);
    const module = new WebAssembly.Module(bytes.subarray(0, decodeInto(bytes, wasm)));
    opened = new Model(content, new WebAssembly.Instance(module));
  },
  /** Decodes a part where the step finds it. */
  weights({ part }) {
    const { weights } = opened.network;
    numBytes += decodeInto(weights.subarray(numBytes), part);
  },
  open() {
    opened.network.checkWeights(numBytes);
    model = opened;
    postMessage({ type: "open" });
    for (const data of queue.splice(0)) handle(data);
  },
};

let failure = ""; // why the model cannot be opened

function open(data) {
  try {
    opening[data.type](data);
  } catch (error) {
    failure = `The model cannot be opened: ${error.message}`;
    for (const { id } of [{}, ...queue.splice(0)]) postMessage({ type: "error", id, message: failure });
  }
}

onmessage = ({ data }) => {
  if (failure) postMessage({ type: "error", id: data.id, message: failure });
  else if (Object.hasOwn(opening, data.type)) open(data);
  else if (model === null) queue.push(data);
  else handle(data);
};
