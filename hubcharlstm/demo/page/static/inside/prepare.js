// Has the server read a text while it is still typed, so that the rest is quick once it is sent.

const WAIT_MILLISECONDS = 80; // after a key; what is pasted goes at once

// send: asks the server to prepare a text; nothing is shown of it, and a failure costs nothing but time. Returns what drops
// the wait for a text that is sent itself.
export function prepareWhileTyping(field, send) {
  let timer = 0;
  let isAsking = false;
  let prepared = "";

  async function prepare() {
    timer = 0;
    const text = field.value;
    if (isAsking || text === prepared || !text.trim()) return;
    isAsking = true;
    prepared = text;
    try {
      await send(text);
    } catch (problem) {
      console.debug(problem);
    } finally {
      isAsking = false;
    }
    if (field.value !== text) later(0); // what was typed meanwhile
  }

  function later(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(prepare, milliseconds);
  }

  field.addEventListener("input", ({ inputType, isComposing }) => {
    if (!isComposing) later(inputType === "insertFromPaste" ? 0 : WAIT_MILLISECONDS);
  });

  return () => clearTimeout(timer);
}
