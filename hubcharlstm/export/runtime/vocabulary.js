// Characters to token ids and back, by the reading rules of Python's Vocabulary. Its tables come with the model.

const HIDDEN = /^[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Mn}\p{Me}\p{Zs}\p{Zl}\p{Zp}]$/u;
const NAMES = { " ": "space", "\n": "line break", "\t": "tab" };

/** `text` with invisible characters as U+XXXX or by name. */
function visible(text) {
  if (Object.hasOwn(NAMES, text)) return NAMES[text];
  return Array.from(text, (char) => {
    if (!HIDDEN.test(char) || " \u200d\ufe0f".includes(char)) return char;
    return `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  }).join("");
}

/** Byte-order marks, line ends, case, Unicode form NFC. */
export function normalize(text, lowercase = false) {
  let normal = text.replace(/^\ufeff+/, "").replace(/\r\n?/g, "\n");
  if (lowercase) normal = Array.from(normal, (char) => char.toLowerCase()).join("");
  return normal.normalize("NFC");
}

export class Vocabulary {
  /** chars, lowercase: vocab.json. plain: spellings by character. combining: [first, last] of the code points that are. */
  constructor({ chars, lowercase, plain, combining }) {
    this.chars = chars;
    this.lowercase = lowercase;
    this.plain = new Map(plain);
    this.combining = combining;
    this.idOf = new Map(chars.map((char, id) => [char, id]));
  }

  /** ids and text correspond one to one. substituted: pairs of a character and its spelling. dropped: runs left out. */
  encode(text) {
    const substituted = new Map();
    const dropped = new Set();
    const ids = [];
    let run = "";
    for (const char of normalize(text, this.lowercase)) {
      const plain = this.idOf.has(char) ? "" : this.substitute(char);
      if (this.idOf.has(char)) {
        ids.push(this.idOf.get(char));
      } else if (plain) {
        substituted.set(char, plain);
        for (const part of plain) ids.push(this.idOf.get(part));
      } else {
        run += char;
        continue;
      }
      if (run) dropped.add(run);
      run = "";
    }
    if (run) dropped.add(run);
    const pairs = this.lowercase ? this.withCase(text, substituted) : substituted;
    return { ids, text: this.decode(ids), substituted: [...pairs], dropped: [...dropped] };
  }

  decode(ids) {
    return ids.map((id) => this.chars[id]).join("");
  }

  /** One line for a person, such as `É read as E; 😀 skipped`; empty if nothing was changed. */
  describe({ substituted, dropped }) {
    const read = substituted.map(([from, to]) => `${visible(from)} read as ${visible(to)}`);
    return [...read, ...dropped.map((run) => `${visible(run)} skipped`)].join("; ");
  }

  withCase(text, substituted) {
    const named = new Map();
    for (const char of normalize(text)) {
      const lowered = char.toLowerCase();
      if (substituted.has(lowered)) named.set(char, substituted.get(lowered));
      else if (lowered !== char && this.knows(lowered)) named.set(char, lowered);
    }
    return named;
  }

  knows(text) {
    return Array.from(text).every((char) => this.idOf.has(char));
  }

  isCombining(char) {
    const code = char.codePointAt(0);
    return this.combining.some(([low, high]) => low <= code && code <= high);
  }

  /** The closest spelling of `char` within the vocabulary, or "" if there is none. */
  substitute(char) {
    const parts = Array.from(char.normalize("NFKD"));
    const unaccented = parts.filter((part) => !this.isCombining(part)).join("");
    for (const spelling of [this.plain.get(char) ?? "", unaccented, this.plain.get(unaccented) ?? "", char]) {
      for (const candidate of [spelling, spelling.toLowerCase(), spelling.toUpperCase()]) {
        if (candidate && this.knows(candidate)) return candidate;
      }
    }
    return "";
  }
}
