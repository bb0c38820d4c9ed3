"""Fixtures of the app's tests. Imports of the app stand inside, for it needs Gradio, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hubcharlstm import CharLSTM, TextStream


@pytest.fixture(scope="module")
def chat_model() -> CharLSTM:
    """A tiny model with examples and speakers."""
    from tests.support.chat_doubles import TALK, tiny_model

    return tiny_model(examples=("ROMEO:\n", "To be, or "), **TALK)


@pytest.fixture(scope="module")
def served_model(chat_model: CharLSTM) -> Iterator[Any]:
    from hubcharlstm.demo.served_model import ServedModel

    served = ServedModel.of("tiny", "user/tiny", chat_model)
    yield served
    served.engine.close()


@pytest.fixture
def fast_pacing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading pace that no test has to wait for."""
    from hubcharlstm.demo.chat import pacing

    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 2_000)
    monkeypatch.setattr(pacing, "UPDATE_SECONDS", 0.005)


@pytest.fixture
def opened_streams(monkeypatch: pytest.MonkeyPatch) -> list[TextStream]:
    """Every stream that a served model opens from here on."""
    from hubcharlstm.demo import served_model

    streams: list[TextStream] = []

    def open_stream(*args: Any, **kwargs: Any) -> TextStream:
        streams.append(TextStream(*args, **kwargs))
        return streams[-1]

    monkeypatch.setattr(served_model, "TextStream", open_stream)
    return streams
