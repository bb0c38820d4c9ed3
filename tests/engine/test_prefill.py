"""Prompts that are prefilled beside others."""

from __future__ import annotations

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams
from hubcharlstm.engine.prefill import MAX_BATCHED_IDS, Prefill, Prefilled, prefill_for
from hubcharlstm.engine.sequence import EngineRequest, GenerationRequest
from tests.conftest import tiny_model

LENGTHS = (2, 3, 40, MAX_BATCHED_IDS + 30, 300, 17)
PRECISIONS = ("fp32", "int8")


@pytest.fixture(scope="module")
def model() -> CharLSTM:
    return tiny_model(Vocabulary("abcdefgh \n"), hidden_size=40, seed=3)


def engine_request(length: int, state: tuple[torch.Tensor, torch.Tensor] | None = None) -> EngineRequest:
    ids = tuple((7 * n + length) % 10 for n in range(length))
    rng = RandomStream.for_request(1, ids, None)
    return EngineRequest(GenerationRequest(ids, 5, SamplingParams(), rng, state=state), None)


def finish_prefill(prefill: Prefill, count: int) -> list[Prefilled]:
    """Step until `count` requests are through -> those requests, in the order in which they were."""
    done: list[Prefilled] = []
    while len(done) < count:
        done += prefill.step()
    assert prefill.step() == []
    return done


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_prompt_leads_to_the_state_that_it_leads_to_alone(model: CharLSTM, precision: str) -> None:
    decoder = Decoder(model, precision)
    prefill, requests = prefill_for(decoder, 16), [engine_request(length) for length in LENGTHS]
    for request in requests:
        prefill.add(request)
    done = finish_prefill(prefill, len(requests))
    assert {request for request, _ in done} == set(requests)
    for request in requests:
        *pending_ids, last = request.sequence.request.pending_ids
        assert request.sequence.pending_ids == (last,)
        assert request.sequence.state is not None
        for part, alone in zip(request.sequence.state, decoder.prefill(pending_ids, None), strict=True):
            assert torch.equal(part, alone)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_short_prompt_does_not_wait_for_a_long_one(model: CharLSTM, precision: str) -> None:
    prefill, long, short = prefill_for(Decoder(model, precision), 4), engine_request(640), engine_request(3)
    assert len(long.sequence.pending_ids) == 10 * PREFILL_CHUNK
    prefill.add(long)
    prefill.add(short)
    assert [request for request, _ in finish_prefill(prefill, 2)] == [short, long]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_was_read_when_it_was_cancelled_is_not_read_again(model: CharLSTM, precision: str) -> None:
    decoder = Decoder(model, precision)
    prefill, request, other = prefill_for(decoder, 4), engine_request(400), engine_request(390)
    prefill.add(request)
    prefill.add(other)
    prefill.step()
    prefill.remove([request])
    sequence = request.sequence
    assert 1 < len(sequence.pending_ids) < 400
    rest = decoder.prefill(sequence.pending_ids[:-1], sequence.state)
    for part, whole in zip(rest, decoder.prefill(sequence.request.pending_ids[:-1], None), strict=True):
        torch.testing.assert_close(part, whole, atol=1e-5, rtol=0)
    assert finish_prefill(prefill, 1) == [(other, None)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_request_that_is_cancelled_before_its_first_step_is_not_read(model: CharLSTM, precision: str) -> None:
    prefill, request, other = prefill_for(Decoder(model, precision), 4), engine_request(40), engine_request(20)
    prefill.add(request)
    prefill.add(other)
    prefill.remove([request])
    assert finish_prefill(prefill, 1) == [(other, None)]
    assert len(request.sequence.pending_ids) == 40


def test_a_state_that_does_not_fit_is_the_fault_of_one_request(model: CharLSTM) -> None:
    wrong = (torch.zeros(1, 1, 7), torch.zeros(1, 1, 7))
    for precision in PRECISIONS:
        prefill = prefill_for(Decoder(model, precision), 4)
        good, bad = engine_request(20), engine_request(20, wrong)
        prefill.add(bad)
        prefill.add(good)
        errors = dict(finish_prefill(prefill, 2))
        assert errors[good] is None
        assert isinstance(errors[bad], Exception)
