// Has the answer for a text ready while it is still typed, or on a slow link the server's part of it alone.

const WAIT_MILLISECONDS = 30; // after a key; what is pasted goes at once
const QUICK_MILLISECONDS = 250; // a whole answer that takes longer is not fetched at each key
const NONE = { key: "", answer: null };

// bodyOf: the question of a text. send: asks a route and returns its answer, null for none; a failure while the text is typed
// costs nothing but time. Returns the answer for a question that is sent itself.
export function prepareWhileTyping(field, bodyOf, send) {
  let timer = 0;
  let isAsking = false;
  let isQuick = true; // the last whole answer was
  let latest = NONE; // asked while the text was typed

  async function timed(question) {
    const start = performance.now();
    const answer = await question;
    if (answer) isQuick = performance.now() - start < QUICK_MILLISECONDS;
    return answer;
  }

  async function ahead(body) {
    try {
      return await timed(send("prepare", isQuick ? body : { ...body, maps: [] }));
    } catch (problem) {
      console.debug(problem);
      return null;
    }
  }

  async function prepare() {
    timer = 0;
    const text = field.value;
    const body = bodyOf(text);
    const key = JSON.stringify(body);
    if (isAsking || key === latest.key || !text.trim()) return;
    isAsking = true;
    latest = { key, answer: ahead(body) };
    await latest.answer;
    isAsking = false;
    if (field.value !== text) later(0); // what was typed meanwhile
  }

  function later(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(prepare, milliseconds);
  }

  field.addEventListener("input", ({ inputType, isComposing }) => {
    if (!isComposing) later(inputType === "insertFromPaste" ? 0 : WAIT_MILLISECONDS);
  });

  return async function answerTo(body) {
    clearTimeout(timer);
    const ready = JSON.stringify(body) === latest.key ? latest.answer : null;
    latest = NONE;
    return (await ready) ?? timed(send("trace", body));
  };
}
