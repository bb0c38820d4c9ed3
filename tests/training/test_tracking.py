"""A run's metrics, its lock, its patience, and a loss that explodes."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.test_trainer import CORPUS, RECIPE, at_step, checkpoint_weights, record, run, watched  # noqa: F401
from training.evaluation.baselines import KNESER_NEY
from training.tracking import check_tracker, locked, run_name
from training.trainer import TrainingError


def test_metrics_are_a_line_for_each_look_and_a_resumed_run_repeats_none(tmp_path: Path) -> None:
    run(tmp_path / "run")
    run(tmp_path / "run", resume=True)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows == record(tmp_path / "run")["history"]


def test_the_number_to_beat_is_told_once_when_it_is_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baselines = {KNESER_NEY: {"nats": 3.0, "seconds": 1.0}}
    run(tmp_path / "run", baselines=baselines)
    assert capsys.readouterr().out.count("It has passed the number to beat: 3.0000") == 1
    assert record(tmp_path / "run")["baselines"] == baselines
    run(tmp_path / "other", baselines={KNESER_NEY: {"nats": 0.001, "seconds": 1.0}})
    assert "has passed" not in capsys.readouterr().out


def test_a_run_without_gain_ends_early_and_stays_ended(tmp_path: Path) -> None:
    corpus = replace(CORPUS, held_out="owt eno.\nThree six, neves.\n" * 20)
    recipe = replace(RECIPE, chars=60_000, max_epochs=100, learning_rate=3e-2, patience=2)
    assert run(tmp_path / "run", recipe, corpus).finished
    told = record(tmp_path / "run")
    losses = [row["val_loss"] for row in told["history"]]
    assert losses.index(min(losses)) == len(losses) - 3
    assert told["ended_early"] == "after 2 looks without gain"
    assert told["time_lapse"][-1]["characters_read"] == told["history"][-1]["chars"] < 60_000
    assert run(tmp_path / "run", recipe, corpus, resume=True).finished
    assert record(tmp_path / "run") == told


def test_a_loss_that_explodes_ends_the_run_and_keeps_what_was_good(
    tmp_path: Path,
    watched: list[Any],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode() -> None:
        with torch.no_grad():
            for parameter in watched[0].parameters():
                parameter.mul_(40)

    at_step(monkeypatch, 22, explode)
    with pytest.raises(TrainingError, match=r"exploded from .*; expected it to fall: .*; the best weights"):
        run(tmp_path / "run")
    assert all(float(value.abs().max()) < 20 for value in checkpoint_weights(tmp_path / "run").values())
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


def test_a_folder_in_use_by_another_run_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with locked(tmp_path / "run"), pytest.raises(ValueError, match=r"in use by another run; expected .*--out"):
        run(tmp_path / "run", resume=True)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with locked(tmp_path / "run"):  # it is free again
        pass


def test_a_text_that_vanishes_while_it_is_learned_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.data.corpus import read_corpus

    file = tmp_path / "text.txt"
    file.write_text(str(CORPUS.train))
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 100)  # the ids lie in a file of their own
    corpus = read_corpus(str(file), store=tmp_path)
    at_step(monkeypatch, 3, file.unlink)
    assert run(tmp_path / "run", RECIPE, corpus).finished
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_trackio_gets_what_the_file_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[dict[str, float], int]] = []
    calls: list[Any] = []

    class Trackio:
        @staticmethod
        def init(**settings: Any) -> None:
            calls.append(settings)

        @staticmethod
        def log(row: dict[str, float], step: int) -> None:
            rows.append((row, step))

        @staticmethod
        def finish() -> None:
            calls.append("finish")

    monkeypatch.setitem(sys.modules, "trackio", Trackio)
    run(tmp_path / "run", tracker="trackio")
    assert [row["val_loss"] for row, _ in rows] == [row["val_loss"] for row in record(tmp_path / "run")["history"]]
    assert all(row["learning_rate"] > 0 for row, _ in rows)
    assert calls[0]["name"].startswith("run-") and calls[0]["resume"] == "never" and calls[-1] == "finish"


def test_a_tracker_that_is_not_there_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(ValueError, match=r"trackio is not installed.*\[track\]"):
        check_tracker("trackio")
    with pytest.raises(ValueError, match="tracker 'wandb' is unknown; expected one of trackio"):
        check_tracker("wandb")


def test_the_real_trackio_keeps_the_rows_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is resumed by its name alone: another folder's run of the same name was gone on with."""
    trackio = pytest.importorskip("trackio")  # a part of the dev extra
    from trackio.sqlite_storage import SQLiteStorage

    def connect(_: object, address: object) -> None:
        raise AssertionError(f"it reaches for {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    one, other = tmp_path / "one" / "run", tmp_path / "other" / "run"
    run(one, tracker="trackio")
    run(other, tracker="trackio")
    run(one, resume=True, tracker="trackio")
    runs = {r.name: r for r in trackio.Api().runs("hubcharlstm")}
    assert {run_name(one), run_name(other)} <= set(runs)
    for folder in (one, other):
        history = record(folder)["history"]
        rows = SQLiteStorage.get_logs("hubcharlstm", run_name(folder), run_id=runs[run_name(folder)].id)
        assert [row["val_loss"] for row in rows] == [row["val_loss"] for row in history]
        assert [row["chars"] for row in rows] == [row["chars"] for row in history]
        assert all(row["learning_rate"] > 0 for row in rows)
        assert runs[run_name(folder)].config["hidden_size"] == RECIPE.hidden_size
