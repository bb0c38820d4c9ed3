"""A model of a list tells lines that it was trained on from new ones, by hashes in its record."""

from __future__ import annotations

import pytest

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
