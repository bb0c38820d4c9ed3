// A model: text in, text out. The stream is the primitive, as in Python.

import { Network } from "./network.js";
import { RandomStream } from "./random.js";
import { MAX_REMEMBERED_IDS, cycleLength, returnsToState } from "./repetition.js";
import { checkSampling, likeliest, nextId, probabilities } from "./sampling.js";
import { StopRule } from "./stopping.js";
import { Vocabulary } from "./vocabulary.js";

const MAX_NEW_TOKENS = 100_000;
const MAX_SEED = 2n ** 63n - 1n;
const TIME_SLICE = 8; // milliseconds between two turns of the event loop

/** A seed drawn from the system's randomness, short enough to read aloud. */
export function newSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}

function checkSeed(seed) {
  const text = String(seed).trim();
  if (!/^\d{1,19}$/.test(text) || BigInt(text) > MAX_SEED) {
    throw new RangeError(`The seed is "${text.slice(0, 40)}"; expected a whole number from 0 to ${MAX_SEED}: correct it.`);
  }
  return String(BigInt(text));
}

function checkLength(count) {
  if (!Number.isInteger(count) || count < 1 || count > MAX_NEW_TOKENS) {
    const advice = count > MAX_NEW_TOKENS ? "ask for fewer, and continue from the completion's state for more" : "correct it";
    throw new RangeError(`maxNewTokens is ${count}; expected a whole number from 1 to ${MAX_NEW_TOKENS}: ${advice}.`);
  }
  return count;
}

/** Lets other work of the thread run: messages, timers, drawing. */
function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** All that an exact continuation needs. state: before `lastId`, the next input. held: ids not shown yet. Immutable. */
export class GenerationState {
  constructor(model, state, lastId, rng, held) {
    Object.assign(this, { model, state, lastId, rng, held });
    Object.freeze(this);
  }
}

/** One completion as it is generated: iterate for characters, then take `completion`. */
export class TextStream {
  constructor(model, prompt, options) {
    const from = options.state ?? null;
    const given = { ...model.defaults, ...options };
    this.sampling = { temperature: given.temperature, topK: given.topK, topP: given.topP, minP: given.minP };
    checkSampling(this.sampling);
    if (from !== null && from.model !== model) {
      throw new Error("The state comes from another model; expected one that this model returned: give the text instead.");
    }
    this.model = model;
    this.remaining = checkLength(given.maxNewTokens);
    this.prompt = model.vocabulary.encode(prompt);
    this.warnings = [model.vocabulary.describe(this.prompt)];
    let promptIds = this.prompt.ids;
    if (promptIds.length === 0 && from === null) {
      promptIds = model.startIds();
      const start = JSON.stringify(model.vocabulary.decode(promptIds));
      this.warnings.push(`nothing to start from, so it starts after ${start}`);
    }
    this.stopRule = new StopRule(this.encodeStops(given.stop ?? []));
    this.warnings = this.warnings.filter(Boolean);
    const goesOn = from !== null && options.seed == null && promptIds.length === 0;
    this.seed = goesOn ? null : checkSeed(options.seed ?? newSeed());
    this.rng = goesOn ? from.rng : RandomStream.forRequest(this.seed, promptIds, from?.rng ?? null);
    this.draws = this.rng.draws;
    this.state = from === null ? null : from.state;
    this.pendingIds = from === null ? promptIds : [from.lastId, ...promptIds];
    this.released = [];
    this.lastSampled = [];
    this.text = "";
    this.numTokens = 0;
    this.finishReason = null;
    this.ended = null;
    if (from !== null && promptIds.length === 0) from.held.forEach((id) => this.ended === null && this.release(id));
  }

  encodeStops(stop) {
    const stops = [];
    for (const text of typeof stop === "string" ? [stop] : stop) {
      if (!text) throw new RangeError("A stop string is empty; expected at least one character: leave it out.");
      const encoding = this.model.vocabulary.encode(text);
      if (encoding.dropped.length === 0) stops.push(encoding.ids);
      else this.warnings.push(`the stop string ${JSON.stringify(text)} cannot be written by this model and is left out`);
    }
    return stops;
  }

  release(id) {
    this.released.push(...this.stopRule.push(id));
    if (this.stopRule.stopped) this.ended = "stop";
  }

  /** The next character, computed now; "" at the end. */
  read() {
    while (this.finishReason === null && this.released.length === 0 && this.ended === null) this.advance();
    const char = this.released.length && this.finishReason === null ? this.model.vocabulary.chars[this.released.shift()] : "";
    this.text += char;
    if (this.finishReason === null && this.released.length === 0) this.finishReason = this.ended;
    return char;
  }

