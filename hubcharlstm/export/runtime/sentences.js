// Where a text that reached its length is cut, so that it ends in a whole sentence.

// The signs that end a sentence with the quotes and brackets after them; only Chinese and Japanese need no space. A space
// is what Python takes for one.
const SENTENCE_END = /[.!?…؟।]+["'”’»)\]]*(?=(?!\ufeff)[\s\x1c-\x1f\x85]|$)|[。！？]+[」』”’）]*/gu;

/** `text` up to its last whole sentence; all of it if it holds none. */
export function cutAfterSentence(text) {
  const last = Array.from(text.matchAll(SENTENCE_END)).at(-1);
  return last ? text.slice(0, last.index + last[0].length) : text;
}
