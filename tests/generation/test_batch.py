"""Many prompts in one call: the texts of separate calls, decoded together where that changes no bit."""

from __future__ import annotations

import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from hubcharlstm import BusyError, CharLSTM, Engine
from hubcharlstm.engine.sequence import EngineRequest, GenerationRequest
from hubcharlstm.generation import batch

PROMPTS = ["To be", "", "FIRST:\nTo be, or not to be: that is the question.\n\n", "é😀", "T", "SECOND:\n" * 30]


@pytest.fixture
def int8(model: CharLSTM) -> CharLSTM:
    model.precision = "int8"
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.0},
        {"temperature": 1.0, "top_k": 5},
        {"temperature": 1.3, "stop": ["e", "\n\n"], "max_new_tokens": 300},
        {"max_new_tokens": 1},
        {"top_p": 0.9, "min_p": 0.01, "max_new_tokens": 70},
    ],
)
@pytest.mark.parametrize("batch_size", [None, 2, 3, 100])
def test_a_list_in_int8_gives_the_texts_of_separate_calls(
    int8: CharLSTM, settings: dict[str, Any], batch_size: int | None
) -> None:
    alone = [int8.generate(prompt, seed=4, **settings) for prompt in PROMPTS]
    assert int8.generate(PROMPTS, seed=4, batch_size=batch_size, **settings) == alone


def test_a_list_in_int8_is_decoded_together(int8: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of prompts was decoded one after the other, in three times the time of a batch."""
    sizes: list[tuple[int, int]] = []
    decode = batch.decode_batch
    monkeypatch.setattr(
        batch,
        "decode_batch",
        lambda decoder, requests, size: sizes.append((len(requests), size)) or decode(decoder, requests, size),
    )
    int8.generate(PROMPTS, seed=1, max_new_tokens=3)
    int8.generate("To be", num_samples=3, seed=1, max_new_tokens=3)
    assert sizes == [(6, 256), (3, 256)]


def test_samples_use_one_seed_after_another(int8: CharLSTM) -> None:
    alone = [int8.generate("To be", seed=seed, max_new_tokens=20) for seed in (9, 10, 11)]
    assert int8.generate("To be", seed=9, num_samples=3, max_new_tokens=20) == alone
    assert len(set(int8.generate("To be", num_samples=2, max_new_tokens=30))) == 2


def test_fp32_decodes_one_by_one_unless_asked(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    model.precision = "fp32"
    alone = [model.generate(prompt, seed=4, max_new_tokens=30) for prompt in PROMPTS]
    together = model.generate(PROMPTS, seed=4, max_new_tokens=30, batch_size=4)
    assert [len(text) for text in together] == [30] * len(PROMPTS)
    monkeypatch.setattr(batch, "decode_batch", lambda *_: pytest.fail("decoded as a batch"))
    assert model.generate(PROMPTS, seed=4, max_new_tokens=30) == alone


def test_a_list_goes_on_from_a_state_as_separate_calls_do(int8: CharLSTM) -> None:
    done = int8.complete("To be", max_new_tokens=20, seed=2, stop="\n\n")
    alone = [int8.generate(prompt, state=done.state, seed=4, max_new_tokens=20) for prompt in ("", " or", "T")]
    assert int8.generate(["", " or", "T"], state=done.state, seed=4, max_new_tokens=20) == alone


def test_an_engine_decodes_a_list_too(int8: CharLSTM) -> None:
    engine = Engine(int8.decoder, max_rows=2)
    alone = [int8.generate(prompt, seed=4, max_new_tokens=20) for prompt in PROMPTS]
    assert int8.generate(PROMPTS, seed=4, max_new_tokens=20, engine=engine) == alone
    engine.close()


def test_no_prompts_give_no_texts(int8: CharLSTM) -> None:
    assert int8.generate([]) == []


@pytest.mark.parametrize("batch_size", [0, -1, True, 2.0, "4"])
def test_a_batch_of_no_rows_is_refused(model: CharLSTM, batch_size: Any) -> None:
    with pytest.raises(ValueError, match=r"batch_size is .*expected a whole number of at least 1"):
        model.generate(["a", "b"], batch_size=batch_size)


def test_a_prompt_of_another_type_is_refused(int8: CharLSTM) -> None:
    with pytest.raises(ValueError, match="type int; expected a string"):
        int8.generate(["To be", 3])  # type: ignore[list-item]  # what is tested
    with pytest.raises(ValueError, match="Both a list of prompts and num_samples"):
        int8.generate(["To be"], num_samples=np.int64(2))  # type: ignore[call-overload]  # what is tested


def test_what_has_ended_is_let_go(int8: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """States, uniforms and last ids of all samples stayed in memory until the last one had ended."""
    alive: weakref.WeakSet[EngineRequest] = weakref.WeakSet()
    counts: list[int] = []

    class Counted(EngineRequest):
        def __init__(self, request: GenerationRequest, max_buffered_tokens: int | None) -> None:
            super().__init__(request, max_buffered_tokens)
            alive.add(self)
            counts.append(len(alive))

    monkeypatch.setattr(batch, "EngineRequest", Counted)
    assert len(int8.generate("To be", num_samples=40, batch_size=4, seed=1, max_new_tokens=3)) == 40
    assert len(counts) == 40 and max(counts) <= 5  # four rows, and the one that has ended last


def test_a_text_that_a_closed_engine_cut_off_is_not_returned_as_whole(int8: CharLSTM) -> None:
    """`generate` returned what there was, and nothing told that more had been asked for."""
    engine = Engine(int8.decoder)
    with ThreadPoolExecutor(1) as pool:
        text = pool.submit(int8.generate, "To be", max_new_tokens=100_000, seed=1, engine=engine)
        while not engine.load["running"]:
            time.sleep(0.001)
        engine.close()
        with pytest.raises(BusyError, match="The engine was closed after"):
            text.result()
