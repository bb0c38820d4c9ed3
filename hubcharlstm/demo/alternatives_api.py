"""The endpoint that tells what could have stood at a place of a text: for the page and for programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from hubcharlstm import Alternative
from hubcharlstm.demo.api import endpoint, queue_status
from hubcharlstm.demo.chat.clamps import MAX_CELLS, check_clamp
from hubcharlstm.demo.owners import owner_of
from hubcharlstm.demo.private_models import PrivateModels
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity
from hubcharlstm.demo.serving.backpressure import BackpressureMonitor
from hubcharlstm.demo.serving.endpoint_errors import endpoint_error
from hubcharlstm.demo.serving.gradio_compat import add_endpoint
from hubcharlstm.demo.settings import MAX_PROMPT, MAX_REPLY, Settings, check_message, check_number
from hubcharlstm.errors import EngineError
from hubcharlstm.inspection.prefix_states import PrefixStates

MAX_CHOICES = 100
"""Characters that one request may ask for."""

ALTERNATIVES = f"""What could have stood at a place of a text, with its probability.

`text` (up to {MAX_REPLY:,} characters) holds the place; `position` is the number of characters before it, by default
all; `prompt` (up to {MAX_PROMPT:,} characters) is read before the text; `k` is how many characters to name, 1 to
{MAX_CHOICES}, by default 10; `temperature`, `top_k`, `top_p` and `min_p` are as for `/complete`; `clamp` is a list of
up to {MAX_CELLS} [layer, unit, value], the cells to hold there; `model` is a name that `/models` lists.
The answer: `choices`, the likeliest first, and `actual`, the one that came (null at the end): for each `character`,
`rank`, `probability` as the network gives it, and `sampling_probability` after temperature and filters. `text` and
`position` as the model read them, `temperature`, `top_k`, `top_p` and `min_p` as used, `model`, `warnings`.
"""


class AlternativesEndpoint:
    """The handler of `/alternatives`, over the app's models and a visitor's own."""

    def __init__(self, models: PrivateModels, admission: AdmissionController) -> None:
        self._models, self._admission = models, admission
        self._computing = asyncio.Semaphore(1)  # reading a long text takes a core or two
        self._states = PrefixStates()  # by owner: a quicker answer would tell that somebody else has the same text

    @endpoint(ALTERNATIVES, dict[str, Any])
    async def alternatives(
        self,
        text: str,
        position: int | None = None,
        prompt: str = "",
        k: int = 10,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        clamp: list[list[float]] | None = None,
        model: str | None = None,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        monitor = BackpressureMonitor.of(request)
        try:
            text, prompt = check_message(text, "text", MAX_REPLY), check_message(prompt, "prompt", MAX_PROMPT)
            place = len(text) if position is None else position
            check_number("position", place, 0, len(text), whole=True, unit=" characters of the text")
            check_number("k", k, 1, MAX_CHOICES, whole=True, unit=" characters")
            cells = check_clamp(clamp)
            with self._admission.enter(ClientIdentity.of(request)) as ticket:
                async for status in queue_status(ticket, monitor):
                    yield status
                owner = owner_of(request.headers) if request else ""
                async with self._models.acquire(model, owner) as served_model, self._computing:
                    settings = Settings.of(
                        served_model.model.generation_config,
                        temperature=temperature,
                        top_k=top_k,
                        top_p=top_p,
                        min_p=min_p,
                    )
                    if position is None:
                        place = len(served_model.vocabulary.encode(text).ids)
                    found = await asyncio.to_thread(
                        served_model.alternatives, text, place, prompt=prompt, settings=settings, clamp=cells, k=k,
                        states=self._states if owner else None, owner=owner,
                    )  # fmt: skip
                yield {
                    "choices": [as_json(choice) for choice in found.choices],
                    "actual": None if found.actual is None else as_json(found.actual),
                    "text": found.text,
                    "position": found.position,
                    "temperature": settings.temperature,
                    "top_k": settings.top_k,
                    "top_p": settings.top_p,
                    "min_p": settings.min_p,
                    "model": served_model.label,
                    "warnings": list(found.warnings),
                }
        except (ValueError, EngineError) as error:
            raise endpoint_error(error) from error


def as_json(choice: Alternative) -> dict[str, Any]:
    return {
        "character": choice.character,
        "rank": choice.rank,
        "probability": choice.probability,
        "sampling_probability": choice.sampling_probability,
    }


def add_alternatives(models: PrivateModels, admission: AdmissionController) -> AlternativesEndpoint:
    """Add the endpoint `/alternatives` inside a `gr.Blocks`; returns its handler."""
    handler = AlternativesEndpoint(models, admission)
    description = " ".join((handler.alternatives.__doc__ or "").replace("`", "").split())  # shown as plain text
    add_endpoint(handler.alternatives, description, queue=True)
    return handler
