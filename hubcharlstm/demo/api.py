"""Endpoints for programs: complete, score, models. The page "Use via API" shows their descriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import gradio as gr

from hubcharlstm import BusyError, TextStream
from hubcharlstm.decoding.sampling import new_seed
from hubcharlstm.demo.chat.pacing import UpdatePacer, follow
from hubcharlstm.demo.chat.replies import MAX_BUFFERED_TOKENS_AT_FULL_SPEED
from hubcharlstm.demo.owners import owner_of
from hubcharlstm.demo.private_models import PrivateModels
from hubcharlstm.demo.serving.admission import SHUTTING_DOWN, AdmissionController, ClientIdentity, QueueTicket
from hubcharlstm.demo.serving.backpressure import BackpressureMonitor
from hubcharlstm.demo.serving.endpoint_errors import endpoint_error
from hubcharlstm.demo.serving.gradio_compat import add_endpoint
from hubcharlstm.demo.settings import (
    MAX_LENGTH,
    MAX_MESSAGE,
    Settings,
    check_message,
    check_number,
    parse_seed,
    parse_stops,
)
from hubcharlstm.errors import EngineError

QUEUE_UPDATE_SECONDS = 2.0
"""Between two status messages to a program whose request waits for its turn."""

COMPLETE = f"""Go on with a text. It streams: every update holds the whole text so far, the last one all that is known.

`prompt` (up to {MAX_MESSAGE:,} characters) is the beginning; what is left out of the others is the model's default:
`max_new_tokens` characters to write, 1 to {MAX_LENGTH:,}; `temperature` 0 (always the likeliest character) to 2;
`seed` 0 to 2⁶³-1, drawn if left out: one seed is one text; `top_k` keeps the k likeliest characters, 0 all;
`top_p` the likeliest up to this share, 1 all; `min_p` those at least so likely beside the likeliest, 0 all;
`stop` a text, or a list of texts, to end before; `model` a name that `/models` lists.
The answer: `text` the continuation alone, `prompt` as the model read it, `seed`, `finish_reason` "length" or "stop"
(null while it writes), `model`, `warnings` what was read otherwise, and while it waits for its turn `queue`.
"""

SCORE = f"""How likely a model finds a text (up to {MAX_MESSAGE:,} characters), as if it came at the beginning.

`prompt` (up to {MAX_MESSAGE:,} characters) is what comes before it and is not scored; `model` is a name that `/models`
lists. The answer: `bpc` bits per character, `nats`, `perplexity`, `characters`, `text` as the model read it,
`log_probs` the natural logarithm of every character's probability, `warnings`, `model`.
"""

MODELS = """The models that may be named here, the first one that serves unless you name another.

