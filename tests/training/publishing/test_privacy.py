"""Before a model is published it is said which lines, names and addresses of the text become public with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.__main__ import main
from training.publishing.privacy import note_of_folder, privacy_note


def test_names_addresses_and_numbers_are_counted_and_shown() -> None:
    note = privacy_note(
        ["mira: call me ", "tovo: at "],
        ["mira", "tovo", "Anselm", "joe"],
        ["write to ann@example.org or a.b+c@mail.example.com", "my number is +49 170 1234567 or (0170) 123-4567"],
    )
    assert "2 beginnings of lines as examples, such as 'tovo: at '" in note
    assert "the names mira, tovo, Anselm and 1 more as a menu" in note
    assert "2 e-mail addresses, such as a.b+c@mail.example.com" in note and "telephone numbers" in note
    assert "--private" in note


@pytest.mark.parametrize("text", ["It was 1984, page 12, 3.14159265358979.", "8:21:00", "2024", "user@host"])
def test_numbers_and_dates_are_no_telephone_numbers(text: str) -> None:
    assert privacy_note([], [], [text]) == ""


def test_a_chat_is_told_in_the_pre_flight_and_of_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "mira: hello there my friend\nAnselm: how are you doing today\n" * 40
    (tmp_path / "chat.txt").write_text(lines, encoding="utf-8")
    argv = ["fit", str(tmp_path / "chat.txt"), "--out", str(tmp_path / "run"), "--hidden-size", "8"]
    assert main([*argv, "--max-train-chars", "2000"]) == 0
    assert "the names mira, Anselm as a menu" in capsys.readouterr().out.replace("Anselm, mira", "mira, Anselm")
    note = note_of_folder(tmp_path / "run" / "model")
    assert "as a menu" in note and note.startswith("Public with the model: ")
    (tmp_path / "empty").mkdir()
    assert note_of_folder(tmp_path / "empty") == ""


def test_a_record_from_elsewhere_may_hold_anything(tmp_path: Path) -> None:
    """A number for samples was a `TypeError`, and its model could not be pushed."""
    for samples in ("5", "true", '{"text": "ann@example.org"}', "[5, {}]"):
        (tmp_path / "training.json").write_text(f'{{"samples": {samples}}}', encoding="utf-8")
        assert note_of_folder(tmp_path) == ""
