"""A message and its replies as the page stores them: JSON values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, cast

from pydantic import Field, PlainValidator, ValidationError

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.demo.chat.clamps import ClampedCells
from hubcharlstm.demo.chat.requests import MAX_SIDE_BY_SIDE, Event, Identifier, Seed, to_user_error
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import MAX_PROMPT, MAX_REPLY, Settings
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.engine.sequence import FinishReason
from hubcharlstm.generation_config import GenerationConfig

ENDINGS: dict[FinishReason, str] = {
    "length": "length reached",
    "stop": "ended by itself",
    "cancelled": "stopped",
}

CUT_ENDING = "length reached, cut after a whole sentence"
"""The ending of a character's reply that reached its length; a continuation goes on from what is shown."""


class Reply(TypedDict):
    """A reply and all that is needed to generate it again. text: the continuation alone, which only grows at its end.

    prompt, shown: as in its turn, where this reply's model reads the message otherwise; else "".

    seed: a string, because JavaScript rounds integers above 2**53. ending: one of `ENDINGS`, which the page knows.
    replay_check: a sentence as JSON, "" for none. clamp: [layer, unit, value] of each clamped cell.

    opening: the beginning of text that the visitor chose; the model wrote on from there.
    """

    id: str
    text: str
    seed: str
    temperature: float
    length: int
    top_k: int
    top_p: float
    min_p: float
    stop: str
    model: str
    revision: str
    precision: str
    device: str
    writing: bool
    continued: bool
    ending: str
    rate: float
    cycle: str
    replay_check: Any
    hash: str
    link: str
    python: str
    command: str
    prompt: str
    shown: str
    clamp: list[list[float]]
    opening: str


class Turn(TypedDict):
    """A message and its replies.

    typed: the message. prompt: what the model reads. shown: the end of the prompt, which the page shows before a reply.
    warnings: sentences as JSON.
    """

    id: str
    typed: str
    speaker: str
    context: str
    prompt: str
    shown: str
    warnings: list[Any]
    replies: list[Reply]


def check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def check_prompt(value: Any) -> str:
    if len(check_text(value)) > MAX_PROMPT:
        raise ValueError("too long")
    return str(value)


StoredText = Annotated[str, PlainValidator(check_text)]
"""Text with lone surrogates, which pydantic's own check of a string refuses."""


def check_stored_message(value: Any) -> Any:
    if not isinstance(value, str) and not (isinstance(value, dict) and isinstance(value.get("key"), str)):
        raise ValueError("neither a text nor a sentence")
    return value


StoredMessage = Annotated[Any, PlainValidator(check_stored_message)]
"""A sentence as JSON; a text in pages of earlier versions."""


class StoredReply(Event):
    """What continuing a reply needs of it. `Settings` checks the ranges of the sampling settings."""

    id: Identifier
    text: StoredText
    seed: Seed
    temperature: Any
    top_k: Any
    top_p: Any
    min_p: Any
    stop: StoredText
    model: StoredText
    revision: StoredText
    precision: StoredText
    device: StoredText
    ending: Any = ""
    prompt: Annotated[str, PlainValidator(check_prompt)] = ""
    clamp: ClampedCells = ()
    opening: StoredText = ""


class StoredSibling(Event):
    """What the page needs of the other replies of a turn."""

    text: StoredText


class StoredTurn(Event):
    """A turn as the page stored it, perhaps years ago."""

    typed: StoredText
    speaker: StoredText
    context: StoredText
    prompt: Annotated[str, PlainValidator(check_prompt)]
    shown: StoredText
    warnings: list[StoredMessage]
    replies: list[StoredSibling] = Field(min_length=1, max_length=MAX_SIDE_BY_SIDE)


class ContinueEvent(Event):
    """Continue the reply at `index` of the turn `target`."""

    target: StoredTurn
    index: int = Field(ge=0, strict=True)


@dataclass(frozen=True)
class ContinueTarget:
    """A reply to be continued. turn: as the page sent it, checked by `StoredTurn`."""

    turn: Turn
    index: int
    prompt: str
    text: str
    seed: int
    settings: Settings
    ended_by_stop: bool
    clamp: Clamp = ()
    opening: str = ""

    @property
    def reply(self) -> Reply:
        return self.turn["replies"][self.index]

    def is_turn(self, config: GenerationConfig) -> bool:
        """Whether the reply is a character's turn, which the model's stop string ends."""
        return bool(self.turn["speaker"] and self.settings.stop) and self.settings.stop == config.turn_stop


def parse_continue_target(data: Any) -> ContinueTarget:
    """Parse a `ContinueEvent`; raise `UserError` for one that cannot be continued."""
    unknown = sentence("reply.unknown")
    try:
        event = ContinueEvent.model_validate(data)
        if event.index >= len(event.target.replies):
            raise UserError(unknown)
        turn = cast(Turn, data["target"])
        reply = StoredReply.model_validate(turn["replies"][event.index])
    except ValidationError as error:
        raise to_user_error(error, unknown) from None
    if reply.seed is None or not reply.text.startswith(reply.opening):
        raise UserError(unknown)
    settings = Settings(reply.temperature, 1, reply.top_k, reply.top_p, reply.min_p, reply.stop)
    if len(reply.text) >= MAX_REPLY:
        raise UserError(sentence("reply.too_long", count=len(reply.text), max=MAX_REPLY))
    ended_by_stop = reply.ending == ENDINGS["stop"]
    prompt = reply.prompt or event.target.prompt
    return ContinueTarget(
        turn, event.index, prompt, reply.text, reply.seed, settings, ended_by_stop, reply.clamp, reply.opening
    )


def text_hash(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text, by which a permalink recognizes it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cycle_in(text: str) -> str:
    """What the end of `text` repeats once, of 20 characters or more; "" for nothing. A greedy reply never leaves it.

    Finds cycles too long for the library, which reports only what was repeated three times, in up to 200 characters.
    """
    for length in range(20, len(text) // 2 + 1):
        if text[-length:] == text[-2 * length : -length]:
            return text[-length:]
    return ""


def updated(reply: Reply, **changes: Any) -> Reply:
    """A copy of a reply with some values changed."""
    return {**reply, **changes}  # type: ignore[typeddict-item]  # callers name its keys
