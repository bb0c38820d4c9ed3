"""What the page asks for, read as from a stranger: every value has its range, every refusal names its control."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.sampling import MAX_SEED, new_seed

MAX_MESSAGE = 10_000
MAX_LENGTH = 2_000
MAX_REPLY = 20_000
"""Characters up to which a reply may be continued."""
MAX_TEMPERATURE = 2.0
MAX_TOP_K = 1_000
MAX_STOP = 200
MAX_NAME = 60
MAX_SIDE_BY_SIDE = 4


class Problem(ValueError):
    """What cannot be done, in one sentence. field: the control that it stands beside, by the end of its elem_id."""

    def __init__(self, sentence: str, field: str = "message") -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True)
class Settings:
    """How to write. length: in characters. stop: what ends a reply, "" for nothing. Raises `Problem` out of range."""

    temperature: float = 0.8
    length: int = 200
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    stop: str = ""

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, 0, MAX_TEMPERATURE)
        check_number("length", self.length, 1, MAX_LENGTH, whole=True, unit=" characters")
        check_number("top-k", self.top_k, 0, MAX_TOP_K, whole=True)
        check_number("top-p", self.top_p, 0.01, 1)
        check_number("min-p", self.min_p, 0, 0.99)
        if not isinstance(self.stop, str) or len(self.stop) > MAX_STOP:
            raise Problem(f"The text to stop at is no text of up to {MAX_STOP} characters: shorten it.", "stop")

    @classmethod
    def of(cls, config: GenerationConfig, **wishes: Any) -> Self:
        """The model's own defaults, but for what is wished; None is no wish."""
        own = cls(
            temperature=min(config.temperature, MAX_TEMPERATURE),
            length=min(config.max_new_tokens, MAX_LENGTH),
            top_k=min(config.top_k, MAX_TOP_K),
            top_p=max(config.top_p, 0.01),
            min_p=min(config.min_p, 0.99),
        )
        return replace(own, **{name: value for name, value in wishes.items() if value is not None})


def check_number(name: str, value: Any, low: float, high: float, *, whole: bool = False, unit: str = "") -> None:
    """Raise `Problem` unless `value` is a number from `low` to `high`."""
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        shown = f"{value:,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)[:40]
        a_number = "a whole number from " if whole else ""
        raise Problem(
            f"The {name} is {shown}; expected {a_number}{low:,} to {high:,}{unit}: choose another.", field_of(name)
        )


def field_of(name: str) -> str:
    return name.replace("_", "-")


def check_message(text: Any, name: str = "message") -> str:
    """`text` if it is one that may be sent."""
    if not isinstance(text, str):
        raise Problem(f"The {name} is of type {type(text).__name__}; expected text: send it as a string.")
    if len(text) > MAX_MESSAGE:
        raise Problem(
            f"The {name} has {len(text):,} characters; expected {MAX_MESSAGE:,} at most: shorten it, or use Python."
        )
    return text


def read_seed(value: Any) -> int | None:
    """The seed as typed or given, None for none; raises `Problem` for anything but a whole number."""
    text = "" if value is None else str(value).strip()
    if isinstance(value, bool) or (text and not (text.isascii() and text.isdecimal() and len(text) <= 19)):
        raise seed_problem(text)
    if text and int(text) > MAX_SEED:
        raise seed_problem(text)
    return int(text) if text else None


def seed_problem(text: str) -> Problem:
    return Problem(
        f"The seed is {text[:40]!r}; expected a whole number from 0 to {MAX_SEED}: correct it, or leave it empty.",
        "seed",
    )


def read_speaker(value: Any, known: tuple[str, ...]) -> str:
    """The name of who is to reply, as the text has it where it is known; "" for nobody in particular."""
    name = "" if value is None else value
    if not isinstance(name, str) or len(name) > MAX_NAME or "\n" in name or "\r" in name:
        raise Problem(f"The name is no text of up to {MAX_NAME} characters on one line: shorten it.", "speaker")
    name = name.strip().removesuffix(":")
    return next((one for one in known if one.casefold() == name.casefold()), name)


