// Colours that the colour-blind tell apart (Okabe & Ito 2008): blue above 0, orange below, vermilion for surprise.

const BLUE = [0, 114, 178];
const ORANGE = [230, 159, 0];
const VERMILION = [213, 94, 0];
const PURPLE = [150, 90, 160];
const MAX_BITS = 8; // a surprise from here on has the strongest colour

export const isDark = () => document.querySelector(".dark") !== null;
const paper = () => (isDark() ? [22, 21, 19] : [250, 248, 244]);

const FULL = 0.72;
const FULL_ORANGE_IN_THE_DARK = 0.55; // more, and light letters could not be read on it

const rgba = ([r, g, b], strength, full = FULL) => (strength < 0.03 ? "" : `rgba(${r},${g},${b},${(full * Math.min(strength, 1)).toFixed(3)})`);

export const ofValue = (value) => (value < 0 ? rgba(ORANGE, -value, isDark() ? FULL_ORANGE_IN_THE_DARK : FULL) : rgba(BLUE, value));
export const ofGate = (value) => rgba(BLUE, value);
export const ofSurprise = (bits) => rgba(VERMILION, bits / MAX_BITS);
export const ofWeight = (weight) => rgba(PURPLE, weight);

// For each byte of a map its colour; signed: 0 lies in the middle.
export function palette(isSigned) {
  const base = paper();
  const colors = new Uint32Array(256);
  const mix = (to, share) => base.map((from, n) => Math.round(from + (to[n] - from) * share));
  for (let byte = 0; byte < 256; byte += 1) {
    const value = isSigned ? byte / 127.5 - 1 : byte / 255;
    const [r, g, b] = mix(value < 0 ? ORANGE : BLUE, Math.abs(value) ** 0.8);
    colors[byte] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return colors;
}
