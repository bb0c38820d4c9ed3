"""States of texts read last: the same numbers to the bit, within bounds, for the same owner alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM
from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.decoding.sampling import SamplingParams
from hubcharlstm.inspection.alternatives import Alternatives, alternatives
from hubcharlstm.inspection.prefix_states import PrefixStates, num_bytes
from hubcharlstm.network import State
from tests.conftest import TEXT, tiny_model

LONG = TEXT * 5


class CountingDecoder(Decoder):
    """Counts the ids that it reads."""

    def __init__(self, model: CharLSTM) -> None:
        super().__init__(model, model.precision)
        self.count = 0

    def prefill(self, ids: Any, state: State | None, clamp: Clamp = ()) -> State:
        self.count += len(ids)
        return super().prefill(ids, state, clamp)


@pytest.fixture(params=["fp32", "int8"])
def model(request: pytest.FixtureRequest, vocabulary: Any) -> CharLSTM:
    model = tiny_model(vocabulary)
    model.precision = request.param
    return model


def ask(model: CharLSTM, decoder: Decoder, position: int, states: PrefixStates | None, **options: Any) -> Alternatives:
    arguments = {"k": 5, "sampling": SamplingParams(0.8), "start_text": "\n", "fingerprint": model.fingerprint}
    return alternatives(decoder, model.vocabulary, LONG, position, states=states, **{**arguments, **options})


def test_every_place_is_as_without_them_and_a_second_one_costs_a_few_steps(model: CharLSTM) -> None:
    decoder, states = CountingDecoder(model), PrefixStates()
    for position in (len(LONG), 300, 0, 1, PREFILL_CHUNK - 1, PREFILL_CHUNK, PREFILL_CHUNK + 1, 301, len(LONG) - 1):
        expected, decoder.count = ask(model, decoder, position, None), 0
        assert ask(model, decoder, position, states, owner="a") == expected
        assert decoder.count == position if position == len(LONG) else decoder.count < PREFILL_CHUNK


def test_another_clamp_owner_model_or_beginning_has_states_of_its_own(model: CharLSTM, vocabulary: Any) -> None:
    decoder, states = CountingDecoder(model), PrefixStates()
    ask(model, decoder, 200, states, owner="a")
    for options in ({"owner": "b"}, {"owner": "a", "clamp": ((0, 3, 2.0),)}, {"owner": "a", "start_text": "To be"}):
        decoder.count = 0
        found = ask(model, decoder, 200, states, **options)
        assert decoder.count >= 200 and found == ask(model, decoder, 200, None, **options)
    other = tiny_model(vocabulary)
    other.precision = model.precision
    with torch.no_grad():
        other.head.bias.normal_()
    counting = CountingDecoder(other)
    assert ask(other, counting, 200, states, owner="a") == ask(other, counting, 200, None)


def test_what_nobody_used_longest_goes_first(model: CharLSTM) -> None:
    decoder = CountingDecoder(model)
    size = num_bytes(decoder.initial_state(1))
    states = PrefixStates(max_bytes=3 * size)
    ask(model, decoder, len(LONG), states, owner="a")
    assert len(states) == 3
    decoder.count = 0
    ask(model, decoder, len(LONG), states, owner="a")
    assert decoder.count < PREFILL_CHUNK
