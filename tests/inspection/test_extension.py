"""A trace that goes on from another one's beginning is the trace of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Trace, Vocabulary
from hubcharlstm.inspection import extension
from hubcharlstm.inspection.equations import transposed_recurrent
from hubcharlstm.inspection.extension import common_length, extended
from hubcharlstm.inspection.trace import SERIES, trace
from tests.conftest import TEXT, tiny_model

TOLERANCE: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-5}
OTHERS = [TEXT, TEXT[:40], TEXT + "T", TEXT[:20] + "x" + TEXT[21:], TEXT[:2], TEXT[:1], "x" + TEXT]


@pytest.fixture(params=[1, 3])
def traced(request: pytest.FixtureRequest, vocabulary: Vocabulary) -> CharLSTM:
    return tiny_model(vocabulary, num_layers=request.param)


def extend(model: CharLSTM, text: str, before: Trace | None, **options: Any) -> Trace:
    arguments = {"start_text": model.start_text, "fingerprint": model.fingerprint, **options}
    return extended(model, model.vocabulary, text, before, **arguments)


def assert_same(found: Trace, expected: Trace) -> None:
    for name in (*SERIES, "log_probs", "surprise", "next_log_probs", "initial_cell", "initial_hidden"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), **TOLERANCE, err_msg=name)
    for name in ("text", "ids", "layers", "units", "warnings"):
        assert getattr(found, name) == getattr(expected, name), name
    assert (found.state.last_id, found.state.rng) == (expected.state.last_id, expected.state.rng)
    for part, other in ((found.state.h, expected.state.h), (found.state.c, expected.state.c)):
        np.testing.assert_allclose(part, other, **TOLERANCE)


@pytest.mark.parametrize("text", OTHERS)
def test_it_is_the_trace_of_the_whole(traced: CharLSTM, text: str) -> None:
    before = traced.trace(TEXT)
    assert_same(extend(traced, text, before), traced.trace(text))
    assert_same(extend(traced, text, extend(traced, TEXT[:30] + "no", before)), traced.trace(text))
    assert_same(extend(traced, text, None, recurrent=transposed_recurrent(traced)), traced.trace(text))


def test_only_what_differs_is_computed(traced: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def counting(network: Any, vocabulary: Any, text: str, **options: Any) -> Trace:
        counts.append(len(text))
        return trace(network, vocabulary, text, **options)

    monkeypatch.setattr(extension, "trace", counting)
    before = extend(traced, TEXT, None)
    for text in (TEXT + "To", TEXT, TEXT[:40], TEXT[:30] + "TTT"):
        extend(traced, text, before)
    assert counts == [len(TEXT), 2, 1, 1, 3]


def test_substituted_characters_are_told_and_a_mark_in_the_middle_is_read_as_in_the_whole(traced: CharLSTM) -> None:
    before = traced.trace("To bé, or")
    text = "To bé, or 😀not"
    found = extend(traced, text, before)
    assert_same(found, traced.trace(text))
    assert "😀 skipped" in found.warnings[0]
    marked = Vocabulary([*traced.vocabulary.chars, "\ufeff"])
    model = tiny_model(marked)
    assert_same(extend(model, "To\ufeffbe", model.trace("Tom")), model.trace("To\ufeffbe"))


def test_beginnings_are_counted() -> None:
    assert [common_length("abc", other) for other in ("abc", "ab", "abd", "xbc", "", "abcd")] == [3, 2, 2, 0, 0, 3]
