// From logits to the next id, in float64: temperature, top-k, top-p, min-p in this order, as in Python.

/** Refuses settings out of range; the messages are those of Python. */
export function checkSampling({ temperature, topK, topP, minP }) {
  const fail = (name, value, expected) => {
    throw new RangeError(`${name} is ${value}; expected ${expected}.`);
  };
  if (!Number.isFinite(temperature) || temperature < 0) {
    fail("temperature", temperature, "a number of at least 0: use 0 for greedy");
  }
  if (!Number.isInteger(topK) || topK < 0) fail("topK", topK, "a whole number of at least 0: use 0 to keep all");
  if (!(topP > 0 && topP <= 1)) fail("topP", topP, "a number above 0 and up to 1: use 1 to keep all");
  if (!(minP >= 0 && minP < 1)) fail("minP", minP, "a number from 0 to below 1: use 0 to keep all");
}

/** Chooses an id by a uniform in [0, 1); -1 if a logit is not finite. */
export function nextId(logits, sampling, uniform) {
  if (!logits.every(Number.isFinite)) return -1;
  if (sampling.temperature === 0) return argmax(logits);
  return sample(unnormalized(logits, sampling), uniform);
}

/** The distribution to sample from; for greedy that of temperature 1. */
export function probabilities(logits, sampling) {
  return normalized(unnormalized(logits, sampling));
}

function unnormalized(logits, { temperature, topK, topP, minP }) {
  const max = logits[argmax(logits)];
  const divisor = temperature === 0 ? 1 : temperature;
  let values = Float64Array.from(logits, (logit) => Math.exp((logit - max) / divisor));
  if (topK !== 0) values = keep(normalized(values), (probs) => first(likeliest(probs), topK));
  if (topP !== 1) values = keep(normalized(values), (probs) => nucleus(probs, topP));
  if (minP !== 0) values = keep(normalized(values), (probs) => aboveShare(probs, minP));
  return values;
}

function normalized(values) {
  const total = values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => value / total);
}

/** Zeros all but the ids that `choose` returns, and normalizes. */
function keep(probs, choose) {
  const kept = new Float64Array(probs.length);
  for (const id of choose(probs)) kept[id] = probs[id];
  return normalized(kept);
}

/** All ids, the likeliest first; ties go to the lower id. */
export function likeliest(probs) {
  return Array.from(probs.keys()).sort((a, b) => probs[b] - probs[a] || a - b);
}

const first = (ids, count) => ids.slice(0, count);

/** The smallest set of likeliest ids whose probability reaches p. */
function nucleus(probs, p) {
  const order = likeliest(probs);
  let sum = 0;
  return order.filter((id) => {
    sum += probs[id];
    return sum - probs[id] < p;
  });
}

function aboveShare(probs, share) {
  const bound = share * probs[argmax(probs)];
  return Array.from(probs.keys()).filter((id) => probs[id] >= bound);
}

export function argmax(values) {
  let best = 0;
  for (let id = 1; id < values.length; id++) if (values[id] > values[best]) best = id;
  return best;
}

/** Inverse transform: values of any sum -> an id, none of probability 0. */
function sample(values, uniform) {
  const cumulative = new Float64Array(values.length);
  let sum = 0;
  values.forEach((value, id) => (cumulative[id] = sum += value));
  const threshold = uniform * sum;
  const id = cumulative.findIndex((reached) => reached > threshold);
  return id < 0 ? 0 : id;
}