def compose(config: GenerationConfig, typed: str, speaker: str, context: str = "") -> tuple[str, str]:
    """The prompt for `typed`, and its end that stands before the reply on the page.

    context: the text so far, which the prompt goes on from. With a speaker the model's own template of a turn
    is filled; an empty line then asks for the speaker alone. Line breaks that would end the visitor's own turn,
    as any does in a chat of one line each, are read as fewer or as a space.
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
    """`template` with its two names filled in once; braces in what is filled in stay as they are."""
    return re.sub(r"\{(message|speaker)\}", lambda found: {"message": message, "speaker": speaker}[found[1]], template)


def trim(context: str, typed: str) -> tuple[str, str]:
    """The end of `context` that fits before `typed`, and a note if the rest was left out."""
    room = MAX_MESSAGE - len(typed)
    if len(context) <= room:
        return context, ""
    return context[-room:] if room else "", f"of the text so far only the last {room:,} characters are read"


@dataclass(frozen=True)
class Ask:
    """One wish of a visitor. turn: the page's id for it. temperatures: one reply for each, side by side."""

    turn: str
    typed: str
    speaker: str
    context: str
    settings: Settings
    temperatures: tuple[float, ...]
    seed: int
    full_speed: bool = False
    written: Mapping[str, Any] | None = None
    """What a link's receipt says of the text: its hash and precision."""
    note: str = ""

    @classmethod
    def read(cls, data: Any, controls: Mapping[str, Any], config: GenerationConfig) -> Self:
        """What the page sent with what its controls hold; raises `Problem` for anything out of range.

        data: turn, typed, and where the page overrules the controls speaker, settings, seed, context,
        temperatures, `again` (with the context as given and a new seed), written.
        """
        if not isinstance(data, Mapping):
            raise Problem("The page sent no message; expected one: load the page again.")
        typed = check_message(data.get("typed", ""))
        own = data.get("settings")
        wishes = own if isinstance(own, Mapping) else controls
        names = ("temperature", "length", "top_k", "top_p", "min_p", "stop")
        settings = Settings.of(config, **{name: wishes.get(name) for name in names})
        again = data.get("again") is True
        seed = read_seed(data.get("seed"))
        in_its_field = None if again or isinstance(own, Mapping) else read_seed(controls.get("seed"))
        if seed is None and controls.get("locked") is True:
            seed = in_its_field
        speaker = read_speaker(data.get("speaker", controls.get("speaker")), config.speakers)
        if speaker and config.turn_stop and not isinstance(own, Mapping):
            settings = replace(settings, stop=config.turn_stop)
        context = data.get("context") if again or controls.get("go_on") is True else ""
        context, note = trim(context if isinstance(context, str) else "", typed)
        return cls(
            turn=read_id(data.get("turn")),
            typed=typed,
            speaker=speaker if config.turn_template else "",
            context=context,
            settings=settings,
            temperatures=read_temperatures(data.get("temperatures"), settings.temperature),
            seed=new_seed() if seed is None else seed,
            full_speed=controls.get("full_speed") is True,
            written=data["written"] if isinstance(data.get("written"), Mapping) else None,
            note=note,
        )


def read_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]{8,64}", value, re.ASCII):
        raise Problem("The page sent a message without its id; expected one: load the page again.")
    return value


def read_temperatures(value: Any, otherwise: float) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        return (otherwise,)
    if len(value) > MAX_SIDE_BY_SIDE:
        raise Problem(f"{len(value)} replies were asked for; expected {MAX_SIDE_BY_SIDE} at most: ask for fewer.")
    for temperature in value:
        check_number("temperature", temperature, 0, MAX_TEMPERATURE)
    return tuple(value)
