"""The endpoint `/trace` for programs: gates, cells and guesses of a text as numbers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from hubcharlstm.demo.api import endpoint, queue_status
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.inside.requests import MAX_TEXT, check_text
from hubcharlstm.demo.inside.tracing import Tracer
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity
from hubcharlstm.demo.serving.backpressure import BackpressureMonitor
from hubcharlstm.demo.serving.endpoint_errors import endpoint_error
from hubcharlstm.demo.serving.gradio_compat import add_endpoint
from hubcharlstm.inspection.trace import SERIES, Trace

MAX_VALUES = 20_000
"""Values of each series in one answer."""

DIGITS = 7
"""Significant digits of a number, which are those of float32."""

TRACE = f"""What a model computes while it reads a text (up to {MAX_TEXT:,} characters), as if it came at the beginning.

`units` are the numbers of the units whose gates and cells are told, none if left out; `layers` their layers, all if
left out; layers times units times characters are {MAX_VALUES:,} at most. `model` is a name that `/models` lists. The
answer: `surprise` of each character in bits, `bpc` their mean, `input_gate`, `forget_gate`, `candidate`, `output_gate`,
`cell` and `hidden`, each a list by layer, character and unit, `layers`, `units`, `text` as the model read it,
`warnings`, `model`.
"""


class TraceEndpoint:
    """The handler of the endpoint."""

    def __init__(self, registry: ModelRegistry, admission: AdmissionController, tracer: Tracer) -> None:
        self._registry, self._admission, self._tracer = registry, admission, tracer

    @endpoint(TRACE, dict[str, Any])
    async def trace(
        self,
        text: str,
        layers: list[int] | None = None,
        units: list[int] | None = None,
        model: str | None = None,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        monitor = BackpressureMonitor.of(request)
        try:
            text = check_text(text, "text")
            with self._admission.enter(ClientIdentity.of(request)) as ticket:
                async for status in queue_status(ticket, monitor):
                    yield status
                async with self._registry.acquire(model) as served_model:
                    config = served_model.model.config
                    chosen_layers = choose("layers", layers, range(config.num_layers), config.num_layers)
                    chosen_units = choose("units", units, (), config.hidden_size)
                    check_size(len(text), len(chosen_layers), len(chosen_units))
                    found = await self._tracer.trace(served_model, text, "")
                    answer = await self._tracer.run(to_json, found, chosen_layers, chosen_units)
                yield {**answer, "model": served_model.label}
        except ValueError as error:
            raise endpoint_error(error) from error


def choose(name: str, numbers: Any, default: Any, count: int) -> list[int]:
    """The numbers, or the default for None; raises `UserError` unless they are different and below `count`."""
    chosen = list(default) if numbers is None else numbers
    if (
        not isinstance(chosen, list)
        or not all(type(number) is int and 0 <= number < count for number in chosen)
        or len(set(chosen)) < len(chosen)
    ):
        raise UserError(
            f"The {name} are {str(numbers)[:100]}; expected a list of different whole numbers from 0 to {count - 1}: "
            "correct it."
        )
    return chosen


def check_size(characters: int, layers: int, units: int) -> None:
    """Raise `UserError` for more than `MAX_VALUES` of each series."""
    count = characters * layers * units
    if count > MAX_VALUES:
        raise UserError(
            f"{characters:,} characters, {layers} layers and {units} units are {count:,} values; expected "
            f"{MAX_VALUES:,} at most: choose fewer units, or send the text in parts."
        )


def to_json(found: Trace, layers: list[int], units: list[int]) -> dict[str, Any]:
    """A trace as JSON values."""
    series = {name: rounded(getattr(found, name)[layers][:, :, units]) for name in SERIES}
    return {
        "text": found.text,
        "bpc": found.bpc,
        "surprise": rounded(found.surprise),
        "layers": layers,
        "units": units,
        **series,
        "warnings": list(found.warnings),
    }


def rounded(values: Any) -> Any:
    """Nested lists of an array's numbers."""
    if values.ndim > 1:
        return [rounded(part) for part in values]
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def add_trace_endpoint(registry: ModelRegistry, admission: AdmissionController, tracer: Tracer) -> None:
    """Add the endpoint `/trace` inside a `gr.Blocks`."""
    function = TraceEndpoint(registry, admission, tracer).trace
    add_endpoint(function, " ".join((function.__doc__ or "").replace("`", "").split()), queue=True)
