"""A cell gets a name if it follows a probe on held-out text, and none by chance."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.inspection import NamedCell, name_cells
from hubcharlstm.inspection.cell_report import CellReport, cell_report
from hubcharlstm.inspection.cells import MAX_P_VALUE, MIN_CORRELATION, match_cells
from hubcharlstm.inspection.probes import PROBES, probe_values
from tests.conftest import tiny_model


def a_play(seed: int = 0, lines: int = 400) -> str:
    words = ["Queen", "moon", "is", "over", "a", "quiet", "sea", "and", "Rome", "12", "go", "never"]
    rng = random.Random(seed)
    text = ""
    for number in range(lines):
        text += "" if number % 5 else "\nMARY:\n"
        text += " ".join(rng.choice(words) for _ in range(rng.randint(3, 12))) + rng.choice([".\n", ",\n", "\n"])
    return text


def values(name: str, text: str) -> list[float]:
    return probe_values(text)[list(PROBES).index(name)].tolist()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("line_position", "ab\nc", [1, 2, 0, 1]),
        ("line_end", "ab\nc", [0, 1, 0, 0]),
        ("speaker_name", "Mary: hi\nJOHN\nno", [1] * 5 + [0] * 4 + [1] * 4 + [0] * 3),
        ("near_empty_line", "ab\n\n" + "c" * 22, [0, 0] + [1] * 22 + [0, 0]),
        ("upper_case", "aB1", [0, 1, 0]),
        ("next_upper_case", "aB1", [1, 0, 0]),
        ("in_word", "a b'", [1, 0, 1, 0]),
        ("word_depth", "ab cde", [1, 2, 0, 1, 2, 3]),
        ("word_end", "ab c.", [0, 1, 0, 1, 0]),
        ("after_punctuation", "a, b", [0, 1, 0, 0]),
        ("in_quotes_or_brackets", 'a (b) "c" d', [0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0]),
        ("next_vowel", "bab", [1, 0, 0]),
        ("vowel", "bab", [0, 1, 0]),
        ("digit", "a1", [0, 1]),
        ("sentence_length", "ab. c", [1, 2, 0, 1, 2]),
    ],
)
def test_each_probe_says_what_its_description_says(name: str, text: str, expected: list[float]) -> None:
    assert values(name, text) == expected


def test_every_probe_takes_any_text() -> None:
    assert len(PROBES) >= 12
    for text in ("", "\n", "(" * 3000, "\x00\u202e<script>"):
        assert probe_values(text).shape == (len(PROBES), len(text))


def test_a_cell_that_follows_a_probe_is_named_and_one_that_does_not_is_not() -> None:
    text = a_play()[:6000]
    probes = probe_values(text)
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.standard_normal((len(text), 40), dtype=np.float32), axis=0) / 50  # slow, like many cells
    planted = {3: "upper_case", 17: "line_position", 25: "in_word"}
    for n, name in planted.items():
        probe = probes[list(PROBES).index(name)]
        noise = rng.standard_normal(len(text), dtype=np.float32)
        smooth[:, n] = -(probe - probe.mean()) / probe.std() + 0.3 * noise
    chosen, correlations, p_values = match_cells(smooth, probes)
    good = np.flatnonzero((p_values <= MAX_P_VALUE) & (np.abs(correlations) >= MIN_CORRELATION))
    assert good.tolist() == list(planted)
    assert [list(PROBES)[chosen[n]] for n in good] == list(planted.values())
    assert all(correlations[n] < -0.9 for n in good)


@pytest.mark.parametrize("smoothness", [1, 30])
def test_noise_is_named_no_more_often_than_the_level_of_the_test_allows(smoothness: int) -> None:
    """Sixty cells of noise in each of 12 texts: at a level of 0.01 for all cells of a text, hardly one has a name."""
    found = 0
    for seed in range(12):
        noise = np.random.default_rng(seed).standard_normal((2000 + smoothness, 60), dtype=np.float32).cumsum(axis=0)
        cells = noise[smoothness:] - noise[:-smoothness]
        _, _, p_values = match_cells(cells, probe_values(a_play(seed)[:2000]))
        found += bool((p_values <= MAX_P_VALUE).any())
    assert found <= 1


def upper_case_model() -> CharLSTM:
    """Unit 5 of layer 1 follows upper case: its input gate is open, its candidate is the case of the character."""
    vocabulary = Vocabulary.from_text(a_play())
    model = tiny_model(vocabulary, hidden_size=24, num_layers=1)
    with torch.no_grad():
        upper = torch.tensor([1.0 if char.isupper() else -1.0 for char in vocabulary.chars])
        model.embedding.weight[:, 0] = upper
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            model.lstm.get_parameter(name)[5::24] = 0.0
        model.lstm.bias_ih_l0[5] = 9.0  # i = 1
        model.lstm.bias_ih_l0[24 + 5] = -9.0  # f = 0
        model.lstm.weight_ih_l0[48 + 5, 0] = 2.0  # g = the case
    return model


def test_the_cells_of_a_network_are_named() -> None:
    model = upper_case_model()
    model.precision = "fp32"
    found = name_cells(model, model.vocabulary, a_play(1))
    assert found == name_cells(model, model.vocabulary, a_play(1))
    assert found[0] == NamedCell(0, 5, "upper_case", found[0].correlation, 0.005)
    assert found[0].correlation > 0.99 and found[0].description == "an upper-case letter"
    strengths = [abs(cell.correlation) for cell in found]
    assert strengths == sorted(strengths, reverse=True) and min(strengths) >= MIN_CORRELATION
    assert name_cells(model, model.vocabulary, a_play(1)[:1000]) == ()
    report = cell_report(
        model, model.vocabulary, a_play(1), passage="aQueen", start_text="\n", fingerprint=model.fingerprint
    )
    assert report.cells == found and report.passage == "aQueen"
    assert report.strongest[0] == found[0] and len({cell.probe for cell in report.strongest}) == len(report.strongest)
    assert [value > 0 for value in report.activations[0]] == [char.isupper() for char in "aQueen"]
    assert CellReport.from_dict(report.to_dict(), model.config) == report


CELL = {"layer": 0, "unit": 5, "probe": "upper_case", "correlation": 0.9, "p_value": 0.005}
GOOD: dict[str, Any] = {"cells": [CELL], "passage": "ab", "activations": [[100, -100]]}


def test_a_name_of_a_later_version_is_shown_as_it_is(model: CharLSTM) -> None:
    report = CellReport.from_dict(GOOD | {"cells": [CELL | {"probe": "inside_a_url"}]}, model.config)
    assert report.cells[0].description == "inside a url"
    assert CellReport.from_dict({"cells": [], "passage": "", "activations": []}, model.config) == CellReport(())


@pytest.mark.parametrize(
    "change",
    [
        {"cells": None}, {"cells": [CELL] * 2}, {"cells": [CELL] * 49}, {"cells": [3]}, {"activations": None},
        {"activations": []}, {"activations": [[1]]}, {"activations": [[1, 101]]}, {"activations": [[1, 0.5]]},
        {"activations": [[1, 2], [1, 2]]}, {"passage": 3}, {"passage": "a" * 1001}, {"passage": ""},
        *({"cells": [CELL | part]} for part in (
            {"layer": 2}, {"layer": -1}, {"unit": 24}, {"unit": True}, {"unit": 0.5}, {"correlation": 1.5},
            {"correlation": None}, {"p_value": -1}, {"p_value": float("nan")}, {"probe": "<b>"}, {"probe": ""},
            {"probe": "a" * 41}, {"probe": 3},
        )),
    ],
)  # fmt: skip
def test_a_report_from_elsewhere_is_checked(model: CharLSTM, change: dict[str, Any]) -> None:
    assert CellReport.from_dict(GOOD, model.config).activations == ((100, -100),)
    with pytest.raises(ValueError, match=r"cells\.json .*expected"):
        CellReport.from_dict(GOOD | change, model.config)
