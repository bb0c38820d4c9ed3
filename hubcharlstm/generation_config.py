"""The generation defaults of a model: `generation_config.json`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from hubcharlstm.arguments import is_utf8, shown, whole_number
from hubcharlstm.decoding.sampling import SamplingParams

MAX_NEW_TOKENS = 100_000
"""Characters of one call; a longer text continues from the completion's state."""

MAX_TEXT = 10_000
"""Characters of a start text, an example, a name or the template of a turn: it is encoded at every call."""
MAX_TEXTS = 10_000
"""Examples or speakers."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GenerationConfig:
    """The generation defaults of a model, saved as `generation_config.json`.

    start_text: replaces an empty prompt. examples: prompts from the corpus. speakers, turn_template (with {message}
    and {speaker}) and turn_stop: for a corpus of dialogue with named speakers.
    Raises `ValueError` if a value has the wrong type or is out of range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_new_tokens: int = 200
    start_text: str = "\n"
    examples: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    turn_template: str = ""
    turn_stop: str = ""

    def __post_init__(self) -> None:
        for name, value in asdict(self.sampling()).items():  # plain numbers, which JSON can hold
            object.__setattr__(self, name, value)
        max_new_tokens = whole_number(self.max_new_tokens)
        if max_new_tokens is None or not 1 <= max_new_tokens <= MAX_NEW_TOKENS:
            raise ValueError(
                f"max_new_tokens is {shown(self.max_new_tokens)}; expected a whole number of at least 1 and up to "
                f"{MAX_NEW_TOKENS}: correct it."
            )
        object.__setattr__(self, "max_new_tokens", max_new_tokens)
        for name in ("start_text", "turn_template", "turn_stop"):
            if not _is_short_text(getattr(self, name)):
                raise ValueError(
                    f"{name} is {shown(getattr(self, name))}; expected text of at most {MAX_TEXT:,} characters: "
                    "correct it."
                )
        for name in ("examples", "speakers"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or len(value) > MAX_TEXTS or not all(map(_is_short_text, value)):
                raise ValueError(
                    f"{name} is {shown(value)}; expected a list of at most {MAX_TEXTS:,} texts of at most "
                    f"{MAX_TEXT:,} characters each: correct it."
                )
            object.__setattr__(self, name, tuple(value))

    def sampling(self) -> SamplingParams:
        return SamplingParams(self.temperature, self.top_k, self.top_p, self.min_p)

    def sampling_with(
        self, *, temperature: float | None, top_k: int | None, top_p: float | None, min_p: float | None
    ) -> SamplingParams:
        """The settings of a call, None standing for the model's default."""
        return SamplingParams(
            self.temperature if temperature is None else temperature,
            self.top_k if top_k is None else top_k,
            self.top_p if top_p is None else top_p,
            self.min_p if min_p is None else min_p,
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GenerationConfig:
        """The config of a parsed `generation_config.json`; unknown keys are ignored.

        A max_new_tokens that no call accepts is lowered to `MAX_NEW_TOKENS` with a warning in the log: whoever loads a
        published model cannot correct its file.
        """
        length = whole_number(data.get("max_new_tokens"))
        if length is not None and length > MAX_NEW_TOKENS:
            logger.warning("max_new_tokens is %s in the model's defaults; %d is used.", shown(length), MAX_NEW_TOKENS)
            data = {**data, "max_new_tokens": MAX_NEW_TOKENS}
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})

    def to_dict(self) -> dict[str, Any]:
        """The content of `generation_config.json`, without empty fields."""
        empty = {field.name: field.default for field in fields(self) if field.default in ((), "")}
        return {name: value for name, value in asdict(self).items() if empty.get(name) != value}


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and is_utf8(value)
