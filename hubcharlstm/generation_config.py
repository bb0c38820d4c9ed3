"""The generation defaults of a model: `generation_config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from hubcharlstm.decoding.sampling import SamplingParams


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
        self.sampling()
        if isinstance(self.max_new_tokens, bool) or not isinstance(self.max_new_tokens, int) or self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens!r}; expected a whole number of at least 1.")
        for name in ("start_text", "turn_template", "turn_stop"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected text.")
        for name in ("examples", "speakers"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
                raise ValueError(f"{name} is {value!r}; expected a list of texts.")
            object.__setattr__(self, name, tuple(value))

    def sampling(self) -> SamplingParams:
        return SamplingParams(self.temperature, self.top_k, self.top_p, self.min_p)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GenerationConfig:
        """The config of a parsed `generation_config.json`; unknown keys are ignored."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})

    def to_dict(self) -> dict[str, Any]:
        """The content of `generation_config.json`, without empty fields."""
        return {name: value for name, value in asdict(self).items() if value not in ((), "")}
