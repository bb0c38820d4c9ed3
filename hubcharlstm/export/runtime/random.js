// The random stream of a request: SHA-256 of seed and prompt keys a Philox counter (Salmon et al. 2011), as in Python.

const MASK_32 = 0xffffffffn;
const MASK_64 = 0xffffffffffffffffn;
const MASK_128 = (1n << 128n) - 1n;

/** The first `count` primes, from whose roots SHA-256 takes its constants (FIPS 180-4, 4.2.2 and 5.3.3). */
function primes(count) {
  const found = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((prime) => n % prime !== 0)) found.push(n);
  }
  return found;
}

/** The first 32 binary digits after the point of the `power`-th root of n. */
function rootFraction(n, power) {
  const scaled = BigInt(n) << BigInt(32 * power);
  let root = BigInt(Math.floor(n ** (1 / power) * 2 ** 32));
  const exponent = BigInt(power);
  while (root ** exponent > scaled) root--;
  while ((root + 1n) ** exponent <= scaled) root++;
  return Number(root & MASK_32);
}

const ROUND_CONSTANTS = primes(64).map((prime) => rootFraction(prime, 3));
const INITIAL_HASH = primes(8).map((prime) => rootFraction(prime, 2));

const rotate = (x, n) => (x >>> n) | (x << (32 - n));

/** The SHA-256 of bytes (FIPS 180-4) as 32 bytes; crypto.subtle has no synchronous call, and none outside HTTPS. */
export function sha256(bytes) {
  const length = Math.ceil((bytes.length + 9) / 64) * 64;
  const message = new Uint8Array(length);
  message.set(bytes);
  message[bytes.length] = 0x80;
  const view = new DataView(message.buffer);
  view.setBigUint64(length - 8, BigInt(bytes.length) * 8n);
  const hash = Int32Array.from(INITIAL_HASH);
  const words = new Int32Array(64);
  for (let start = 0; start < length; start += 64) {
    for (let t = 0; t < 16; t++) words[t] = view.getInt32(start + 4 * t);
    for (let t = 16; t < 64; t++) {
      const early = words[t - 15];
      const late = words[t - 2];
      const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
      const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
      words[t] = words[t - 16] + s0 + words[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let t = 0; t < 64; t++) {
      const choice = (e & f) ^ (~e & g);
      const majority = (a & b) ^ (a & c) ^ (b & c);
      const t1 = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + ROUND_CONSTANTS[t] + words[t]) | 0;
      const t2 = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, n) => (hash[n] += value));
  }
  const digest = new DataView(new ArrayBuffer(32));
  hash.forEach((value, n) => digest.setInt32(4 * n, value));
  return new Uint8Array(digest.buffer);
}

/** Philox4x64-10: four 64-bit words for a 256-bit counter and a 128-bit key. */
export function philox(counter, key) {
  let [x0, x1, x2, x3] = [0n, 64n, 128n, 192n].map((shift) => (counter >> shift) & MASK_64);
  let [k0, k1] = [key & MASK_64, key >> 64n];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2e7470ee14c6c93n * x0;
    const p1 = 0xca5a826395121157n * x2;
    [x0, x1, x2, x3] = [(p1 >> 64n) ^ x1 ^ k0, p1 & MASK_64, (p0 >> 64n) ^ x3 ^ k1, p0 & MASK_64];
    k0 = (k0 + 0x9e3779b97f4a7c15n) & MASK_64;
    k1 = (k1 + 0xbb67ae8584caa73bn) & MASK_64;
  }
  return [x0, x1, x2, x3];
}

/** A value: `draws` uniforms have been drawn with `key`, a BigInt of 128 bits. */
export class RandomStream {
  constructor(key, draws = 0) {
    this.key = key & MASK_128;
    this.draws = draws;
    this.block = -1;
    this.words = [];
  }

  /** The stream of a request; `parent` is that of the state that the request goes on from, null for none. */
  static forRequest(seed, promptIds, parent = null) {
    const text = `${seed}|${parent === null ? "" : `${parent.key}+${parent.draws}`}|${promptIds.join(",")}`;
    const digest = sha256(new TextEncoder().encode(text));
    let key = 0n;
    for (let n = 15; n >= 0; n--) key = (key << 8n) | BigInt(digest[n]);
    return new RandomStream(key);
  }

  /** The uniform in [0, 1) of draw number `index`. */
  uniform(index) {
    const block = Math.floor(index / 4);
    if (block !== this.block) {
      this.words = philox(BigInt(block) + 1n, this.key); // NumPy counts before it draws
      this.block = block;
    }
    return Number(this.words[index % 4] >> 11n) * 2 ** -53;
  }
}
