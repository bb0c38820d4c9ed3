"""The custom handler of an Inference Endpoint: the Hub's text-generation request -> generated texts.

`push --endpoint` adds a `handler.py` that imports `EndpointHandler`, and the wheel with this module, to the repository
of a model. The request is that of huggingface_hub's `TextGenerationInput`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hubcharlstm.arguments import is_utf8, shown, whole_number
from hubcharlstm.engine.engine import Engine
from hubcharlstm.generation.stream import Completion
from hubcharlstm.model import CharLSTM

MAX_INPUTS = 16
"""Texts of one request."""
MAX_INPUT_CHARS = 10_000
MAX_NEW_TOKENS = 2_000
"""Characters that are generated for each of them: an Endpoint answers when the last text is whole."""
MAX_STOPS, MAX_STOP_CHARS = 16, 200

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "seed")
"""Parameters that the library checks; min_p is its own."""
OTHERS = ("max_new_tokens", "stop", "do_sample", "return_full_text", "details")
WITHOUT_EFFECT: Mapping[str, tuple[float, ...]] = {
    "adapter_id": (), "best_of": (1,), "decoder_input_details": (0,), "frequency_penalty": (0,), "grammar": (),
    "repetition_penalty": (1,), "top_n_tokens": (0,), "truncate": (), "typical_p": (1,), "watermark": (0,),
}  # fmt: skip
"""The request's other parameters, which have no meaning here -> the values that ask for nothing."""
IGNORED = ("options",)
"""Of the body: how the Hub is to answer, not what."""


@dataclass(frozen=True)
class EndpointRequest:
    """One request. arguments: of `CharLSTM.stream`, None standing for the model's default.

    full_text: whether an answer begins with its input. details: whether it says how it ended.
    """

    inputs: tuple[str, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    full_text: bool = False
    details: bool = False

    @classmethod
    def parse(cls, data: object, *, default_length: int) -> Self:
        """The request in a body; raises `ValueError` for one that is not answered as it asks.

        default_length: characters of a text where the request names no `max_new_tokens`.
        """
        if not isinstance(data, Mapping) or "inputs" not in data:
            raise ValueError(
                f'The body is {shown(data)}; expected an object such as {{"inputs": "To be"}}: send the text as inputs.'
            )
        _check_known(data, ("inputs", "parameters", "stream", *IGNORED), "The body")
        if data.get("stream"):
            raise ValueError("stream is set; expected an answer at once, for a handler sends no parts: leave it out.")
        parameters = data.get("parameters")
        parameters = {} if parameters is None else parameters
        if not isinstance(parameters, Mapping):
            raise ValueError(f"parameters is {shown(parameters)}; expected an object of settings: correct it.")
        _check_known(parameters, (*SAMPLING, *OTHERS, *WITHOUT_EFFECT), "parameters")
        values = {name: value for name, value in parameters.items() if value is not None}
        for name, neutral in WITHOUT_EFFECT.items():
            if name in values and values[name] not in neutral:
                raise ValueError(
                    f"{name} is {shown(values[name])}, which has no effect on this model; expected none: leave it out."
                )
        arguments = {name: values[name] for name in SAMPLING if name in values}
        arguments["max_new_tokens"] = _length(values.get("max_new_tokens", default_length))
        arguments["stop"] = _stops(values.get("stop", []))
        if not _flag(values, "do_sample", default=True):
            arguments["temperature"] = 0.0
        return cls(
            _inputs(data["inputs"]), arguments,
            full_text=_flag(values, "return_full_text"), details=_flag(values, "details"),
        )  # fmt: skip

    def answer(self, text: str, completion: Completion) -> dict[str, Any]:
        """What is sent back for the input `text`. Of `details` the lists of tokens are empty."""
        answer: dict[str, Any] = {"generated_text": (text if self.full_text else "") + completion.text}
        if self.details:
            reason = "stop_sequence" if completion.finish_reason == "stop" else completion.finish_reason
            answer["details"] = {
                "finish_reason": reason, "generated_tokens": completion.num_tokens, "seed": completion.seed,
                "prefill": [], "tokens": [],
            }  # fmt: skip
        if completion.warnings:
            answer["warnings"] = list(completion.warnings)
        return answer


class EndpointHandler:
    """What the service makes once, with the folder of the repository, and then calls with the body of each request.

    Raises `ValueError`, whose sentence the service sends back, for a folder without a model and for a request that is
    out of range.
    """

    def __init__(self, path: str = "") -> None:
        folder = Path(path or ".")
        if not folder.is_dir():
            raise ValueError(f"There is no folder {folder}; expected that of the model's repository: check the path.")
        self.model = CharLSTM.from_pretrained(folder)
        self.engine = Engine(self.model.decoder)

    def __call__(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One answer for each text of "inputs", in order; all are generated together."""
        default_length = min(self.model.generation_config.max_new_tokens, MAX_NEW_TOKENS)
        request = EndpointRequest.parse(data, default_length=default_length)
        streams = [self.model.stream(text, engine=self.engine, **request.arguments) for text in request.inputs]
        for stream in streams:
            for _ in stream:
                pass
        return [request.answer(text, stream.completion) for text, stream in zip(request.inputs, streams, strict=True)]


def _check_known(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in values:
        if name not in known:
            raise ValueError(
                f"{where} has {shown(name)}; expected nothing but {', '.join(known)}: correct its name, or leave it "
                "out."
            )


def _inputs(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and is_utf8(text) for text in texts):
        raise ValueError(f"inputs is {shown(value)}; expected a text or a list of texts: correct it.")
    if len(texts) > MAX_INPUTS:
        raise ValueError(
            f"inputs has {len(texts):,} texts; expected at most {MAX_INPUTS}: send them in several requests."
        )
    if (longest := max(map(len, texts))) > MAX_INPUT_CHARS:
        raise ValueError(
            f"inputs has a text of {longest:,} characters; expected at most {MAX_INPUT_CHARS:,}: send its end, which "
            "is what the model goes on from."
        )
    return tuple(texts)


def _length(value: object) -> int:
    length = whole_number(value)
    if length is None or not 1 <= length <= MAX_NEW_TOKENS:
        raise ValueError(
            f"max_new_tokens is {shown(value)}; expected a whole number from 1 to {MAX_NEW_TOKENS:,}: correct it."
        )
    return length


def _stops(value: object) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and len(stop) <= MAX_STOP_CHARS for stop in stops):
        raise ValueError(
            f"stop is {shown(value)}; expected a list of texts of at most {MAX_STOP_CHARS} characters: correct it."
        )
    if len(stops) > MAX_STOPS:
        raise ValueError(f"stop has {len(stops):,} texts; expected at most {MAX_STOPS}: leave some out.")
    return stops


def _flag(values: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}; expected true or false: correct it.")
    return value
