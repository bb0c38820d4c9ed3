"""A run that was stopped or killed ends as if it never had been."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import training.trainer
from hubcharlstm.decoding import openmp
from tests.support.browser_app import ROOT
from tests.support.tiny_runs import (
    RECIPE,
    assert_same_run,
    at_step,
    record,
    run,
    weights,
)
from training import checkpoint
from training.checkpoint import Progress
from training.pipeline import flushed_denormals
from training.run_folder import run_lock
from training.trainer import TrainResult


@pytest.mark.parametrize(
    ("step", "number"), [(1, signal.SIGTERM), (7, signal.SIGINT), (29, signal.SIGTERM), (30, signal.SIGTERM)]
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals
) -> None:
    """Dropout is on: the random state, the carried state and the sums of losses all have to come back."""
    out = tmp_path / "run"
    at_step(monkeypatch, step, lambda: signal.raise_signal(number))
    result = run(out)
    assert not result.finished
    assert json.loads((out / "checkpoint" / "progress.json").read_text())["step"] == step
    torch.rand(step)  # the random state of the process is another one by now
    assert run(out, resume=True).finished
    assert_same_run(out, unbroken)


def test_a_run_stopped_again_and_again_still_ends_the_same(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stops = tmp_path / "run", 0
    at_step(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGTERM))
    while not run(out, resume=stops > 0).finished:
        stops += 1
        at_step(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGTERM))
    assert stops >= 8
    assert_same_run(out, unbroken)


class Killed(Exception):
    """Stands for a power cut: nothing more is saved."""


@pytest.mark.parametrize(("step", "seconds"), [(1, 60.0), (20, 60.0), (20, 0.0)])
def test_a_killed_run_goes_on_from_its_last_checkpoint(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch, step: int, seconds: float
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(training.trainer, "CHECKPOINT_SECONDS", seconds)

    def kill() -> None:
        raise Killed

    at_step(monkeypatch, step, kill)
    with pytest.raises(Killed):
        run(out)
    assert run(out, resume=True).finished
    assert_same_run(out, unbroken)


def test_a_checkpoint_that_a_kill_left_half_written_goes(tmp_path: Path, unbroken: Path) -> None:
    """After SIGKILL in the middle of a save `.checkpoint.X.new` lay there for good, as large as the checkpoint."""
    out = tmp_path / "run"
    at_a_save = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    script = (
        "import sys; from pathlib import Path; import training.checkpoint as checkpoint; real = checkpoint.save_file\n"
        "saved = []\n"
        "def save(tensors, path):\n"
        "    real(tensors, path); saved.append(path)\n"
        f"    if len(saved) == 2: {at_a_save}\n"
        "checkpoint.save_file = save\n"
        "from tests.support import tiny_runs; tiny_runs.run(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(out)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(out.glob(".checkpoint.*.new"))) == 1
    assert run(out, resume=True).finished
    assert not list(out.glob(".checkpoint.*"))
    assert_same_run(out, unbroken)


def test_a_run_from_before_weights_were_averaged_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, ema_decay=0.0)
    run(tmp_path / "unbroken", recipe)
    at_step(monkeypatch, 20, lambda: signal.raise_signal(signal.SIGTERM))
    run(tmp_path / "run", recipe)
    monkeypatch.undo()
    stored = tmp_path / "run" / "checkpoint" / "tensors.safetensors"
    save_file({name: value for name, value in load_file(stored).items() if not name.startswith("ema.")}, stored)
    assert run(tmp_path / "run", recipe, resume=True).finished
    assert_same_run(tmp_path / "run", tmp_path / "unbroken")


def test_a_second_signal_stops_at_once_and_loses_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    at_step(monkeypatch, 20, twice)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert run(tmp_path / "run", resume=True).finished


def test_a_finished_run_that_is_resumed_stays_as_it_is(tmp_path: Path, unbroken: Path) -> None:
    before = weights(unbroken), record(unbroken)
    assert run(unbroken, resume=True).finished
    assert all(torch.equal(value, before[0][name]) for name, value in weights(unbroken).items())
    assert record(unbroken) == before[1]


def test_a_run_leaves_the_arithmetic_of_the_process_as_it_was(unbroken: Path) -> None:
    """Denormals stayed flushed to zero in all that came after a run."""
    assert float(torch.tensor([1e-39]) * 0.5) > 0.0
    with pytest.raises(ValueError):
        run(unbroken.parent / "none", resume=True)
    assert float(torch.tensor([1e-39]) * 0.5) > 0.0


def test_denormals_are_flushed_in_all_threads_of_a_run() -> None:
    """Threads of before computed with them up to the first sample, which a resumed run writes later than another."""
    if openmp.gnu_openmp() is None:
        pytest.skip("this system's OpenMP has no threads of the calling thread alone")

    def flushed() -> float:
        """The share of 2^20 denormals that become 0; both threads have half of them each."""
        bits = (denormals * 0.5).view(torch.int32)
        return float((bits == 0).float().mean())

    denormals, before = torch.full((2**20,), 1e-39), openmp.get_num_threads()
    openmp.set_num_threads(2)
    try:
        assert flushed() == 0.0
        with flushed_denormals():
            assert flushed() == 1.0
        assert flushed() == 0.0
    finally:
        openmp.set_num_threads(before)


def test_a_checkpoint_is_loaded_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that just ended replaced it, so that the steps of one and the weights of the next were taken."""
    out, load, found = tmp_path / "run", checkpoint.load, list[Path]()
    at_step(monkeypatch, 3, lambda: signal.raise_signal(signal.SIGTERM))
    run(out)

    def while_locked(folder: Path, **named: Any) -> Any:
        with pytest.raises(ValueError, match="in use by another run"), run_lock(folder):
            pass
        found.append(folder)
        return load(folder, **named)

    monkeypatch.setattr(checkpoint, "load", while_locked)
    assert run(out, resume=True).finished and found == [out]


def test_a_run_works_off_the_main_thread(tmp_path: Path) -> None:
    results: list[TrainResult] = []
    thread = threading.Thread(
        target=lambda: results.append(run(tmp_path / "run", replace(RECIPE, max_train_chars=200)))
    )
    thread.start()
    thread.join()
    assert results[0].finished


def test_checkpoints_leave_nothing_else_behind(unbroken: Path) -> None:
    assert sorted(path.name for path in unbroken.iterdir()) == [
        ".lock",
        "checkpoint",
        "metrics.jsonl",
        "model",
        "run.json",
        "snapshots.jsonl",
        "status.json",
    ]
    assert sorted(p.name for p in (unbroken / "checkpoint").iterdir()) == ["progress.json", "tensors.safetensors"]
    # Strict JSON: other readers know no Infinity and no NaN.
    json.loads((unbroken / "checkpoint" / "progress.json").read_text(), parse_constant=pytest.fail)


def test_progress_survives_its_record() -> None:
    progress = Progress(step=3, history=[{"val_loss": 2.0}, {"val_loss": 1.0}, {"val_loss": 1.5}])
    assert Progress.from_dict(json.loads(json.dumps(vars(progress)))) == progress
    assert progress.best_loss == 1.0
    assert Progress().best_loss == math.inf
    assert Progress.from_dict(vars(progress) | {"best_loss": 1.0}) == progress  # what an older version wrote
    with pytest.raises(KeyError):
        Progress.from_dict({"step": 3})
