"""The endpoints as tools of assistants (Model Context Protocol): what each takes and gives, as JSON Schemas."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from hubcharlstm.decoding.sampling import MAX_SEED
from hubcharlstm.demo.alternatives_api import MAX_CHOICES, AlternativesEndpoint
from hubcharlstm.demo.api import Endpoints
from hubcharlstm.demo.chat.clamps import MAX_CELLS
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.settings import (
    MAX_LENGTH,
    MAX_MESSAGE,
    MAX_PROMPT,
    MAX_REPLY,
    MAX_STOP,
    MAX_STOPS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    unknown_parameter,
)

Schema = dict[str, Any]

DESCRIPTIONS = {
    "complete": "Continues a text with a small model that writes one character after another in the manner of the text "
    "it was trained on; it follows no instructions. Call it with the beginning of a text; the result holds what comes "
    "after it, and the seed with which the same call gives the same text again.",
    "score": "Says how likely a model finds a text, as if it came at the beginning: bits per character, and the "
    "log-probability of every character. Call it to compare texts, or to find the characters that surprise the model.",
    "alternatives": "Tells which characters a small model that writes one character after another finds likeliest at a "
    "place of a text, and how likely the one is that stands there: where it was sure, where it had a choice.",
    "models": "Lists the models that the other tools can be told to use, the default first, with the size of each and "
    "its own defaults.",
}
"""What an assistant reads before it chooses a tool."""

CHOICE: Schema = {
    "type": "object",
    "properties": {
        "character": {"type": "string"},
        "rank": {"type": "integer", "description": "1 for the likeliest"},
        "probability": {"type": "number", "description": "as the network gives it"},
        "sampling_probability": {"type": "number", "description": "after temperature and filters"},
    },
    "required": ["character", "rank", "probability", "sampling_probability"],
}

MODEL_FACTS: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "what the parameter model takes"},
        "default": {"type": "boolean", "description": "whether it is used where no model is named"},
        "loaded": {"type": "boolean", "description": "whether it is in memory; if not, its first use takes longer"},
        "revision": {"type": ["string", "null"], "description": "the commit that was loaded from the Hub"},
        "parameters": {"type": "integer", "description": "number of weights"},
        "characters": {"type": "integer", "description": "size of the vocabulary"},
        "precision": {"type": "string"},
        "temperature": {"type": "number", "description": "its own default"},
        "max_new_tokens": {"type": "integer", "description": "its own default"},
        "examples": {"type": "array", "items": {"type": "string"}, "description": "beginnings that suit it"},
    },
    "required": ["name", "default", "loaded"],
}

WARNINGS: Schema = {
    "type": "array",
    "items": {"type": "string"},
    "description": "what was read otherwise than it was given, such as replaced characters",
}
MODEL_USED: Schema = {"type": "string", "description": "the model that was used"}

RESULTS: dict[str, Schema] = {
    "complete": {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "the continuation alone"},
            "prompt": {"type": "string", "description": "the prompt as the model read it"},
            "seed": {"type": "integer", "description": "gives the same text again with the same other parameters"},
            "finish_reason": {
                "enum": ["length", "stop"],
                "description": "whether it ended after max_new_tokens or before a stop text",
            },
            "model": MODEL_USED,
            "warnings": WARNINGS,
        },
        "required": ["text", "prompt", "seed", "finish_reason", "model", "warnings"],
    },
    "score": {
        "type": "object",
        "properties": {
            "bpc": {"type": "number", "description": "bits per character: less is likelier"},
            "nats": {"type": "number", "description": "the same with the natural logarithm"},
            "perplexity": {"type": "number", "description": "e to the power of nats"},
            "characters": {"type": "integer", "description": "length of the text as read"},
            "text": {"type": "string", "description": "the text as the model read it"},
            "log_probs": {
                "type": "array",
                "items": {"type": "number"},
                "description": "the natural logarithm of the probability of each character of text",
            },
            "model": MODEL_USED,
            "warnings": WARNINGS,
        },
        "required": ["bpc", "nats", "perplexity", "characters", "text", "log_probs", "model", "warnings"],
    },
    "alternatives": {
        "type": "object",
        "properties": {
            "choices": {"type": "array", "items": CHOICE, "description": "the likeliest first"},
            "actual": {"anyOf": [CHOICE, {"type": "null"}], "description": "the one that came; null at the end"},
            "text": {"type": "string", "description": "the text as the model read it"},
            "position": {"type": "integer", "description": "characters before the place"},
            "temperature": {"type": "number"},
            "top_k": {"type": "integer"},
            "top_p": {"type": "number"},
            "min_p": {"type": "number"},
            "model": MODEL_USED,
            "warnings": WARNINGS,
        },
        "required": ["choices", "actual", "text", "position", "model", "warnings"],
    },
    "models": {
        "type": "object",
        "properties": {"models": {"type": "array", "items": MODEL_FACTS}},
        "required": ["models"],
    },
}
"""What each tool gives."""


@dataclass(frozen=True)
class Tools:
    """The tools over the endpoints of an app. They run where the endpoints do, without a call over the network."""

    endpoints: Endpoints
    registry: ModelRegistry
    inspection: AlternativesEndpoint

    @property
    def names(self) -> Collection[str]:
        return DESCRIPTIONS

    def description(self, name: str) -> str:
        return DESCRIPTIONS[name]

    def input_schema(self, name: str) -> Schema:
        """The parameters of a tool: type, meaning, bounds, and as default what the default model uses now."""
        parameters = self._parameters(name)
        required = [parameter for parameter in ("text", "prompt") if parameter in parameters][:1]
        return {"type": "object", "properties": parameters, "required": required, "additionalProperties": False}

    def output_schema(self, name: str) -> Schema:
        return RESULTS[name]

    def _parameters(self, name: str) -> dict[str, Schema]:
        if name == "models":
            return {}
        model: Schema = {
            "type": "string",
            "description": "the model to use, by its name in the result of the tool models",
            "default": self.registry.default,
        }
        if not self.registry.open_to_all:
            model["enum"] = self.registry.labels
        text: Schema = {"type": "string", "maxLength": MAX_MESSAGE}
        if name == "score":
            return {"text": text | {"description": "the text to score"}, "model": model}
        sampling = self._sampling()
        if name == "alternatives":
            return {
                "text": text | {"description": "holds the place in question", "maxLength": MAX_REPLY},
                "position": {
                    "type": "integer", "minimum": 0, "maximum": MAX_REPLY,
                    "description": "how many characters stand before the place; the end of the text if left out",
                },
                "prompt": text | {"description": "read before the text", "maxLength": MAX_PROMPT, "default": ""},
                "k": {
                    "type": "integer", "minimum": 1, "maximum": MAX_CHOICES, "default": 10,
                    "description": "how many of the likeliest characters to name",
                },
                **sampling,
                "clamp": {
                    "type": "array", "maxItems": MAX_CELLS, "default": [],
                    "items": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
                    "description": "cells to hold at a value: layer, unit and value of each",
                },
                "model": model,
            }  # fmt: skip
        config = self.registry.first.model.generation_config
        stop: Schema = {"type": "string", "maxLength": MAX_STOP}
        return {
            "prompt": text | {"description": "the beginning, which the result goes on from; it is not repeated there"},
            "max_new_tokens": {
                "type": "integer", "minimum": 1, "maximum": MAX_LENGTH,
                "default": min(config.max_new_tokens, MAX_LENGTH), "description": "characters to write",
            },
            "temperature": sampling["temperature"],
            "seed": {
                "type": "integer", "minimum": 0, "maximum": MAX_SEED,
                "description": "one seed is one text; drawn if it is left out",
            },
            **{setting: sampling[setting] for setting in ("top_k", "top_p", "min_p")},
            "stop": {
                "anyOf": [stop, {"type": "array", "items": stop, "maxItems": MAX_STOPS}], "default": [],
                "description": "a text, or several, to end before",
            },
            "model": model,
        }  # fmt: skip

    def _sampling(self) -> dict[str, Schema]:
        """The settings of sampling, each with the default model's own."""
        config = self.registry.first.model.generation_config
        return {
            "temperature": {
                "type": "number", "minimum": 0, "maximum": MAX_TEMPERATURE,
                "default": min(config.temperature, MAX_TEMPERATURE),
                "description": "0 writes always the likeliest character, more is bolder",
            },
            "top_k": {
                "type": "integer", "minimum": 0, "maximum": MAX_TOP_K, "default": min(config.top_k, MAX_TOP_K),
                "description": "draws from this many likeliest characters only; 0 from all",
            },
            "top_p": {
                "type": "number", "minimum": 0.01, "maximum": 1, "default": max(config.top_p, 0.01),
                "description": "draws from the likeliest characters up to this share of probability; 1 from all",
            },
            "min_p": {
                "type": "number", "minimum": 0, "maximum": 0.99, "default": min(config.min_p, 0.99),
                "description": "draws from characters at least this likely relative to the likeliest; 0 from all",
            },
        }  # fmt: skip

    async def call(self, name: str, arguments: Mapping[str, Any], request: gr.Request | None) -> dict[str, Any]:
        """The result of a tool; raises `ValueError` with one sentence for what the endpoint refuses."""
        schema = self.input_schema(name)
        for parameter in arguments:
            if parameter not in schema["properties"]:
                known = schema["properties"] or ["none"]
                raise UserError(unknown_parameter(parameter, known), parameter)
        for parameter in schema["required"]:
            if parameter not in arguments:
                raise UserError(f"The {parameter} is missing; expected a text: add it.", parameter)
        try:
            if name == "models":
                return {"models": await self.endpoints.models()}
            runs: dict[str, Callable[..., AsyncGenerator[dict[str, Any], None]]] = {
                "complete": self.endpoints.complete,
                "score": self.endpoints.score,
                "alternatives": self.inspection.alternatives,
            }
            return await last_of(runs[name](**arguments, request=request))
        except gr.Error as error:
            raise ValueError(error.message) from None


async def last_of(updates: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any]:
    """The last of an endpoint's updates, which is the whole answer."""
    last: dict[str, Any] = {}
    async with aclosing(updates):
        async for update in updates:
            last = update
    return last
