"""The rest of a stream at once: sampled in bursts, it is what its pieces would be."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcharlstm import CharLSTM, Vocabulary
from tests.conftest import tiny_model

MODEL = tiny_model(Vocabulary.from_text("FIRST:\nTo be, or not to be\n\nSECOND:\nnobler?\n\n"))


@given(
    taken=st.integers(0, 40),
    count=st.integers(1, 60),
    stop=st.sampled_from([None, "e", "or", ["T", "no"]]),
    temperature=st.sampled_from([0, 0.8]),
    clamp=st.sampled_from([None, {(0, 3): 2.0}]),
)
@settings(max_examples=60, deadline=None)
def test_the_rest_at_once_is_the_text_of_the_pieces(
    taken: int, count: int, stop: str | list[str] | None, temperature: float, clamp: dict[tuple[int, int], float] | None
) -> None:
    """It is sampled in bursts, which must end where single pieces do: at a stop string, at the last character."""
    slow, fast = (
        MODEL.stream("To be", max_new_tokens=count, seed=7, stop=stop, temperature=temperature, clamp=clamp)
        for _ in range(2)
    )
    pieces = "".join(slow)
    first = "".join(piece for _, piece in zip(range(taken), fast, strict=False))
    assert first + fast.generate_rest() == pieces == fast.text
    assert fast.generate_rest() == ""
    expected, got = slow.completion, fast.completion
    assert (got.text, got.finish_reason, got.num_tokens) == (expected.text, expected.finish_reason, expected.num_tokens)
    assert torch.equal(got.state.c, expected.state.c) and torch.equal(got.state.h, expected.state.h)


def test_a_cancelled_stream_has_no_rest(model: CharLSTM) -> None:
    stream = model.stream("To be", max_new_tokens=50, seed=3)
    first = next(stream)
    stream.cancel()
    assert stream.generate_rest() == ""
    assert (stream.completion.text, stream.completion.finish_reason) == (first, "cancelled")
