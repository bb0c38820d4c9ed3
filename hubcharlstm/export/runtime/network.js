// The network in WebAssembly: a token id and a state in, logits and the next state out.

const PADDING = 32;
const TANH_CELLS = 68; // 65 and padding
const PAGE_BYTES = 65536;

/** The next multiple of 32. */
function padded(size) {
  return Math.ceil(size / PADDING) * PADDING;
}

/** Places the arrays of a network one after another behind `start`, each at a multiple of 16 bytes. */
function layOut({ vocab_size, hidden_size, num_layers }, start) {
  let end = start;
  const take = (bytes) => {
    const address = end;
    end += Math.ceil(bytes / 16) * 16;
    return address;
  };
  const size = padded(hidden_size);
  const vocab = padded(vocab_size);
  const linear = (rows, columns) => ({
    rows,
    columns,
    weight: take(rows * columns),
    scale: take(4 * rows),
    bias: take(4 * rows),
  });
  const layers = [];
  for (let n = 0; n < num_layers; n++) {
    layers.push(linear(4 * size, n === 0 ? size : 2 * size));
  }
  const head = linear(vocab, size);
  const table = take(4 * vocab_size * 4 * size);
  const tanhBias = take(4 * TANH_CELLS);
  const weightsEnd = end;
  const hidden = take(2 * num_layers * size);
  const cells = take(4 * num_layers * size);
  const gates = take(4 * 4 * size);
  const logits = take(4 * vocab);
  return { start, size, layers, head, table, tanhBias, weightsEnd, hidden, cells, gates, logits, end };
}

/** (h, c) of every layer. h: Int16Array of 127 times the hidden states, rounded; c: Float32Array. Never changed. */
export class State {
  constructor(h, c) {
    this.h = h;
    this.c = c;
  }
}

/** Steps one row at a time; the arithmetic is that of the int8 decoder in Python. Its `weights` are to be filled first. */
export class Network {
  /** config: config.json. instance: of step.wasm. */
  constructor(config, instance) {
    const { memory, __heap_base: heapBase, linear, update } = instance.exports;
    this.vocabSize = config.vocab_size;
    this.layout = layOut(config, Math.ceil(heapBase.value / 16) * 16);
    const { start, size, layers, weightsEnd, hidden, cells, logits, end } = this.layout;
    const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) memory.grow(missing);
    this.linear = linear;
    this.update = update;
    this.weights = new Uint8Array(memory.buffer, start, weightsEnd - start); // as weights.py writes them
    this.h = new Int16Array(memory.buffer, hidden, layers.length * size);
    this.c = new Float32Array(memory.buffer, cells, layers.length * size);
    this.logits = new Float32Array(memory.buffer, logits, this.vocabSize);
    this.current = null; // the state that h and c hold, if it was read from them
  }

  /** Refuses weights of another length than the network's. */
  checkWeights(length) {
    const expected = this.weights.length;
    if (length !== expected) {
      throw new Error(`The weights have ${length} bytes; expected ${expected}: export the model again.`);
    }
  }

  initialState() {
    return new State(new Int16Array(this.h.length), new Float32Array(this.c.length));
  }

  /** Reads `ids` from `state`, null for zeros -> the logits after the last of them, and the state. */
  step(state, ids) {
    this.load(state);
    for (const id of ids) this.advance(id);
    if (ids.length) this.computeLogits();
    return { logits: this.logits.slice(), state: this.store() };
  }

  load(state) {
    if (state !== null && state === this.current) return;
    if (state === null) {
      this.h.fill(0);
      this.c.fill(0);
    } else {
      this.h.set(state.h);
      this.c.set(state.c);
    }
    this.current = state;
  }

  store() {
    this.current = new State(this.h.slice(), this.c.slice());
    return this.current;
  }

  advance(id) {
    if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize) {
      throw new RangeError(`The token id is ${id}; expected 0 to ${this.vocabSize - 1}: use the model's vocabulary.`);
    }
    const { size, layers, table, tanhBias, gates, hidden, cells } = this.layout;
    this.current = null;
    layers.forEach((layer, n) => {
      const base = n === 0 ? table + 4 * 4 * size * id : layer.bias;
      const input = hidden + 2 * size * Math.max(0, n - 1);
      this.linear(layer.weight, layer.scale, base, input, layer.rows, layer.columns, gates);
      this.update(gates, tanhBias, size, cells + 4 * size * n, hidden + 2 * size * n);
    });
  }

  computeLogits() {
    const { size, layers, head, hidden, logits } = this.layout;
    const top = hidden + 2 * size * (layers.length - 1);
    this.linear(head.weight, head.scale, head.bias, top, head.rows, head.columns, logits);
  }
}
