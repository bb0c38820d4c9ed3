"""Chat requests as the page sends them. Nothing is trusted: every value has its range, every refusal its control."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.sampling import new_seed
from hubcharlstm.demo.chat.clamps import ClampedCells
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import (
    MAX_MESSAGE,
    MAX_REPLY,
    MAX_TEMPERATURE,
    TURN_LENGTH,
    Settings,
    check_message,
    check_number,
    parse_seed,
)
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.generation_config import GenerationConfig

MAX_NAME = 60
"""Characters of a speaker's name."""

MAX_SIDE_BY_SIDE = 4
"""Replies of one request."""

MAX_EVICTED = 5_000
"""Replies whose states one event evicts."""


def check_id(value: Any) -> str:
    """Return the id that the page made up for a turn or the server for a reply; raise `UserError` for anything else."""
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]{8,64}", value, re.ASCII):
        raise UserError(sentence("request.no_id"))
    return value


def check_opening(value: Any) -> str:
    """Return the beginning of a reply; raise `UserError` if it is no text or leaves no room to write."""
    if not isinstance(value, str) or len(value) >= MAX_REPLY:
        raise UserError(sentence("opening.invalid", max=MAX_REPLY))
    return value


def check_temperatures(value: Any) -> tuple[float, ...]:
    """The temperatures of replies side by side, () for one reply at the control's own."""
    if not isinstance(value, (list, tuple)):
        return ()
    if len(value) > MAX_SIDE_BY_SIDE:
        raise UserError(sentence("compare.too_many", count=len(value), max=MAX_SIDE_BY_SIDE))
    for temperature in value:
        check_number("temperature", temperature, 0, MAX_TEMPERATURE)
    return tuple(value)


