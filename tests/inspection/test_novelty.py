"""A model of a list tells lines that it was trained on from new ones, by hashes in its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcharlstm import CharLSTM, cli, cli_generate
from hubcharlstm.inspection.novelty import MAX_LINES, TrainingLines, hash_lines

NAMES = ["Anna", "Zoë", "Bruno", "Édouard"]


def test_the_lines_of_the_text_are_known_and_no_others() -> None:
    known = TrainingLines({"corpus": {"line_hashes": hash_lines([*NAMES, "", " Anna "])}})
    assert all(name in known and f" {name}\n" in known for name in NAMES)
    assert not any(name in known for name in ("Ann", "anna", "", "Bruna", 5))


def test_a_long_list_records_nothing() -> None:
    assert hash_lines(str(n) for n in range(MAX_LINES)) is not None
    assert hash_lines(str(n) for n in range(MAX_LINES + 1)) is None
    assert hash_lines([]) is None


@pytest.mark.parametrize("corpus", [None, {}, {"line_hashes": 5}, {"line_hashes": "?"}, {"line_hashes": "AAA="}])
def test_a_record_without_hashes_is_refused(corpus: object) -> None:
    with pytest.raises(ValueError, match="no lines of its training text; expected a model of a list"):
        TrainingLines({"corpus": corpus})


def test_the_last_try_counts(
    model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that was found at the last try was printed, and then the command said that it had not been found."""
    model.record = {"corpus": {"line_hashes": hash_lines(NAMES)}}
    model.save_pretrained(tmp_path / "names")
    tries = ((seed, model.complete("To", stop="\n", seed=seed, max_new_tokens=100)) for seed in range(500))
    seed, done = next((seed, done) for seed, done in tries if done.finish_reason == "stop")
    monkeypatch.setattr(cli_generate, "MAX_TRIES", 1)
    options = ["--novel", "--seed", str(seed), "--max-new-tokens", "100", "--model", str(tmp_path / "names")]
    assert cli.main(["generate", "To", *options]) == 0
    assert capsys.readouterr().out == f"{('To' + done.text).strip()}\n"
