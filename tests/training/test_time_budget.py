"""`fit --minutes` and what a run tells while it trains; the pre-flight as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from training.__main__ import main
from training.data.corpus import load_corpus
from training.estimate import Timings
from training.recipe import PRESETS
from training.schedule import TrainSchedule
from training.time_budget import MIN_STEPS, TimeBudget

LINES = "".join(f"MARY:\nLine {n} of a text, with words and {n % 7} lambs.\n\n" for n in range(400))
TINY = ["--hidden-size", "24", "--embedding-dim", "8", "--batch-size", "4", "--seq-len", "16"]
TIMINGS = Timings(window=0.05, scored=1e-5, written=1e-4, taught=0.0, hashing=0.1)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "lambs.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


def planned_seconds(seconds: float, text: Path) -> float:
    corpus = load_corpus(str(text))
    budget = TimeBudget(seconds / 60, time.monotonic() + seconds)
    recipe, _ = budget.plan(PRESETS["small"], TIMINGS, corpus).fitted_to(len(corpus.train))
    return 60 * TIMINGS.estimate(TrainSchedule.of(recipe, len(corpus.train)), corpus).minutes


@pytest.mark.parametrize("seconds", [15, 20, 30])
def test_a_schedule_is_planned_for_the_time(seconds: float, text: Path) -> None:
    assert 0.5 * seconds < planned_seconds(seconds, text) <= seconds


def test_more_time_than_the_preset_takes_changes_nothing(text: Path) -> None:
    corpus = load_corpus(str(text))
    assert TimeBudget(600, time.monotonic() + 36_000).plan(PRESETS["small"], TIMINGS, corpus) == PRESETS["small"]


def test_a_machine_that_seems_too_slow_still_tries(text: Path) -> None:
    corpus = load_corpus(str(text))
    slow = replace(TIMINGS, window=60.0)
    recipe, _ = TimeBudget(0.5, time.monotonic() + 30).plan(PRESETS["small"], slow, corpus).fitted_to(len(corpus.train))
    assert TrainSchedule.of(recipe, len(corpus.train)).total_steps == MIN_STEPS


def test_a_run_ends_at_its_deadline_with_a_whole_model(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is far too long here, as on a machine that gets slower: the deadline ends it, and the report follows."""
    monkeypatch.setattr(TimeBudget, "plan", lambda self, recipe, timings, corpus, given: recipe)
    monkeypatch.setattr(TimeBudget, "deadline", lambda self, last_seconds: time.monotonic() + 1.0)
    out = tmp_path / "run"
    sizes = [*TINY, "--max-train-chars", "900000000", "--max-epochs", "100000", "--patience", "0"]
    assert main(["fit", str(text), "--out", str(out), "--minutes", "1", *sizes]) == 0
    record = json.loads((out / "model" / "training.json").read_text())
    assert record["samples"] and record["time_lapse"][-1]["characters_read"] == record["history"][-1]["chars"]
    status = json.loads((out / "status.json").read_text())
    assert status["phase"] == "reporting" and 0 < status["step"] < status["total_steps"]


def test_a_time_in_which_nothing_can_be_learned_is_refused(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for minutes in ("0.1", "0", "-1", "nan", "inf"):
        assert main(["fit", str(text), "--minutes", minutes]) == 2
        assert "expected at least 0.25" in capsys.readouterr().err


def test_snapshots_are_told_as_they_are_taken(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["fit", str(text), "--out", str(out), "--max-train-chars", "20000", *TINY]) == 0
    snapshots = [json.loads(line) for line in (out / "snapshots.jsonl").read_text(encoding="utf-8").splitlines()]
    record = json.loads((out / "model" / "training.json").read_text(encoding="utf-8"))
    assert [{**snapshot, "prompt": None} for snapshot in snapshots] == [
        {**snapshot, "prompt": None} for snapshot in record["time_lapse"]
    ]
    assert {snapshot["prompt"] for snapshot in snapshots} == {record["time_lapse_prompt"]}


def test_a_dry_run_answers_in_json(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(text), "--dry-run", "--json", "--out", str(tmp_path / "run"), *TINY]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["chars"] == len(LINES) and found["train_chars"] + found["held_out_chars"] == len(LINES)
    assert found["speakers"] == ["MARY"] and found["amount"] == "short" and found["kind"] == "dialogue"
    assert found["number_to_beat"]["bits"] == pytest.approx(found["number_to_beat"]["nats"] / 0.6931471805599453)
    assert found["seconds"] > 0 and found["total_steps"] > 0
    assert "to beat" in shown.err
    assert not (tmp_path / "run").exists()


def test_json_without_a_dry_run_is_refused(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(text), "--json"]) == 2
    assert "add --dry-run" in capsys.readouterr().err
