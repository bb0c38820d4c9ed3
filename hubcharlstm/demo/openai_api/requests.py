"""The body of `POST /v1/completions`, validated by pydantic: each refusal is one sentence that names its parameter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from hubcharlstm.arguments import is_utf8
from hubcharlstm.decoding.sampling import MAX_SEED
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import (
    MAX_LENGTH,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    check_message,
    is_number,
    parse_stops,
    shown,
    unknown_parameter,
)

MAX_CHOICES = 16
"""Texts of one request: its prompts times n."""

MAX_LOGPROBS = 5
"""Alternatives that are reported for each character."""


def parse_prompts(value: Any) -> tuple[str, ...]:
    """The prompts of a text or a list of texts; raise `UserError` for anything else, lists of token ids included."""
    prompts = value if isinstance(value, list) else [value]
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise UserError(
            f"The prompt is {shown(value)}; expected a text or a list of texts, for a token is a character here: send "
            "it as text."
        )
    return tuple(check_message(prompt, "prompt") for prompt in prompts)


def harmless(is_harmless: Callable[[Any], bool], reason: str) -> PlainValidator:
    """The validator of a parameter of OpenAI's that has no meaning here: only what changes nothing is accepted."""

    def check(value: Any) -> None:
        if value is not None and not is_harmless(value):
            raise UserError(f"The value {shown(value)} has no effect here, for {reason}: leave the parameter out.")

    return PlainValidator(check)


def parameter_name(name: str) -> str:
    """The name that a client gave to a parameter, for the answer: shortened, and as UTF-8 can encode it."""
    return name[:40].encode("utf-8", "backslashreplace").decode()


def is_zero(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float)) and value == 0


TextOrTexts = str | list[str]
"""What a JSON Schema says of a text or several."""
PromptTexts = Annotated[tuple[str, ...], PlainValidator(parse_prompts, json_schema_input_type=TextOrTexts)]
Stops = Annotated[tuple[str, ...], PlainValidator(parse_stops, json_schema_input_type=TextOrTexts)]
NoPenalty = Annotated[None, harmless(is_zero, "the model knows no penalties")]
NoBias = Annotated[None, harmless(lambda value: value == {}, "the model's probabilities are taken as they are")]
NoSuffix = Annotated[None, harmless(lambda value: value == "", "the model reads what comes before a gap only")]
NoUser = Annotated[None, harmless(lambda value: isinstance(value, str), "the app has no accounts; expected a text")]


class StreamOptions(BaseModel):
    """include_usage: a last chunk counts the characters. include_obfuscation: OpenAI's padding, which is never sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    include_usage: bool = False
    include_obfuscation: bool = False


class CompletionRequest(BaseModel):
    """One request. None for a setting is the model's own default.

    A field's description is what a refusal says that it expects.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prompt: PromptTexts = Field(description="a text or a list of texts")
    model: str | None = Field(None, max_length=300, description="a name that /v1/models lists")
    max_tokens: int | None = Field(
        None, ge=1, le=MAX_LENGTH, description=f"a whole number of characters from 1 to {MAX_LENGTH:,}"
    )
    temperature: float | None = Field(
        None, ge=0, le=MAX_TEMPERATURE, allow_inf_nan=False, description=f"a number from 0 to {MAX_TEMPERATURE:g}"
    )
    top_p: float | None = Field(None, ge=0.01, le=1, allow_inf_nan=False, description="a number from 0.01 to 1")
    top_k: int | None = Field(None, ge=0, le=MAX_TOP_K, description=f"a whole number from 0 to {MAX_TOP_K:,}")
    min_p: float | None = Field(None, ge=0, le=0.99, allow_inf_nan=False, description="a number from 0 to 0.99")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}")
    stop: Stops = Field((), description="a text or a list of texts")
    n: int | None = Field(None, ge=1, le=MAX_CHOICES, description=f"a whole number from 1 to {MAX_CHOICES}")
    logprobs: int | None = Field(None, ge=0, le=MAX_LOGPROBS, description=f"a whole number from 0 to {MAX_LOGPROBS}")
    echo: bool | None = Field(None, description="true or false")
    stream: bool | None = Field(None, description="true or false")
    stream_options: StreamOptions | None = Field(None, description='an object such as {"include_usage": true}')
    best_of: int | None = Field(None, description="the same number as n")
    frequency_penalty: NoPenalty = None
    presence_penalty: NoPenalty = None
    logit_bias: NoBias = None
    suffix: NoSuffix = None
    user: NoUser = None

    @model_validator(mode="after")
    def check_choices(self) -> Self:
        if self.best_of not in (None, self.num_samples):
            raise UserError(
                f"The best_of is {shown(self.best_of)}; expected the same number as n ({self.num_samples}), for no "
                "text is written in vain here: leave it out.", "best_of"
            )  # fmt: skip
        if self.num_choices > MAX_CHOICES:
            raise UserError(
                f"{len(self.prompt)} prompts with n = {self.num_samples} are {self.num_choices} texts; expected "
                f"{MAX_CHOICES} at most in one request: send them in several.", "n"
            )  # fmt: skip
        if self.seed is not None and self.seed + self.num_samples - 1 > MAX_SEED:
            raise UserError(
                f"The seed is {self.seed} and n is {self.num_samples}; expected seeds up to {MAX_SEED}, for each text "
                "has the next one: choose a smaller seed.", "seed"
            )  # fmt: skip
        return self

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The request in a JSON body; raises `UserError`, whose `field` is the parameter at fault or ""."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise UserError('The body is no JSON object; expected one such as {"prompt": "To be"}: correct it.', "")
        options = data.get("stream_options")
        for names, known in ((data, cls), (options if isinstance(options, dict) else {}, StreamOptions)):
            for name in names:
                if not is_utf8(name):  # pydantic cannot say where it stands
                    raise UserError(unknown_parameter(name, known.model_fields), parameter_name(name))
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise cls._to_user_error(error) from None

    @classmethod
    def _to_user_error(cls, error: ValidationError) -> UserError:
        fault = error.errors(include_url=False)[0]
        path = [str(part) for part in fault["loc"]]
        name = path[0] if path else ""
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, UserError):
            return UserError(str(cause), name or cause.field)
        if fault["type"] == "extra_forbidden":
            known = StreamOptions.model_fields if len(path) > 1 else cls.model_fields
            return UserError(unknown_parameter(".".join(path), known), parameter_name(".".join(path)))
        expected = cls.model_fields[name].description
        if fault["type"] == "missing":
            return UserError(f"The {name} is missing; expected {expected}: add it.", name)
        value, what, advice = fault["input"], "", "correct it"
        if isinstance(value, str) and is_number(value) and fault["type"] in ("int_type", "float_type"):
            what, advice = "the text ", "send it without quotes"
        return UserError(f"The {name} is {what}{shown(value)}; expected {expected}: {advice}.", name)

    @property
    def num_samples(self) -> int:
        """Texts of each prompt."""
        return self.n or 1

    @property
    def num_choices(self) -> int:
        return len(self.prompt) * self.num_samples