  advance() {
    const { network } = this.model;
    const { logits, state } = network.step(this.state, this.pendingIds);
    const id = nextId(logits, this.sampling, this.rng.uniform(this.draws));
    if (id < 0) throw new Error("The model's numbers are not finite; expected a sound one: export it again.");
    this.state = state;
    this.pendingIds = [id];
    this.lastSampled.push(id);
    if (this.lastSampled.length > 2 * MAX_REMEMBERED_IDS) this.lastSampled = this.lastSampled.slice(-MAX_REMEMBERED_IDS);
    this.draws += 1;
    this.numTokens += 1;
    this.remaining -= 1;
    this.release(id);
    if (this.ended === null && this.remaining === 0) this.ended = "length";
  }

  /** Ends the stream before its next character. */
  cancel() {
    if (this.finishReason !== null) return;
    this.text += this.model.vocabulary.decode(this.released); // up to the state
    this.released = [];
    this.finishReason = "cancelled";
  }

  async *[Symbol.asyncIterator]() {
    try {
      let until = performance.now() + TIME_SLICE;
      for (let char = this.read(); char; char = this.read()) {
        yield char;
        if (performance.now() >= until) {
          await nextTurn();
          until = performance.now() + TIME_SLICE;
        }
      }
    } finally {
      this.cancel(); // a reader that left the loop
    }
  }

  /** The result; throws while characters are still to come. */
  get completion() {
    if (this.finishReason === null) {
      throw new Error("The stream is still running; expected it to have ended: iterate to its end or cancel it.");
    }
    if (this.pendingIds.length > 1) {
      this.state = this.model.network.step(this.state, this.pendingIds.slice(0, -1)).state;
      this.pendingIds = this.pendingIds.slice(-1);
    }
    const rng = new RandomStream(this.rng.key, this.draws);
    const { text, prompt, seed, finishReason, numTokens, warnings } = this;
    const state = new GenerationState(this.model, this.state, this.pendingIds[0], rng, [...this.stopRule.held]);
    return { text, prompt, seed, finishReason, numTokens, warnings, cycle: this.findCycle(), state };
  }

  /** The text that greedy decoding repeats without end, null if it does not. */
  findCycle() {
    const length = this.sampling.temperature === 0 ? cycleLength(this.lastSampled) : null;
    if (length === null) return null;
    const cycle = this.lastSampled.slice(-length);
    return returnsToState(this.model.network, this.state, cycle) ? this.model.vocabulary.decode(cycle) : null;
  }
}

export class Model {
  /**
   * content: the JSON that content.py makes, with config, vocabulary, generation and more. instance: of step.wasm. The
   * weights are written to `network.weights` before the first step.
   */
  constructor(content, instance) {
    const { generation } = content;
    this.config = content.config;
    this.generationConfig = generation;
    this.vocabulary = new Vocabulary(content.vocabulary);
    this.network = new Network(content.config, instance);
    this.defaults = {
      maxNewTokens: generation.max_new_tokens,
      temperature: generation.temperature,
      topK: generation.top_k,
      topP: generation.top_p,
      minP: generation.min_p,
    };
  }

  /** What an empty prompt starts from. */
  startIds() {
    const { ids } = this.vocabulary.encode(this.generationConfig.start_text);
    return ids.length ? ids : [0];
  }

  /** One id from a state, null for zeros -> { logits, state }; the given state stays as it is. */
  step(state, id) {
    return this.network.step(state, [id]);
  }

  /** A `TextStream`: an async iterator of characters with `cancel()` and `completion`. */
  generate(prompt = "", options = {}) {
    return new TextStream(this, prompt, options);
  }

  /** The likeliest characters after `prompt` and `text`, with their probabilities under the given settings. */
  alternatives(prompt, text, options = {}, count = 8) {
    const given = { ...this.defaults, ...options };
    checkSampling(given);
    const read = this.vocabulary.encode(prompt).ids;
    const ids = [...(read.length ? read : this.startIds()), ...Array.from(text, (char) => this.vocabulary.idOf.get(char))];
    const probs = probabilities(this.network.step(null, ids).logits, given);
    return likeliest(probs)
      .slice(0, count)
      .filter((id) => probs[id] > 0)
      .map((id) => ({ char: this.vocabulary.chars[id], probability: probs[id] }));
  }
}
