// Entry point of the npm package: the model that lies beside this file, or another export's.

import { Model } from "./model.js";

/** The bytes of a file of the package, in a browser and in Node.js. */
async function bytesOf(url) {
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}; expected a file: check the address.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Loads the model in `folder`, a URL that ends in a slash; by default the one of this package. */
export async function load(folder = new URL("./", import.meta.url)) {
  const read = (name) => bytesOf(new URL(name, folder));
  const [content, weights, wasm] = await Promise.all(["model.json", "weights.bin", "step.wasm"].map(read));
  const { instance } = await WebAssembly.instantiate(wasm);
  const model = new Model(JSON.parse(new TextDecoder().decode(content)), instance);
  model.network.checkWeights(weights.length);
  model.network.weights.set(weights);
  return model;
}

export { GenerationState, Model, TextStream } from "./model.js";
