"""run.json is checked when it is loaded, and those of earlier versions are migrated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import training.pipeline
from tests.support.training_cli import refused
from training.__main__ import main
from training.recipe import Recipe


def test_a_run_of_a_version_without_patience_goes_on_without_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a run was refused as damaged; with the default of today it would end earlier than it was to."""
    file = finished / "run.json"
    before = file.read_text(encoding="utf-8")
    settings = json.loads(before)
    del settings["recipe"]["patience"], settings["recipe"]["state_reset_prob"], settings["recipe"]["ema_decay"]
    del settings["tracker"]
    file.write_text(json.dumps(settings), encoding="utf-8")
    seen: list[Recipe] = []
    fit = training.pipeline.fit

    def recorded(corpus: Any, recipe: Recipe, *rest: Any, **named: Any) -> Any:
        seen.append(recipe)
        return fit(corpus, recipe, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.pipeline.fit", recorded)
        assert main(["resume", str(finished)]) == 0
    assert (seen[0].patience, seen[0].state_reset_prob, seen[0].ema_decay) == (0, 0.0, 0.0)
    del settings["recipe"]["hidden_size"]
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert "run.json is damaged (no hidden_size in its recipe)" in refused(["resume", str(finished)], capsys)
    file.write_text(before, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("recipe", 5, "recipe is 5"), ("recipe.batch_size", 2.5, "batch_size is 2.5 in its recipe"),
        ("recipe.seed", True, "seed is True in its recipe"), ("source.corpus", 5, "corpus is 5 in its source"),
        ("pretrained_init", {"name": "x"}, "no chars in its pretrained_init"), ("hub", 5, "hub is 5"),
        ("card", 5, "card is 5"), ("keep_epochs", 7, "keep_epochs is 7"), ("baselines", 3, "baselines is 3"),
        ("chunk_checksums", {}, "no train_chars in its chunk_checksums"),
    ],
)  # fmt: skip
def test_a_run_json_that_somebody_edited_is_refused_by_what_is_wrong_in_it(
    finished: Path, capsys: pytest.CaptureFixture[str], name: str, value: Any, fault: str
) -> None:
    """Each of these ended in a traceback."""
    file = finished / "run.json"
    before = file.read_text(encoding="utf-8")
    settings = json.loads(before)
    part, _, key = name.rpartition(".")
    (settings[part] if part else settings)[key] = value
    file.write_text(json.dumps(settings), encoding="utf-8")
    try:
        assert f"run.json is damaged ({fault}" in refused(["resume", str(finished)], capsys)
    finally:
        file.write_text(before, encoding="utf-8")


def test_what_is_no_run_cannot_be_resumed_or_pushed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no run.json" in refused(["resume", str(tmp_path)], capsys)
    assert "has no run.json" in refused(["resume", str(tmp_path / "none")], capsys)
    assert "There is no folder" in refused(["push", str(tmp_path / "none"), "user/name"], capsys)
    assert "has no config.json" in refused(["push", str(tmp_path), "user/name"], capsys)
    for damaged in ("", "[]", "{}", '{"recipe": {}, "source": {}, "dtype": "float32", "sha256": ""}', "\udcff"):
        (tmp_path / "run.json").write_text(damaged, encoding="utf-8", errors="surrogateescape")
        assert "run.json is damaged" in refused(["resume", str(tmp_path)], capsys)
