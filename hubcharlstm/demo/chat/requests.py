"""What the page asks for, read as from a stranger: every value has its range, every refusal names its control."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from hubcharlstm.decoding.sampling import new_seed
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import MAX_MESSAGE, MAX_TEMPERATURE, Settings, check_message, check_number, parse_seed
from hubcharlstm.generation_config import GenerationConfig

MAX_NAME = 60
MAX_SIDE_BY_SIDE = 4


def read_speaker(value: Any, known: tuple[str, ...]) -> str:
    """The name of who is to reply, as the text has it where it is known; "" for nobody in particular."""
    name = "" if value is None else value
    if not isinstance(name, str) or len(name) > MAX_NAME or "\n" in name or "\r" in name:
        raise UserError(f"The name is no text of up to {MAX_NAME} characters on one line: shorten it.", "speaker")
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
class ChatRequest:
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
            raise UserError("The page sent no message; expected one: load the page again.")
        typed = check_message(data.get("typed", ""))
        own = data.get("settings")
        params = own if isinstance(own, Mapping) else controls
        names = ("temperature", "length", "top_k", "top_p", "min_p", "stop")
        settings = Settings.of(config, **{name: params.get(name) for name in names})
        again = data.get("again") is True
        seed = parse_seed(data.get("seed"))
        in_its_field = None if again or isinstance(own, Mapping) else parse_seed(controls.get("seed"))
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
        raise UserError("The page sent a message without its id; expected one: load the page again.")
    return value


def read_temperatures(value: Any, otherwise: float) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        return (otherwise,)
    if len(value) > MAX_SIDE_BY_SIDE:
        raise UserError(f"{len(value)} replies were asked for; expected {MAX_SIDE_BY_SIDE} at most: ask for fewer.")
    for temperature in value:
        check_number("temperature", temperature, 0, MAX_TEMPERATURE)
    return tuple(value)
