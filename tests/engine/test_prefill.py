"""Prompts that are read beside others."""

from __future__ import annotations

from collections import deque

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams
from hubcharlstm.engine.prefill import READ_AT_ONCE, Done, Prefill, prefill_for
from hubcharlstm.engine.sequence import EngineRequest, Request
from tests.conftest import tiny_model

LENGTHS = (2, 3, 40, READ_AT_ONCE + 30, 300, 17)
PRECISIONS = ("fp32", "int8")


@pytest.fixture(scope="module")
def model() -> CharLSTM:
    return tiny_model(Vocabulary("abcdefgh \n"), hidden_size=40, seed=3)


def job(length: int, state: tuple[torch.Tensor, torch.Tensor] | None = None) -> EngineRequest:
    ids = tuple((7 * n + length) % 10 for n in range(length))
    return EngineRequest(Request(ids, 5, SamplingParams(), RandomStream.for_request(1, ids, None), state=state), None)


def read_through(prompts: Prefill, jobs: deque[EngineRequest]) -> list[Done]:
    """In the order in which they were through."""
    through: list[Done] = []
    while jobs:
        for one, error in prompts.read(jobs):
            jobs.remove(one)
            through.append((one, error))
    return through


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_prompt_leads_to_the_state_that_it_leads_to_alone(model: CharLSTM, precision: str) -> None:
    decoder = Decoder(model, precision)
    jobs = [job(length) for length in LENGTHS]
    through = read_through(prefill_for(decoder, 16), deque(jobs))
    assert {one for one, _ in through} == set(jobs)
    for one in jobs:
        *pending_ids, last = one.sequence.request.pending_ids
        assert one.sequence.pending_ids == (last,)
        assert one.sequence.state is not None
        for part, alone in zip(one.sequence.state, decoder.read(pending_ids, None), strict=True):
            assert torch.equal(part, alone)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_short_prompt_does_not_wait_for_a_long_one(model: CharLSTM, precision: str) -> None:
    long, short = job(10 * PREFILL_CHUNK), job(3)
    through = read_through(prefill_for(Decoder(model, precision), 4), deque([long, short]))
    assert [one for one, _ in through] == [short, long]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_was_read_when_it_was_cancelled_is_not_read_again(model: CharLSTM, precision: str) -> None:
    decoder = Decoder(model, precision)
    prompts, one, other = prefill_for(decoder, 4), job(400), job(390)
    jobs = deque([one, other])
    prompts.read(jobs)
    jobs.remove(one)
    prompts.forget([one])
    sequence = one.sequence
    assert 1 < len(sequence.pending_ids) < 400
    rest = decoder.read(sequence.pending_ids[:-1], sequence.state)
    for part, whole in zip(rest, decoder.read(sequence.request.pending_ids[:-1], None), strict=True):
        torch.testing.assert_close(part, whole, atol=1e-5, rtol=0)
    assert [error for _, error in read_through(prompts, jobs)] == [None]


def test_a_state_that_does_not_fit_is_the_fault_of_one_request(model: CharLSTM) -> None:
    wrong = (torch.zeros(1, 1, 7), torch.zeros(1, 1, 7))
    for precision in PRECISIONS:
        good, bad = job(20), job(20, wrong)
        found = dict(read_through(prefill_for(Decoder(model, precision), 4), deque([bad, good])))
        assert found[good] is None
        assert isinstance(found[bad], Exception)
