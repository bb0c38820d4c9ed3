"""Sampling settings of a request and their ranges, and the checks of values that come from a client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from hubcharlstm.decoding.sampling import MAX_SEED
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.words.catalogue import catalogue, sentence
from hubcharlstm.generation_config import GenerationConfig

MAX_MESSAGE = 10_000
"""Characters of a message or a prompt."""

MAX_PROMPT = 3 * MAX_MESSAGE
"""Characters of a prompt as a model reads it, which may decompose each character of a message."""

MAX_LENGTH = 2_000
"""Characters that one request may generate."""

TURN_LENGTH = 1_000
"""Characters that a character's turn may have where the length is the model's own default: far above most turns."""

MAX_REPLY = 20_000
"""Characters up to which a reply may be continued."""

MAX_TEMPERATURE = 2.0

MAX_TOP_K = 1_000

MAX_STOP = 200
"""Characters of a stop string."""

MAX_STOPS = 16
"""Stop strings of one request."""


@dataclass(frozen=True)
class Settings:
    """Sampling settings. length: characters to generate. stop: the string that ends a reply, "" for none.

    Raises `UserError` for a value out of range.
    """

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
            raise UserError(sentence("stop.invalid", max=MAX_STOP), "stop")

    @classmethod
    def of(
        cls,
        config: GenerationConfig,
        *,
        temperature: float | None = None,
        length: int | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | None = None,
    ) -> Self:
        """The given settings; the model's own default, clipped to the app's ranges, for each that is None."""
        defaults = cls(
            temperature=min(config.temperature, MAX_TEMPERATURE),
            length=min(config.max_new_tokens, MAX_LENGTH),
            top_k=min(config.top_k, MAX_TOP_K),
            top_p=max(config.top_p, 0.01),
            min_p=min(config.min_p, 0.99),
        )
        params: dict[str, Any] = {
            "temperature": temperature,
            "length": length,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "stop": stop,
        }
        return replace(defaults, **{name: value for name, value in params.items() if value is not None})


def check_number(name: str, value: Any, low: float, high: float, *, whole: bool = False, unit: str = "") -> None:
    """Raise `UserError` unless `value` is a number from `low` to `high`, and an integer if `whole`."""
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        if isinstance(value, str) and is_number(value):  # from a program only
            number = "a whole number" if whole else "a number"
            bounds = f"{number} from {low:,g} to {high:,g}{unit}"
            raise UserError(
                f"The {name} is the text {shown(value)}; expected {bounds}: send it without quotes.", field_of(name)
            )
        expected = sentence(f"bounds.{'characters' if unit else 'whole' if whole else 'number'}", low=low, high=high)
        known = f"setting.{name}"
        named = sentence(known) if known in catalogue("en") else name
        raise UserError(sentence("setting.invalid", name=named, value=shown(value), bounds=expected), field_of(name))


def is_number(text: str) -> bool:
    """Whether a text spells a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(value: Any) -> str:
    """A value as a sentence quotes it, shortened to 40 characters."""
    is_plain_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 2**64
    return f"{value:,}" if is_plain_number else repr(value)[:40]


def unknown_parameter(name: str, known: Iterable[str]) -> str:
    """The sentence for a parameter that there is none of."""
    return f"The parameter {name[:40]!r} is unknown; expected {', '.join(known)}: correct its name, or leave it out."


def field_of(name: str) -> str:
    """The end of the elem_id of the control for a setting."""
    return name.replace("_", "-")


def check_message(text: Any, name: str = "message", most: int = MAX_MESSAGE) -> str:
    """Return `text`; raise `UserError` if it is no string or has more than `most` characters."""
    if not isinstance(text, str):
        raise UserError(f"The {name} is of type {type(text).__name__}; expected text: send it as a string.")
    if len(text) > most and name == "message":
        raise UserError(sentence("message.too_long", count=len(text), max=most))
    if len(text) > most:
        raise UserError(
            f"The {name} has {len(text):,} characters; expected {most:,} at most: shorten it, or use Python."
        )
    return text


def parse_stops(value: Any) -> tuple[str, ...]:
    """The stop strings of a text, a list of texts, or None; raise `UserError` for anything else. "" is none."""
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"The stop is {shown(value)}; expected a text or a list of texts: send it as such.", "stop")
    if len(texts) > MAX_STOPS or any(len(text) > MAX_STOP for text in texts):
        raise UserError(
            f"The stop holds more than {MAX_STOPS} texts or one of more than {MAX_STOP} characters; expected no more: "
            "shorten it.",
            "stop",
        )
    return tuple(text for text in texts if text)


def parse_seed(value: Any) -> int | None:
    """The seed as an integer, None for an empty one; raises `UserError` for anything but 0 to `MAX_SEED`."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise invalid_seed(text)
    seed = int(text)
    if seed > MAX_SEED:
        raise invalid_seed(text)
    return seed


def invalid_seed(text: str) -> UserError:
    return UserError(sentence("seed.invalid", seed=repr(text[:40]), max=str(MAX_SEED)), "seed")
