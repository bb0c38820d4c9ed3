"""Runs of version 660d95b, the first one: their names have changed, their bits have not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import training.lstm
from hubcharlstm import CharLSTM
from tests.support.tiny_runs import record, without_seconds
from training.__main__ import main
from training.run_settings import RunSettings

OLD = Path(__file__).parents[1] / "data" / "660d95b"


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A copy of a run that was stopped at step 46 of 250, with the path of its corpus put right."""
    shutil.copy(OLD / "corpus.txt", tmp_path)
    shutil.copytree(OLD / "run", tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["source"]["corpus"] = str(tmp_path / "corpus.txt")
    file.write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path / "run"


def without_clock(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "seconds"}


def test_a_run_of_the_first_version_resumes_to_the_end_that_it_had(
    old_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """run.json, progress.json and the tensors of the checkpoint all have names of that version."""
    monkeypatch.setattr(training.lstm, "has_fast_bf16", lambda: False)  # what it rounds differs by processor
    assert main(["resume", str(old_run)]) == 0
    expected, resumed = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))["resumed"], record(old_run)
    assert resumed["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-5)
    assert len(resumed["history"]) == len(expected["history"])
    for row, before in zip(resumed["history"], expected["history"], strict=True):
        assert without_clock(row) == pytest.approx(without_clock(before), abs=1e-5)
    assert resumed["recipe"]["max_train_chars"] == 16_000
    assert resumed["recipe"]["ema_decay"] == 0.998 and resumed["recipe"]["state_reset_prob"] == 0.03
    assert (old_run / "epochs" / "epoch-01" / "model.safetensors").exists()
    before = without_seconds(resumed)
    assert main(["resume", str(old_run)]) == 0  # the checkpoint of today
    assert without_seconds(record(old_run)) == before


def test_a_resumed_run_keeps_a_recipe_that_would_be_another_today(old_run: Path) -> None:
    """It reads its text often: a run that begins today with these settings has more of both."""
    file = old_run / "run.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["recipe"] |= {"dropout": 0.2, "weight_drop": 0.0}
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert main(["resume", str(old_run)]) == 0
    recipe = record(old_run)["recipe"]
    assert (recipe["dropout"], recipe["weight_drop"]) == (0.2, 0.0)


def test_settings_of_the_first_version_are_those_of_today(old_run: Path) -> None:
    settings = RunSettings.load(old_run)
    assert settings.recipe.max_train_chars == 16_000 and settings.pretrained_init is None
    assert settings.chunk_checksums is not None and settings.chunk_checksums.chunk_chars == 256
    assert len(settings.chunk_checksums.crc32) == 14
    settings.save(old_run)
    assert RunSettings.load(old_run) == settings


def test_a_changed_corpus_of_the_first_version_is_located(old_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = old_run.parent / "corpus.txt"
    text = corpus.read_text(encoding="utf-8")
    corpus.write_text(text[:300] + "#" + text[301:], encoding="utf-8")
    assert main(["resume", str(old_run)]) == 2
    assert "differs first between the characters 256 and 512" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["model", "run/model"])
def test_a_model_of_the_first_version_gets_a_card(tmp_path: Path, folder: str) -> None:
    """Its record has the names of that version."""
    model = CharLSTM.from_pretrained(OLD / folder, device="cpu")
    model.save_pretrained(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert ("How it learned" in card) == ("time_lapse" in model.record)
    assert f"{model.record['val_loss']:.4f}" in card
