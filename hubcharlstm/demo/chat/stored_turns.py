"""A turn as the page stored it, perhaps years ago, and sent back: only known fields, each with its bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field, PlainValidator, ValidationError

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.demo.chat.clamps import ClampedCells, clamp_as_lists
from hubcharlstm.demo.chat.requests import MAX_NAME, MAX_SIDE_BY_SIDE, Event, Flag, Identifier, to_user_error
from hubcharlstm.demo.chat.turns import ENDINGS, Reply, Turn
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import MAX_MESSAGE, MAX_PROMPT, MAX_REPLY, MAX_STOP, Settings, parse_seed
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.generation_config import GenerationConfig

MAX_WARNINGS = 20
"""Warnings of one turn."""

MAX_WORDS = 1_000
"""Characters of a short text: a warning, a link's model, an ending."""

MAX_TEXT = MAX_REPLY + 2 * MAX_STOP
"""Characters of a reply: a continuation puts the stop string back."""

MAX_CODE = 300_000
"""Characters of a reply as a link, as Python or as a command, which escape each character of prompt and opening."""


def text_up_to(limit: int) -> PlainValidator:
    """A check for text of `limit` characters at most, with the lone surrogates that pydantic's own check refuses."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > limit:
            raise ValueError(f"no text of {limit} characters at most")
        return value

    return PlainValidator(check)


def code_or_empty(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_CODE else ""


def seed_as_text(value: Any) -> str:
    """A seed as the page holds it: text, because JavaScript rounds integers above 2**53."""
    seed = parse_seed(value)
    return "" if seed is None else str(seed)


def check_finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("no finite number")
    return value


def check_stored_message(value: Any) -> Any:
    """A sentence as JSON with its parameters, nested once; a text in pages of earlier versions."""
    return check_short(value) if isinstance(value, str) else check_sentence(value, check_nested)


def check_nested(value: Any) -> Any:
    return check_sentence(value, check_value) if isinstance(value, dict) else check_value(value)


def check_sentence(value: Any, check_parameter: Callable[[Any], Any]) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("key"), str) or len(value["key"]) > 100:
        raise ValueError("neither a text nor a sentence")
    params = value.get("params", {})
    if not isinstance(params, dict) or len(params) > 10:
        raise ValueError("no parameters of a sentence")
    return {"key": value["key"], "params": {str(name)[:100]: check_parameter(one) for name, one in params.items()}}


def check_value(value: Any) -> Any:
    """A parameter of a sentence: a number, a text, or a list of some."""
    if isinstance(value, list):
        if len(value) > 100:
            raise ValueError("too long a list")
        return [check_value(one) if not isinstance(one, list) else check_short(one) for one in value]
    return check_finite(value) if isinstance(value, (int, float)) else check_short(value)


def check_short(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_WORDS:
        raise ValueError("no short text")
    return value


Words = Annotated[str, text_up_to(MAX_WORDS)]
Number = Annotated[float, PlainValidator(check_finite)]
StoredMessage = Annotated[Any, PlainValidator(check_stored_message)]
Code = Annotated[str, PlainValidator(code_or_empty)]


class StoredSibling(Event):
    """A reply beside the one that is continued; what an earlier version of the page did not store has a default."""

    id: Words = ""
    text: Annotated[str, text_up_to(MAX_TEXT)]
    seed: Annotated[str, PlainValidator(seed_as_text)] = ""
    temperature: Number = 0.0
    length: Number = 0
    top_k: Number = 0
    top_p: Number = 1.0
    min_p: Number = 0.0
    stop: Annotated[str, text_up_to(MAX_STOP)] = ""
    model: Words = ""
    revision: Words = ""
    precision: Words = ""
    device: Words = ""
    continued: Flag = False
    ending: Words = ""
    rate: Number = 0.0
    cycle: Annotated[str, text_up_to(MAX_REPLY)] = ""
    replay_check: StoredMessage = ""
    hash: Words = ""
    link: Code = ""
    python: Code = ""
    command: Code = ""
    prompt: Annotated[str, text_up_to(MAX_PROMPT)] = ""
    shown: Annotated[str, text_up_to(MAX_PROMPT)] = ""
    clamp: ClampedCells = ()
    opening: Annotated[str, text_up_to(MAX_REPLY)] = ""

    def as_reply(self) -> Reply:
        """The reply as the page holds it."""
        return cast(Reply, {**self.model_dump(), "clamp": clamp_as_lists(self.clamp), "writing": False})


class StoredReply(StoredSibling):
    """The reply that is continued. `Settings` checks the ranges of the sampling settings."""

    id: Identifier
    temperature: Number
    top_k: Number
    top_p: Number
    min_p: Number
    stop: Annotated[str, text_up_to(MAX_STOP)]
    model: Words
    revision: Words
    precision: Words
    device: Words


class StoredTurn(Event):
    """The turn of a reply that is continued."""

    typed: Annotated[str, text_up_to(MAX_MESSAGE)]
    speaker: Annotated[str, text_up_to(MAX_NAME)]
    context: Annotated[str, text_up_to(MAX_MESSAGE)]
    prompt: Annotated[str, text_up_to(MAX_PROMPT)]
    shown: Annotated[str, text_up_to(MAX_PROMPT)]
    warnings: list[StoredMessage] = Field(max_length=MAX_WARNINGS)
    replies: list[StoredSibling] = Field(min_length=1, max_length=MAX_SIDE_BY_SIDE)

    def as_turn(self) -> Turn:
        """The turn as the page holds it, without an id."""
        replies = [reply.as_reply() for reply in self.replies]
        return cast(
            Turn, {**{name: getattr(self, name) for name in StoredTurn.model_fields}, "id": "", "replies": replies}
        )


class ContinueEvent(Event):
    """Continue the reply at `index` of the turn `target`."""

    target: Mapping[str, Any]
    index: int = Field(ge=0, lt=MAX_SIDE_BY_SIDE, strict=True)


@dataclass(frozen=True)
class ContinueTarget:
    """A reply to be continued. turn: what `StoredTurn` knows of the one that the page sent."""

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
        replies = event.target.get("replies")
        if not isinstance(replies, list) or event.index >= len(replies):
            raise UserError(unknown)
        reply = StoredReply.model_validate(replies[event.index])
        stored = StoredTurn.model_validate(event.target)
    except ValidationError as error:
        raise to_user_error(error, unknown) from None
    if not reply.seed or not reply.text.startswith(reply.opening):
        raise UserError(unknown)
    settings = Settings(reply.temperature, 1, cast(int, reply.top_k), reply.top_p, reply.min_p, reply.stop)
    if len(reply.text) >= MAX_REPLY:
        raise UserError(sentence("reply.too_long", count=len(reply.text), max=MAX_REPLY))
    return ContinueTarget(
        stored.as_turn(),
        event.index,
        reply.prompt or stored.prompt,
        reply.text,
        int(reply.seed),
        settings,
        reply.ending == ENDINGS["stop"],
        reply.clamp,
        reply.opening,
    )
