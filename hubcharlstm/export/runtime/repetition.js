// Greedy decoding that repeats itself: found in the sampled ids, confirmed once the state repeats too. As in Python.

import { argmax } from "./sampling.js";

export const MAX_REMEMBERED_IDS = 600; // in which a cycle can be found
const MAX_CYCLE_LENGTH = 200; // characters
const MIN_REPEATS = 3;
const MIN_CHARS = 60; // in all, before text counts as a cycle
const CONFIRM_CHARS = 1000; // for which a cycle is followed
const SAME_STATE = 0.02; // the largest difference of h and tanh(c) between two repeats

/** The length of the shortest cycle that `ids` end in, repeated often enough; null without one. */
export function cycleLength(ids) {
  for (let length = 1; length <= MAX_CYCLE_LENGTH; length++) {
    const needed = Math.max(MIN_REPEATS * length, MIN_CHARS);
    const tail = ids.slice(-needed);
    if (tail.length === needed && tail.every((id, n) => n < length || id === tail[n - length])) return length;
  }
  return null;
}

/** Whether the likeliest ids from here are `cycle` again and again, and lead back to `state`, before its last id. */
export function returnsToState(network, state, cycle) {
  let now = state;
  let id = cycle.at(-1);
  for (let number = 0; number < Math.max(1, Math.floor(CONFIRM_CHARS / cycle.length)); number++) {
    for (const expected of cycle) {
      const { logits, state: next } = network.step(now, [id]);
      now = next;
      id = argmax(logits);
      if (id !== expected) return false;
    }
    if (number === 0 && distance(state, now) >= SAME_STATE) return false;
  }
  return true;
}

function distance(a, b) {
  let largest = 0;
  for (let n = 0; n < a.h.length; n++) {
    const inHidden = Math.abs(a.h[n] - b.h[n]) / 127;
    largest = Math.max(largest, inHidden, Math.abs(Math.tanh(a.c[n]) - Math.tanh(b.c[n])));
  }
  return largest;
}