For each: `name`, `default`, `loaded` (one that is not is loaded when it is first asked for), and once it is loaded
`revision`, `parameters`, `characters` (the size of its vocabulary), `precision`, and its own defaults.
"""

Function = TypeVar("Function", bound=Callable[..., Any])


def endpoint(description: str, answer: object) -> Callable[[Function], Function]:
    """Decorator: set what Gradio reads from the function itself. answer: the type of one answer, whereas the
    annotation of an async generator names the generator."""

    def described(function: Function) -> Function:
        function.__doc__ = description
        function.__annotations__["return"] = answer
        return function

    return described


class Endpoints:
    """The handlers of the endpoints, over the app's models; a score also of a visitor's own, for its page."""

    def __init__(self, models: PrivateModels, admission: AdmissionController, pacer: UpdatePacer) -> None:
        self._models, self._admission, self._pacer = models, admission, pacer
        self._scoring = asyncio.Semaphore(1)  # a score takes a core or two for a second

    @endpoint(COMPLETE, dict[str, Any])
    async def complete(
        self,
        prompt: str,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | str | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | list[str] | None = None,
        model: str | None = None,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        monitor = BackpressureMonitor.of(request)
        try:
            prompt = check_message(prompt, "prompt")
            if max_new_tokens is not None:
                check_number("max_new_tokens", max_new_tokens, 1, MAX_LENGTH, whole=True, unit=" characters")
            given_seed, stops = parse_seed(seed), parse_stops(stop)
            used_seed = new_seed() % 2**53 if given_seed is None else given_seed  # JavaScript holds 2**53 exactly
            with self._admission.enter(ClientIdentity.of(request)) as ticket:
                async for status in queue_status(ticket, monitor):
                    yield status
                async with self._models.registry.acquire(model) as served_model:
                    settings = Settings.of(
                        served_model.model.generation_config,
                        temperature=temperature,
                        length=max_new_tokens,
                        top_k=top_k,
                        top_p=top_p,
                        min_p=min_p,
                    )
                    stream = await served_model.stream(
                        prompt,
                        settings,
                        seed=used_seed,
                        stop=stops,
                        max_buffered_tokens=MAX_BUFFERED_TOKENS_AT_FULL_SPEED,
                    )
                    async with aclosing(self._updates(stream, served_model.label, monitor)) as updates:
                        async for update in updates:
                            yield update
        except (ValueError, EngineError) as error:
            raise endpoint_error(error) from error

    async def _updates(
        self, stream: TextStream, label: str, monitor: BackpressureMonitor
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The answers of `complete` as the text grows; raises `BusyError` if the server shuts down before its end."""
        answer: dict[str, Any] = {
            "text": "",
            "prompt": stream.prompt.text,
            "seed": stream.seed,
            "finish_reason": None,
            "model": label,
            "warnings": list(stream.warnings),
        }
        following = follow(
            [stream], self._pacer, full_speed=True, is_cancelled=lambda: self._admission.must_stop, monitor=monitor
        )
        async with aclosing(following) as pieces:
            async for (piece,) in pieces:
                answer = {**answer, "text": answer["text"] + piece}
                yield answer
        if stream.finish_reason not in ("length", "stop"):
            raise BusyError(SHUTTING_DOWN)
        # Of a text that ends as the server stops, the updates may lack the end.
        yield {**answer, "text": stream.text, "finish_reason": stream.finish_reason}

    @endpoint(SCORE, dict[str, Any])
    async def score(
        self, text: str, prompt: str = "", model: str | None = None, request: gr.Request | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        monitor = BackpressureMonitor.of(request)
        try:
            text, prompt = check_message(text, "text"), check_message(prompt, "prompt")
            with self._admission.enter(ClientIdentity.of(request)) as ticket:
                async for status in queue_status(ticket, monitor):
                    yield status
                owner = owner_of(request.headers) if request else ""
                async with self._models.acquire(model, owner) as served_model, self._scoring:
                    score = await asyncio.to_thread(served_model.score, text, prompt)
                yield {
                    "bpc": score.bpc,
                    "nats": score.nats,
                    "perplexity": score.perplexity,
                    "characters": len(score.text),
                    "text": score.text,
                    "log_probs": [round(float(value), 6) for value in score.log_probs],
                    "model": served_model.label,
                    "warnings": list(score.warnings),
                }
        except ValueError as error:
            raise endpoint_error(error) from error

    @endpoint(MODELS, list[dict[str, Any]])
    async def models(self) -> list[dict[str, Any]]:
        return self._models.registry.describe()


def add_api(models: PrivateModels, admission: AdmissionController, pacer: UpdatePacer) -> Endpoints:
    """Add the endpoints `/complete`, `/score` and `/models` inside a `gr.Blocks`; returns their handlers."""
    endpoints = Endpoints(models, admission, pacer)
    for function, is_queued in ((endpoints.complete, True), (endpoints.score, True), (endpoints.models, False)):
        description = " ".join((function.__doc__ or "").replace("`", "").split())  # shown as plain text
        add_endpoint(function, description, queue=is_queued)
    return endpoints


async def queue_status(ticket: QueueTicket, monitor: BackpressureMonitor) -> AsyncGenerator[dict[str, Any], None]:
    """Answers that hold the place in the queue, until it is the request's turn."""
    while not await ticket.wait_for_turn(QUEUE_UPDATE_SECONDS):
        monitor.check()
        yield {"text": "", "finish_reason": None, "queue": str(ticket.status_message)}
