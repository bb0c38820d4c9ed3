// The page's own words in the visitor's language, for every script of the page. The server has put them into the page.

const pageWords = JSON.parse(document.getElementById("page-words").textContent);
const pageLocale = new Intl.Locale(pageWords.language, { numberingSystem: "latn" });

// Gradio shows its own words in this language, too.
Object.defineProperty(navigator, "language", { get: () => pageWords.language, configurable: true });

// A whole number in the visitor's way of writing; a setting such as 0.8 as it is.
function inDigits(value, options) {
  if (options === undefined && !Number.isInteger(value)) return String(value);
  return value.toLocaleString(pageLocale, options);
}

// A text in a line that runs the other way keeps its own direction.
function inWords(value) {
  if (typeof value === "number") return inDigits(value);
  if (Array.isArray(value)) return listed(value);
  if (typeof value === "object" && value !== null) return wordsOf(value);
  return document.dir === "rtl" ? `\u2068${value}\u2069` : String(value);
}

// The words of a key of the catalogue, with the values of their placeholders; `n` decides between plural forms.
function words(key, params = {}) {
  const entry = pageWords.entries[key];
  const text = typeof entry === "string" ? entry : entry[new Intl.PluralRules(pageLocale).select(params.n)] ?? entry.other;
  return text.replace(/\{(\w+)\}/g, (hole, name) => (Object.hasOwn(params, name) ? inWords(params[name]) : hole));
}

// What the server says: {key, params}, or a text of the library as it is.
function wordsOf(message) {
  if (typeof message !== "object" || message === null) return String(message ?? "");
  return typeof message.key === "string" && Object.hasOwn(pageWords.entries, message.key) ? words(message.key, message.params ?? {}) : "";
}

// 0.2, 0.8 and 1.4
function listed(values) {
  const names = values.map((value) => (typeof value === "number" ? inDigits(value) : String(value)));
  return new Intl.ListFormat(pageWords.language === "en" ? "en-GB" : pageWords.language).format(names);
}
