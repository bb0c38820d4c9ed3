"""The arguments of `generate`, `complete` and `stream`: visible, checked, and never ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Engine, GenerationConfig
from hubcharlstm.generation.request import GenerationArguments

METHODS = ("generate", "complete", "stream")


@pytest.mark.parametrize("name", METHODS)
def test_the_signature_shows_every_argument_with_its_type_and_default(name: str) -> None:
    parameters = inspect.signature(getattr(CharLSTM, name)).parameters
    assert not [p for p in parameters.values() if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    shared = [parameter for key, parameter in parameters.items() if key in GenerationArguments.__annotations__]
    assert [p.name for p in shared] == list(GenerationArguments.__annotations__)
    assert all(p.default is None and p.kind is p.KEYWORD_ONLY and p.annotation is not p.empty for p in shared)


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_argument_is_refused_by_name(model: CharLSTM, name: str) -> None:
    method: Callable[..., Any] = getattr(model, name)
    with pytest.raises(TypeError, match="max_tokens"):
        method("To be", max_tokens=5)


def test_a_bound_on_buffered_tokens_needs_an_engine(model: CharLSTM) -> None:
    """Without an engine it was ignored, and below 1 an engine never wrote a character."""
    with pytest.raises(ValueError, match=r"max_buffered_tokens is 5 without an engine; expected an engine"):
        model.stream("To be", max_buffered_tokens=5)
    with pytest.raises(ValueError, match="without an engine"):
        model.generate(["To be", "or"], max_buffered_tokens=5, batch_size=2)
    engine = Engine(model.decoder)
    with pytest.raises(ValueError, match="max_buffered_tokens is -5"):
        model.stream("To be", max_buffered_tokens=-5, engine=engine)
    engine.close()


def test_numpy_numbers_are_accepted(model: CharLSTM) -> None:
    """Integers that NumPy had made were refused for seed, top_k and max_new_tokens."""
    plain = model.generate("To be", max_new_tokens=7, seed=3, top_k=4, temperature=0.5)
    assert plain == model.generate(
        "To be", max_new_tokens=np.int64(7), seed=np.uint32(3), top_k=np.int16(4), temperature=np.float32(0.5)
    )  # fmt: skip
    assert len(model.generate("To be", num_samples=np.int64(2), max_new_tokens=3)) == 2
    assert model.score("To be", num_chunks=np.int64(1)).nats == model.score("To be").nats


@pytest.mark.parametrize("value", [True, 1.0, np.float64(2), "3", np.bool_(True), np.array([1, 2])])
def test_what_is_no_whole_number_is_refused(model: CharLSTM, value: Any) -> None:
    with pytest.raises(ValueError, match=r"max_new_tokens is .*whole number"):
        model.generate("To be", max_new_tokens=value)


def test_a_default_length_that_no_call_accepts_is_lowered_at_load(caplog: pytest.LogCaptureFixture) -> None:
    """Such a generation_config.json loaded without a word, and then every call failed."""
    config = GenerationConfig.from_dict({"max_new_tokens": 200_000})
    assert config.max_new_tokens == 100_000
    assert "200000" in caplog.text
    with pytest.raises(ValueError, match=r"max_new_tokens is 200000; expected a whole number of at least 1 and up to"):
        GenerationConfig(max_new_tokens=200_000)
