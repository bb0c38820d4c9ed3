"""Alternatives are what `generate` samples from, and it goes on from each of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from hubcharlstm import CharLSTM
from tests.conftest import TEXT, tiny_model


@pytest.fixture(params=["fp32", "int8"])
def model(request: pytest.FixtureRequest, vocabulary: Any) -> CharLSTM:
    model = tiny_model(vocabulary)
    model.precision = request.param
    return model


@pytest.mark.parametrize("position", [0, 1, 30, len(TEXT)])
def test_probabilities_are_those_of_the_score(model: CharLSTM, position: int) -> None:
    found, trace = model.alternatives(TEXT, position, k=1000), model.trace(TEXT)
    expected = np.exp([*trace.log_probs, trace.next_log_probs][position])
    assert len(found.choices) == len(model.vocabulary)
    for rank, choice in enumerate(found.choices, start=1):
        assert choice.rank == rank and model.vocabulary.chars[choice.id] == choice.character
        assert choice.probability == pytest.approx(expected[choice.id], abs=1e-5 if model.precision == "fp32" else 0.1)
    assert sum(choice.probability for choice in found.choices) == pytest.approx(1)
    assert sum(choice.sampling_probability for choice in found.choices) == pytest.approx(1)
    if position < len(TEXT):
        assert found.actual is not None and found.actual.character == TEXT[position]
        assert found.actual in found.choices
    else:
        assert found.actual is None


def test_generate_goes_on_from_each_choice_as_if_it_were_the_prompt(model: CharLSTM) -> None:
    """To the bit: the same steps in the same precision."""
    found = model.alternatives(TEXT, 12, k=3)
    for choice in found.choices:
        prompt = model.start_text + TEXT[:12] + choice.character
        expected = model.complete(prompt, max_new_tokens=30, temperature=0)
        assert model.generate(state=choice.state, max_new_tokens=30, temperature=0) == expected.text
        sampled = model.generate(choice.character, state=found.state, max_new_tokens=30, temperature=0)
        assert sampled == expected.text
    assert model.generate(state=found.state, max_new_tokens=1, temperature=0) == found.choices[0].character
    one, two = (model.generate(state=choice.state, max_new_tokens=60, temperature=1) for choice in found.choices[:2])
    assert one != two


def test_a_reply_has_the_alternatives_that_it_was_sampled_from(model: CharLSTM) -> None:
    done = model.complete("To be", max_new_tokens=20, seed=3, temperature=1.2, top_k=4)
    for position in range(20):
        found = model.alternatives(done.text, position, start_text="To be", temperature=1.2, top_k=4)
        assert found.actual is not None and found.actual.sampling_probability > 0
        assert sum(choice.sampling_probability > 0 for choice in found.choices) == 4
    after = model.alternatives("", 0, state=done.state)
    assert after.state.last_id == done.state.last_id and after.actual is None


def test_samples_follow_the_sampling_probabilities(model: CharLSTM) -> None:
    settings = {"temperature": 1.5, "top_p": 0.9}
    found = model.alternatives("To be", 5, k=1000, **settings)
    prompt = model.start_text + "To be"
    counts = Counter(model.generate(prompt, num_samples=600, seed=0, max_new_tokens=1, **settings))
    for choice in found.choices:
        share = counts[choice.character] / 600
        assert share == pytest.approx(choice.sampling_probability, abs=0.08)
        assert choice.sampling_probability > 0 or share == 0


def test_greedy_takes_the_likeliest_alone(model: CharLSTM) -> None:
    found = model.alternatives("To be", 3, temperature=0)
    assert [choice.sampling_probability for choice in found.choices] == [1.0] + [0.0] * 9
    assert found.choices[0].probability < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"position": 6}, "position is 6; expected a whole number from 0 to 5"),
        ({"position": -1}, "position is -1"),
        ({"position": 1.0}, "position is 1.0"),
        ({"position": 1, "k": 0}, "k is 0; expected a whole number of at least 1"),
        ({"position": 1, "temperature": -1}, "temperature is -1"),
        ({"position": 1, "top_p": 0}, "top_p is 0"),
    ],
)
def test_what_is_out_of_range_is_refused(model: CharLSTM, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.alternatives("To be", **arguments)


def test_a_state_of_another_model_is_refused(model: CharLSTM) -> None:
    other = tiny_model(model.vocabulary, seed=1)
    with pytest.raises(ValueError, match="comes from another model"):
        model.alternatives("To be", 1, state=other.alternatives("To be", 1).state)
    assert repr(model.alternatives("To be", 1)).startswith("Alternatives(position=1, '")
