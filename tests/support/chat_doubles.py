"""Tiny models with letters and speakers, what a page sends to them, and stand-ins for what streams text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, TextStream, Vocabulary
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.replies import Delivery, ReplyWriter
from hubcharlstm.demo.chat.requests import ChatRequest
from hubcharlstm.demo.chat.turns import Turn
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.words.catalogue import Sentence

LETTERS = "\n !&'*,-.:;<>?_`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz{}"
TURN = "0123456789abcdef"
CONTROLS: dict[str, Any] = {"temperature": 0.8, "length": 40, "seed": "7", "locked": True, "full_speed": True}
TALK: dict[str, Any] = {
    "speakers": ("ROMEO", "JULIET"),
    "turn_template": "STRANGER:\n{message}\n\n{speaker}:\n",
    "turn_stop": "\n\n",
}


def tiny_model(**generation: Any) -> CharLSTM:
    """A model with random weights. generation: of its `GenerationConfig`."""
    torch.manual_seed(0)
    vocabulary = Vocabulary(sorted(LETTERS))
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    return CharLSTM(config, vocabulary, generation_config=GenerationConfig(**generation)).eval()


def collect(updates: AsyncGenerator[Any, None]) -> list[Any]:
    """All values of an asynchronous generator, run in an event loop of its own."""

    async def run() -> list[Any]:
        return [update async for update in updates]

    return asyncio.run(run())


def chat_request(
    served_model: ServedModel, typed: str = "To be", /, *, controls: dict[str, Any] | None = None, **data: Any
) -> ChatRequest:
    """The request of a page whose controls hold `CONTROLS` but for `controls`."""
    event = {"turn": TURN, "typed": typed, **data}
    return ChatRequest.parse(event, CONTROLS | (controls or {}), served_model.model.generation_config)


def reply_updates(served_model: ServedModel, *args: Any, **data: Any) -> list[Turn]:
    """Every update of the turn that answers a `chat_request`."""
    request = chat_request(served_model, *args, **data)
    return collect(ReplyWriter(UpdatePacer()).reply(request, served_model, Delivery(request.full_speed)))


def in_english(message: Any) -> str:
    """A sentence that the page gets as JSON, in English; a text as it is."""
    if not isinstance(message, dict):
        return str(message)
    params = {
        name: in_english(value) if isinstance(value, dict) else value for name, value in message["params"].items()
    }
    return str(Sentence(message["key"], params))


class FinishedStream:
    """A stream that has all its text at once."""

    def __init__(self, text: str) -> None:
        self.remaining, self.cancelled = text, False

    def read_available(self) -> str:
        text, self.remaining = self.remaining, ""
        return text

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def finish_reason(self) -> str | None:
        return None if self.remaining else "length"


async def broken_off(streams: Sequence[TextStream], pacer: UpdatePacer, **_: Any) -> AsyncGenerator[list[str], None]:
    """In place of `follow`, where the server stops just as all streams have ended: the first characters of each."""
    while any(stream.finish_reason is None for stream in streams):
        for stream in streams:
            stream.read_available()
        await asyncio.sleep(0.005)
    yield [stream.text[:3] for stream in streams]
