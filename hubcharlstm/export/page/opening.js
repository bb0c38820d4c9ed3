// The worker and its messages. It starts while the browser still parses the weights, which follow this script in parts.

const byId = (id) => document.getElementById(id);
const content = JSON.parse(byId("content").textContent);
const { introduction, generation } = content;

const READING_PACE = 100; // characters a second
const replies = new Map(); // by id, those on the page
let nextReply = 0;

/** Takes the text of a data block, and the block off the page: the weights are the most of its memory. */
function take(block) {
  block.remove();
  return block.textContent;
}

const workerSource = new Blob([take(byId("worker"))], { type: "text/javascript" });
const worker = new Worker(URL.createObjectURL(workerSource));
worker.onmessage = ({ data }) => onMessage[data.type](replies.get(data.id), data);
worker.onerror = (event) => fail(`The model cannot be opened: ${event.message ?? "the browser starts no worker"}`);
worker.postMessage({ type: "compile", content, wasm: take(byId("wasm")) });

/** Sends the part of the weights before `script`, which is parsed by then, and takes both off the page. */
function takeWeights(script) {
  const block = script.previousElementSibling;
  worker.postMessage({ type: "weights", part: block.content.textContent });
  block.remove();
  script.remove();
}

document.addEventListener("DOMContentLoaded", () => worker.postMessage({ type: "open" }));

const onMessage = {
  open() {
    document.documentElement.dataset.open = "true";
  },
  started(reply, { prompt, warnings }) {
    reply?.onStarted(prompt, warnings);
  },
  text(reply, { text }) {
    reply?.append(text);
  },
  done(reply, { rest, numCut, finishReason, cycle }) {
    reply?.append(rest);
    reply?.cut(numCut);
    reply?.end(numCut ? "cut" : finishReason, cycle);
  },
  alternatives(reply, { position, found }) {
    reply?.showAlternatives(position, found);
  },
  error(reply, { message }) {
    reply?.end("failed");
    showError(message);
  },
};

let failure = ""; // why nothing can be written any more

function fail(message) {
  failure = message;
  for (const reply of replies.values()) if (reply.writing) reply.end("failed");
  showError(failure);
}

function showError(message) {
  byId("error").textContent = message;
  byId("error").hidden = message === "";
}
