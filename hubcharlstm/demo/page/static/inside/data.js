// What the server computes, as arrays. Characters are code points, as in the model.

const TYPES = { float32: Float32Array, uint16: Uint16Array, uint8: Uint8Array };
const SERIES = ["input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"];

export const keyOf = (layer, unit) => `${layer}:${unit}`;

// Four bytes with the header's length, the header, then the arrays, each at a multiple of four bytes.
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length + (-length & 3);
  const arrays = {};
  for (const [name, type, shape] of header.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = new TYPES[type](buffer, at, count);
    const bytes = arrays[name].byteLength;
    at += bytes + (-bytes & 3);
  }
  return { header, arrays };
}

// Rows of `length` numbers of one array.
const rowsOf = (array, length) => Array.from({ length: array.length / length }, (_, n) => array.subarray(n * length, (n + 1) * length));

// The cells of an answer by their key: six series, the summands of four gates, and c and h before the text.
export function cellsOf({ header, arrays }) {
  const cells = new Map();
  if (header.cells.length === 0) return cells;
  const length = arrays.series.length / header.cells.length / SERIES.length;
  header.cells.forEach(([layer, unit], n) => {
    const part = (name, count) => rowsOf(arrays[name], length).slice(n * count, (n + 1) * count);
    cells.set(keyOf(layer, unit), {
      ...Object.fromEntries(SERIES.map((name, s) => [name, part("series", SERIES.length)[s]])),
      input: part("input", 4),
      recurrent: part("recurrent", 4),
      bias: arrays.bias.subarray(4 * n, 4 * n + 4),
      initialCell: arrays.initial[2 * n],
      initialHidden: arrays.initial[2 * n + 1],
    });
  });
  return cells;
}

export function mapsOf({ arrays }) {
  return Object.entries(arrays).filter(([name]) => /^(map|order):/.test(name));
}

// Asks a route of the view; throws an Error with the server's sentence. The key is made here if need be: what a server
// prepares, it prepares for the browser that asks.
export async function ask(url, body) {
  const headers = { "content-type": "application/json", "x-hubcharlstm-owner": makeOwner() };
  let response;
  try {
    response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Error(words("remember.silent"));
  }
  if (response.ok) return response;
  const { error, sentence } = await response.json().catch(() => ({}));
  throw new Error(wordsOf(sentence) || error || words("endpoint.status", { status: response.status }));
}
