"""The metrics of a run, in its file and in trackio."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_runs import (
    RECIPE,
    record,
    run,
)
from training.tracking import check_tracker, run_name


def test_metrics_are_a_line_for_each_look_and_a_resumed_run_repeats_none(tmp_path: Path) -> None:
    run(tmp_path / "run")
    run(tmp_path / "run", resume=True)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows == record(tmp_path / "run")["history"]


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
