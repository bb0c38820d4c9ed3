"""Runs of a tiny network on a repeating text, and what tests compare of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tqdm import tqdm

import training.trainer
from training.data.corpus import Corpus
from training.data.examples import suggest
from training.pipeline import fit
from training.recipe import Recipe
from training.run_folder import is_finished
from training.run_settings import CorpusSource, RunSettings
from training.trainer import TrainResult

TEXT = "One two three, four five six.\nSeven eight nine, ten and out.\n" * 32
CORPUS = Corpus("count", "count.txt", TEXT, TEXT[:480], "some of it", card={"language": "en"})
RECIPE = Recipe(
    embedding_dim=8,
    hidden_size=24,
    num_layers=2,
    dropout=0.2,
    batch_size=4,
    seq_len=16,
    learning_rate=1e-2,
    muon_rate=0.0,
    state_reset_prob=0.2,
    max_train_chars=3_000,
)


def run(
    out: Path, recipe: Recipe = RECIPE, corpus: Corpus = CORPUS, *, command: str = "", **options: Any
) -> TrainResult:
    """A run as `fit` starts it, with the options of `training.pipeline.fit`."""
    source = CorpusSource(corpus=corpus.title)
    settings = RunSettings(recipe=recipe, source=source, dtype="float32", sha256=corpus.sha256, command=command)
    return fit(corpus, recipe, suggest(corpus), out, settings=settings, **options)


def weights(out: Path, name: str = "model/model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(out / name)


def record(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "model" / "training.json").read_text(encoding="utf-8"))
    return data


def without_seconds(data: dict[str, Any]) -> dict[str, Any]:
    """A record without what a clock measured, and without the save id, which hashes that too."""
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in data["history"]]
    time_lapse = [{k: v for k, v in snapshot.items() if k != "minutes"} for snapshot in data["time_lapse"]]
    return {k: v for k, v in data.items() if k not in ("seconds", "save_id")} | {
        "history": history,
        "time_lapse": time_lapse,
    }


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: best weights, last weights, optimizer, random state, record."""
    for out in (one, other):
        assert is_finished(out), f"{out} has not come to its end: a signal, as `timeout` sends one, stops a run"
    for name in ("model/model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = weights(one, name), weights(other, name)
        assert a.keys() == b.keys()
        different = [key for key in a if not torch.equal(a[key], b[key])]
        assert not different
    assert without_seconds(record(one)) == without_seconds(record(other))


def checkpoint_weights(out: Path) -> dict[str, torch.Tensor]:
    stored = weights(out, "checkpoint/tensors.safetensors")
    return {name.removeprefix("network."): value for name, value in stored.items() if name.startswith("network.")}


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Call `act` after optimizer step `step`, counted from now: when the progress bar is updated."""

    class Bar(tqdm):  # type: ignore[type-arg]
        seen = 0

        def update(self, n: float | None = 1) -> bool | None:
            Bar.seen += 1
            if Bar.seen == step:
                act()
            return super().update(n)

    monkeypatch.setattr(training.trainer, "tqdm", Bar)
