"""The npm package for programs in TypeScript and in Node.js, checked by the compiler and run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hubcharlstm.export.package import write_package
from tests.support.exported import small_model

USE = """
import { load, type Completion, type GenerationState, type Model, type State } from "charlstm";

const model: Model = await load(new URL("./", "https://example.org/"));
const first: { logits: Float32Array; state: State } = model.step(null, 5);
const again: State = model.step(first.state, 6).state;
const stream = model.generate("To be", { seed: 7n, temperature: 0.8, topK: 5, topP: 0.9, minP: 0, stop: ["\\n"] });
let text = "";
for await (const char of stream) text += char.toUpperCase();
const done: Completion = stream.completion;
const state: GenerationState = done.state;
const more: string = model.generate("", { state, maxNewTokens: 20 }).read();
const likeliest: number[] = model.alternatives("To", text, { temperature: 1 }, 4).map((one) => one.probability);
const warning: string = model.vocabulary.describe(model.vocabulary.encode(more));
const reason: "length" | "stop" | "cancelled" | null = stream.finishReason;
const size: number | undefined = model.config["hidden_size"];
// @ts-expect-error: an id is a number
model.step(null, "a");
// @ts-expect-error: there is no such option
model.generate("a", { max_new_tokens: 20 });
// @ts-expect-error: a state does not change
again.h = new Int16Array(1);
console.log(likeliest, warning, reason, size, done.cycle?.length, done.numTokens, model.generationConfig["stop"]);
"""

RUN = """
import { load } from "charlstm";

const model = await load();
let text = "";
for await (const char of model.generate("To", { seed: 7, maxNewTokens: 60 })) text += char;
console.log(JSON.stringify(text));
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder whose node_modules hold the package `charlstm`."""
    write_package(small_model(), tmp_path / "node_modules" / "charlstm", version="0.0.0")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return tmp_path


def test_the_compiler_accepts_what_the_types_promise_and_nothing_else(project: Path) -> None:
    (project / "use.ts").write_text(USE, encoding="utf-8")
    flags = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext"]
    result = subprocess.run(
        ["tsc", *flags, "use.ts"], cwd=project, capture_output=True, text=True, check=False, timeout=120
    )
    assert (result.stdout, result.returncode) == ("", 0)


def test_the_module_runs_in_node(project: Path) -> None:
    (project / "run.js").write_text(RUN, encoding="utf-8")
    result = subprocess.run(["node", "run.js"], cwd=project, capture_output=True, text=True, check=False, timeout=120)
    assert (result.stderr, result.returncode) == ("", 0)
    assert json.loads(result.stdout) == small_model().generate("To", seed=7, max_new_tokens=60)
