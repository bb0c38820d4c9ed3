"""The exported module beside onnxruntime-web with the same step: speed in one thread, and logits (for `browser`)."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from benchmarks.rivals import int8_step_graph, step_graph
from hubcharlstm import CharLSTM

FORMS = {"fp32": "float32", "dynamic-int8": "float32", "own-int8": "int8"}
"""The graphs, and the type of the hidden state in each."""

RIVAL = """async ([name, type, length, times, ids]) => {
  const ort = await import("/ort/ort.wasm.min.mjs");
  const { nextId } = await import("/sampling.js");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("/ort/", location.href).href;
  window.sessions ??= {};
  const options = { executionProviders: ["wasm"] };
  const session = (sessions[name] ??= await ort.InferenceSession.create(`/${name}.onnx`, options));
  const isOwn = type === "int8";
  const size = isOwn ? 32 * Math.ceil(model.config.hidden_size / 32) : model.config.hidden_size;
  const shape = isOwn ? [1, size] : [1, 1, size];
  const hidden = isOwn ? "q" : "h";
  const zeros = () => {
    const state = {};
    for (let n = 0; n < model.config.num_layers; n++) {
      state[hidden + n] = new ort.Tensor(type, isOwn ? new Int8Array(size) : new Float32Array(size), shape);
      state[`c${n}`] = new ort.Tensor("float32", new Float32Array(size), shape);
    }
    return state;
  };
  const step = async (state, id) => {
    const input = new ort.Tensor("int64", BigInt64Array.of(BigInt(id)), isOwn ? [1] : [1, 1]);
    const out = await session.run({ ids: input, ...state });
    return [out.logits.data, Object.fromEntries(Object.keys(state).map((key) => [key, out[`${key}_`]]))];
  };
  const sampling = { temperature: 0.8, topK: 0, topP: 1, minP: 0 };
  const rates = [];
  for (let n = 0; n < times; n++) {
    let [state, id, logits] = [zeros(), 0, null];
    const start = performance.now();
    for (let k = 0; k < length; k++) {
      [logits, state] = await step(state, id);
      id = nextId(logits.subarray(0, model.config.vocab_size), sampling, Math.random());
    }
    rates.push((1000 * length) / (performance.now() - start));
  }
  const found = [];
  let [state, logits] = [zeros(), null];
  for (const id of ids) {
    [logits, state] = await step(state, id);
    found.push(Array.from(logits.subarray(0, model.config.vocab_size)));
  }
  return [rates, found];
}"""


def prepare(model: CharLSTM, folder: Path, runtime: Path) -> None:
    """Put the graphs and onnxruntime-web beside the module in `folder`. runtime: the `dist` of its npm package."""
    onnx.save(step_graph(model), folder / "fp32.onnx")
    quantize_dynamic(folder / "fp32.onnx", folder / "dynamic-int8.onnx", weight_type=QuantType.QInt8)
    onnx.save(int8_step_graph(model), folder / "own-int8.onnx")
    shutil.copytree(runtime, folder / "ort")


def measure(
    model: CharLSTM, page: Any, module_rates: Callable[[], list[float]], logits_script: str, text: str
) -> dict[str, Any]:
    """Characters a second of each graph and of the module, in turn, and the largest differences of their logits.

    page: with the module as `model`, served beside what `prepare` wrote. logits_script: a function of the page, ids ->
    pairs of a state and its logits. The logits of the graphs in float are compared with those of Python in fp32, the
    others with the module's.
    """
    ids = list(model.vocabulary.encode(text).ids)
    rates: dict[str, list[float]] = {name: [] for name in (*FORMS, "module")}
    found: dict[str, torch.Tensor] = {}
    for _ in range(3):
        for name, kind in FORMS.items():
            speeds, logits = page.evaluate(RIVAL, [name, kind, 300, 2, ids])
            rates[name] += speeds
            found[name] = torch.tensor(logits)
        rates["module"] += module_rates()
    with torch.inference_mode():
        exact = model(torch.tensor([ids]))[0][0]
    module = torch.tensor([logits for _, logits in page.evaluate(logits_script, ids)])
    expected = {"fp32": exact, "dynamic-int8": exact, "own-int8": module}
    return {
        "characters_per_second": {name: round(statistics.median(values)) for name, values in rates.items()},
        "largest_difference_of_logits": {
            name: float((found[name] - expected[name]).abs().max()) for name in FORMS
        } | {"module": float((module - exact).abs().max())},
        "characters_compared": len(ids),
    }  # fmt: skip
