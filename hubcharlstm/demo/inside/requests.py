"""The bodies of the view's requests, with their bounds: each refusal is one sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from hubcharlstm.arguments import whole_number
from hubcharlstm.decoding.clamping import MAX_CLAMP
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import MAX_TEMPERATURE, check_number, shown
from hubcharlstm.demo.words.catalogue import LANGUAGES
from hubcharlstm.inspection.trace import SERIES
from hubcharlstm.network import CharLSTMConfig

MAX_TEXT = 2_000
"""Characters of a text that is traced, and of what is read before it."""
MAX_CELLS = 24
"""Cells whose exact values one answer holds."""
MAX_MAPS = 8
"""Pictures of a layer in one answer."""
MAX_WRITTEN = 400
"""Characters that the view has the model write."""

Cell = tuple[int, int]
"""Layer and unit."""


@dataclass(frozen=True)
class InsideRequest:
    """What every request names: a text, what is read before it, and a model.

    cells: those whose exact values are asked for; None for those of the model's own choice. maps: series and layer of
    each picture. position: a place in the text. language: of the file to take along. owner: the key of the browser that
    asks, which no body holds.
    """

    text: str
    before: str = ""
    model: str | None = None
    cells: tuple[Cell, ...] | None = None
    maps: tuple[tuple[str, int], ...] = ()
    position: int = 0
    value: float = 0.0
    length: int = 200
    seed: int = 1
    temperature: float | None = None
    language: str = "en"
    owner: str = ""

    @classmethod
    def parse(cls, body: bytes, owner: str = "", *, max_text: int = MAX_TEXT) -> Self:
        """The request in a JSON body; raises `UserError` for one that is none, or out of bounds."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        fields = [name for name in cls.__dataclass_fields__ if name != "owner"]
        if not isinstance(data, dict) or not set(data) <= set(fields):
            names = ", ".join(fields)
            raise UserError(f"The body is no JSON object of these names alone: {names}; expected one: correct it.")
        values = dict(data)
        for name in ("text", "before"):
            values[name] = check_text(data.get(name, ""), name, max_text)
        if data.get("cells") is not None:
            values["cells"] = tuple(
                parse_pair(pair, "cell", int) for pair in bounded(data["cells"], "cells", MAX_CELLS)
            )
        values["maps"] = tuple(parse_pair(pair, "map", str) for pair in bounded(data.get("maps", []), "maps", MAX_MAPS))
        for name, high in (("position", MAX_TEXT), ("length", MAX_WRITTEN), ("seed", 2**53)):
            check_number(name, data.get(name, 1), int(name == "length"), high, whole=True)
        check_number("value", data.get("value", 0), -MAX_CLAMP, MAX_CLAMP)
        if data.get("temperature") is not None:
            check_number("temperature", data["temperature"], 0, MAX_TEMPERATURE)
        language = data.get("language", "en")
        if not isinstance(language, str) or language not in LANGUAGES:
            raise UserError(f"The language is {shown(language)}; expected one of {', '.join(LANGUAGES)}: choose one.")
        return cls(**values, owner=owner)

    def check_cells(self, config: CharLSTMConfig) -> None:
        """Raise `UserError` for a cell or a map that a model of this size does not have."""
        for layer, unit in self.cells or ():
            if not (0 <= layer < config.num_layers and 0 <= unit < config.hidden_size):
                raise UserError(
                    f"There is no layer {shown(layer)}, unit {shown(unit)}; expected a layer below {config.num_layers} "
                    f"and a unit below {config.hidden_size}: choose another."
                )
        for series, layer in self.maps:
            if series not in SERIES or not 0 <= layer < config.num_layers:
                raise UserError(
                    f"There is no map of {shown(series)} in layer {shown(layer)}; expected one of {', '.join(SERIES)} "
                    f"and a layer below {config.num_layers}: choose another."
                )


def check_text(text: Any, name: str, max_text: int = MAX_TEXT) -> str:
    """Return `text`; raise `UserError` if it is no string or too long."""
    if not isinstance(text, str):
        raise UserError(f"The {name} is of type {type(text).__name__}; expected text: send it as a string.")
    if len(text) > max_text:
        raise UserError(f"The {name} has {len(text):,} characters; expected {max_text:,} at most: shorten it.")
    return text


def bounded(values: Any, name: str, most: int) -> list[Any]:
    """Return a list; raise `UserError` for anything else and for more than `most`."""
    if not isinstance(values, list) or len(values) > most:
        found = f"{len(values)} entries" if isinstance(values, list) else shown(values)
        raise UserError(f"The list of {name} is {found}; expected a list of {most} at most: shorten it.")
    return values


def parse_pair(pair: Any, name: str, kind: type) -> Any:
    """[layer, unit] or [series, layer] as a tuple; raises `UserError` for anything else."""
    numbers = pair if isinstance(pair, list) and len(pair) == 2 else [None, None]
    first = numbers[0] if kind is str else whole_number(numbers[0])
    if not isinstance(first, kind) or whole_number(numbers[1]) is None:
        what = "[layer, unit]" if kind is int else "[series, layer]"
        raise UserError(f"The {name} is {shown(pair)}; expected {what}: correct it.")
    return first, whole_number(numbers[1])
