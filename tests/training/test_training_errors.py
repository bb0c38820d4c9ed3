"""A run that cannot go on ends with one sentence, and saves nothing that is broken."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import training.trainer
from tests.support.tiny_runs import (
    RECIPE,
    at_step,
    checkpoint_weights,
    run,
    weights,
)
from tests.training.conftest import RecordingNetwork
from training import checkpoint
from training.trainer import TrainingError


@pytest.mark.parametrize("step", [1, 3, 4, 20, 22])
def test_a_loss_that_is_not_finite_ends_the_run_and_is_never_saved(
    tmp_path: Path, recorded: list[RecordingNetwork], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """At a snapshot (1, 3), at an evaluation (20), and where only a checkpoint is due (4, 22)."""
    out = tmp_path / "run"
    monkeypatch.setattr(training.trainer, "CHECKPOINT_SECONDS", 0.0)

    def poison() -> None:
        with torch.no_grad():
            next(recorded[0].parameters()).mul_(math.nan)

    at_step(monkeypatch, step, poison)
    with pytest.raises(TrainingError, match=rf"is not finite after step {step}; .*--learning-rate 0\.005"):
        run(out)
    assert all(bool(value.isfinite().all()) for value in checkpoint_weights(out).values())
    progress = json.loads((out / "checkpoint" / "progress.json").read_text())
    assert progress["step"] == step - 1
    assert (out / "model").exists() == bool(progress["history"])
    if progress["history"]:
        assert all(bool(value.isfinite().all()) for value in weights(out).values())


def test_a_loss_that_runs_away_by_itself_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="start a new run with half the learning rate"):
        run(tmp_path / "run", replace(RECIPE, learning_rate=1e37, warmup=0.0))
    assert all(bool(value.isfinite().all()) for value in checkpoint_weights(tmp_path / "run").values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"hidden_size": 10**6}, r"weights; expected at most .*smaller sizes"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", replace(RECIPE, **settings))
    with pytest.raises(ValueError, match="dtype is 'float8'"):
        run(tmp_path / "run", dtype="float8")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_an_os_error_whoever_notices_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"serializing|open|directory") as refused, checkpoint.disk_errors(tmp_path):
        save_file({"a": torch.zeros(3)}, tmp_path / "file" / "x.safetensors")
    assert refused.value.filename == str(tmp_path)


@pytest.mark.parametrize(
    "damage", ["none", "no tensors", "cut tensors", "cut progress", "other progress", "other sizes"]
)
def test_a_damaged_checkpoint_is_refused_and_left_alone(tmp_path: Path, unbroken: Path, damage: str) -> None:
    out = tmp_path / "run"
    source, folder = unbroken / "checkpoint", out / "checkpoint"
    folder.mkdir(parents=True)
    tensors, progress = (source / name for name in ("tensors.safetensors", "progress.json"))
    if damage != "none":
        (folder / "progress.json").write_bytes(progress.read_bytes())
        (folder / "tensors.safetensors").write_bytes(tensors.read_bytes())
    if damage == "no tensors":
        (folder / "tensors.safetensors").unlink()
    elif damage == "cut tensors":
        (folder / "tensors.safetensors").write_bytes(tensors.read_bytes()[:-100])
    elif damage == "cut progress":
        (folder / "progress.json").write_bytes(progress.read_bytes()[:-10])
    elif damage == "other progress":
        (folder / "progress.json").write_text("[1, 2]")
    elif damage == "other sizes":
        stored = weights(unbroken, "checkpoint/tensors.safetensors")
        save_file(stored | {"network.head.bias": torch.zeros(3)}, folder / "tensors.safetensors")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    expected = "has no whole checkpoint" if damage in ("none", "no tensors") else r"is damaged \("
    with pytest.raises(ValueError, match=expected) as refused:
        run(out, resume=True)
    assert "\n" not in str(refused.value)
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_loss_that_explodes_ends_the_run_and_keeps_what_was_good(
    tmp_path: Path,
    recorded: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode() -> None:
        with torch.no_grad():
            for parameter in recorded[0].parameters():
                parameter.mul_(40)

    at_step(monkeypatch, 22, explode)
    with pytest.raises(TrainingError, match=r"exploded from .*; expected it to fall: .*; the best weights"):
        run(tmp_path / "run")
    assert all(float(value.abs().max()) < 20 for value in checkpoint_weights(tmp_path / "run").values())
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