def compared_models(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the models that are to reply to one message, side by side; () where the control names the model."""
    models = texts_of(data.get("models"))
    if len(models) > MAX_SIDE_BY_SIDE:
        raise UserError(sentence("compare.too_many_models", count=len(models), max=MAX_SIDE_BY_SIDE), "model")
    return models


def parse_speaker(value: Any, known: tuple[str, ...]) -> str:
    """The name of who is to reply, spelt as in `known` if it is there; "" for nobody in particular."""
    name = "" if value is None else value
    if not isinstance(name, str) or len(name) > MAX_NAME or "\n" in name or "\r" in name:
        raise UserError(sentence("speaker.invalid", max=MAX_NAME), "speaker")
    name = name.strip().removesuffix(":")
    return next((one for one in known if one.casefold() == name.casefold()), name)


def text_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""


def texts_of(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


# `PlainValidator` in place of pydantic's own check of a string, which refuses the lone surrogates of a half emoji.
Identifier = Annotated[str, PlainValidator(check_id)]
Message = Annotated[str, PlainValidator(check_message)]
Opening = Annotated[str, PlainValidator(check_opening)]
Seed = Annotated[int | None, PlainValidator(parse_seed)]
Temperatures = Annotated[tuple[float, ...], PlainValidator(check_temperatures)]
Flag = Annotated[bool, PlainValidator(lambda value: value is True)]
"""A switch; anything but true is off."""
Text = Annotated[str, PlainValidator(text_or_empty)]
"""Text that may be missing."""
Texts = Annotated[tuple[str, ...], PlainValidator(texts_of)]
"""A list of texts that may be missing; other values in it are ignored."""
OrNone = BeforeValidator(lambda value: value if isinstance(value, Mapping) else None)
"""Marks an object that may be missing."""


class Event(BaseModel):
    """Data from the page, of which unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SamplingValues(Event):
    """Sampling settings, None for the model's own default. `Settings` checks their types and ranges."""

    temperature: Any = None
    length: Any = None
    top_k: Any = None
    top_p: Any = None
    min_p: Any = None
    stop: Any = None

    def settings(self, config: GenerationConfig) -> Settings:
        """Raises `UserError` for a value out of range."""
        return Settings.of(config, **{name: getattr(self, name) for name in SamplingValues.model_fields})


class ControlValues(SamplingValues):
    """What the page's controls hold. model, seed and speaker are checked only where the request leaves them to it."""

    model: Any = None
    seed: Any = None
    locked: Flag = False
    full_speed: Flag = False
    speaker: Any = None
    go_on: Flag = False


class ExpectedText(Event):
    """What a permalink says of the text that it writes: its hash, and the precision that it was written in."""

    hash: Text = ""
    precision: Text = ""


class GenerateEvent(Event):
    """A message, a starter, a retry, an edit or a permalink. speaker, settings, seed: in place of the controls'.

    retry: with this very context and a new seed. context: the text so far, used if the controls say so. clamp: cells
    that the model is to hold at values of their own. opening: how the reply begins; the model writes on from there.
    """

    typed: Message = ""
    settings: Annotated[SamplingValues | None, OrNone] = None
    seed: Seed = None
    retry: Flag = False
    speaker: Any = None
    context: Text = ""
    turn: Identifier = Field("", validate_default=True)
    temperatures: Temperatures = ()
    clamp: ClampedCells = ()
    opening: Opening = ""
    expected: Annotated[ExpectedText | None, OrNone] = None


class CancelEvent(Event):
    """Stop the reply that is written for a turn."""

    turn: Text = ""


class EvictEvent(Event):
    """A cleared conversation, by the ids of its replies."""

    replies: Texts = ()


class OpenLinkEvent(Event):
    """A page that was opened by a link. query: the URL's, with its question mark."""

    query: Any = None


def to_user_error(error: ValidationError, otherwise: Sentence) -> UserError:
    """The refusal that a field's own check raised; `otherwise` for any other fault of the data."""
    cause = error.errors(include_url=False, include_input=False)[0].get("ctx", {}).get("error")
    return cause if isinstance(cause, UserError) else UserError(otherwise)


@dataclass(frozen=True)
class ChatRequest:
    """One message to reply to. turn: the page's id for it. temperatures: one reply for each, side by side.

    is_turn: the reply is a character's turn, which ends in a whole sentence; a permalink's has the text that it had.
    """

    turn: str
    typed: str
    speaker: str
    context: str
    settings: Settings
    temperatures: tuple[float, ...]
    seed: int
    full_speed: bool = False
    expected: ExpectedText | None = None
    warning: Sentence | None = None
    is_turn: bool = False
    clamp: Clamp = ()
    opening: str = ""

    @classmethod
    def parse(cls, data: Any, controls: Mapping[str, Any], config: GenerationConfig) -> Self:
        """Parse a `GenerateEvent` and `ControlValues`; raise `UserError` for anything out of range."""
        try:
            event = GenerateEvent.model_validate(data)
            values = ControlValues.model_validate(controls)
        except ValidationError as error:
            raise to_user_error(error, sentence("request.no_message")) from None
        settings = (event.settings or values).settings(config)
        seed = choose_seed(event, values)
        named = event.speaker if "speaker" in event.model_fields_set else values.speaker
        speaker = parse_speaker(named, config.speakers)
        is_turn = bool(event.settings is None and speaker and config.turn_template and config.turn_stop)
        if event.opening:
            settings = replace(settings, length=min(settings.length, MAX_REPLY - len(event.opening)))
            is_talk = bool(speaker and settings.stop) and settings.stop == config.turn_stop
            is_turn = is_turn or (is_talk and event.expected is None)
        elif is_turn:
            settings = replace(settings, stop=config.turn_stop, length=turn_length(settings.length, config))
        context, warning = trim(event.context if event.retry or values.go_on else "", event.typed)
        return cls(
            turn=event.turn,
            typed=event.typed,
            speaker=speaker if config.turn_template else "",
            context=context,
            settings=settings,
            temperatures=event.temperatures or (settings.temperature,),
            seed=seed,
            full_speed=values.full_speed,
            expected=event.expected,
            warning=warning,
            is_turn=is_turn,
            clamp=event.clamp,
            opening=event.opening,
        )


def turn_length(length: int, config: GenerationConfig) -> int:
    """The bound of a turn that its stop string ends: `length` if the visitor chose it, else `TURN_LENGTH` at least.

    A length other than the model's own default is chosen.
    """
    return max(length, TURN_LENGTH) if length == Settings.of(config).length else length


def choose_seed(event: GenerateEvent, values: ControlValues) -> int:
    """The event's seed, else the locked one of the control, else a new one.

    Raises `UserError` for a damaged seed in the control, locked or not, unless the event says that it is not used.
    """
    in_control = None if event.retry or event.settings is not None else parse_seed(values.seed)
    seed = event.seed if event.seed is not None or not values.locked else in_control
    return new_seed() if seed is None else seed


def compose(config: GenerationConfig, typed: str, speaker: str, context: str = "") -> tuple[str, str]:
    """The prompt for `typed`, and the end of it that the page shows before the reply.

    context: the text so far, which the prompt continues. With a speaker it fills the model's template of a turn; an
    empty line then asks for the speaker alone. Line breaks that would end the visitor's own turn, as any does in a chat
    of one line each, become fewer line breaks or a space.
    """
    if not speaker or not config.turn_template:
        return context + typed, typed
    name_line = fill(config.turn_template.partition("{message}")[2].lstrip("\n"), "", speaker)
    message = typed.strip("\n")
    if config.turn_stop and not config.turn_stop.strip("\n"):
        message = re.sub(f"{config.turn_stop}\n*", config.turn_stop[1:] or " ", message)
    turn = fill(config.turn_template, message, speaker) if typed.strip() else name_line
    if context:
        context = context.rstrip("\n") + (config.turn_stop or "\n")
    return context + turn, name_line


def fill(template: str, message: str, speaker: str) -> str:
    """Substitute {message} and {speaker} once, so that braces in the substituted text stay."""
    return re.sub(r"\{(message|speaker)\}", lambda found: {"message": message, "speaker": speaker}[found[1]], template)


def trim(context: str, typed: str) -> tuple[str, Sentence | None]:
    """The end of `context` that fits before `typed`, and a warning if the rest is dropped."""
    room = MAX_MESSAGE - len(typed)
    if len(context) <= room:
        return context, None
    return context[-room:] if room else "", sentence("warning.trimmed", n=room)
