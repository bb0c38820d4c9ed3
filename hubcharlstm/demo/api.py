"""The endpoints for programs: complete, score, models. Their descriptions are what the page "Use via API" shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.events import api

from hubcharlstm import BusyError
from hubcharlstm.decoding.sampling import new_seed
from hubcharlstm.demo.chat.pacing import UpdatePacer, follow
from hubcharlstm.demo.chat.replies import MAX_BUFFERED_TOKENS_AT_FULL_SPEED
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.serving.admission import ENDING, AdmissionController, ClientIdentity, QueueTicket
from hubcharlstm.demo.serving.backpressure import BackpressureMonitor
from hubcharlstm.demo.settings import MAX_LENGTH, MAX_MESSAGE, Settings, check_message, check_number, parse_seed
from hubcharlstm.errors import EngineError

WAITING_SECONDS = 2.0
"""Between two words to a program that waits for its turn."""

COMPLETE = f"""Go on with a text. It streams: every update holds the whole text so far, the last one all that is known.

`prompt` (up to {MAX_MESSAGE:,} characters) is the beginning; what is left out of the others is the model's default:
`max_new_tokens` characters to write, 1 to {MAX_LENGTH:,}; `temperature` 0 (always the likeliest character) to 2;
`seed` 0 to 2⁶³-1, drawn if left out: one seed is one text; `top_k` keeps the k likeliest characters, 0 all;
`top_p` the likeliest up to this share, 1 all; `min_p` those at least so likely beside the likeliest, 0 all;
`stop` a text to end before; `model` a name that `/models` lists.
The answer: `text` the continuation alone, `prompt` as the model read it, `seed`, `finish_reason` "length" or "stop"
(null while it writes), `model`, `notes` what was read otherwise, and while it waits for its turn `queue`.
"""

SCORE = f"""How likely a model finds a text (up to {MAX_MESSAGE:,} characters), as if it came at the beginning.

`model` is a name that `/models` lists. The answer: `bpc` bits per character, `nats`, `perplexity`, `characters`, `text`
as the model read it, `log_probs` the natural logarithm of every character's probability, `notes`, `model`.
"""

MODELS = """The models that may be named here, the first one that serves unless you name another.

For each: `name`, `default`, `loaded` (one that is not is loaded when it is first asked for), and once it is loaded
`revision`, `parameters`, `characters` (the size of its vocabulary), `precision`, and its own defaults.
"""


def add_api(registry: ModelRegistry, admission: AdmissionController, pacer: UpdatePacer) -> None:
    """Offer `/complete`, `/score` and `/models` inside a `gr.Blocks`."""
    scoring = asyncio.Semaphore(1)  # it takes a core or two for a second

    async def complete(
        prompt: str,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | str | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | None = None,
        model: str | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> AsyncGenerator[dict[str, Any], None]:
        visitor = ClientIdentity.of(request)
        listener = BackpressureMonitor.of(request)
        try:
            prompt = check_message(prompt, "prompt")
            if max_new_tokens is not None:
                check_number("max_new_tokens", max_new_tokens, 1, MAX_LENGTH, whole=True, unit=" characters")
            drawn = new_seed() % 2**53  # which JavaScript still holds exactly
            given = parse_seed(seed)
            with admission.enter(visitor) as place:
                async for notice in waits(place, listener):
                    yield notice
                async with registry.acquire(model) as loaded:
                    settings = Settings.of(
                        loaded.model.generation_config,
                        temperature=temperature,
                        length=max_new_tokens,
                        top_k=top_k,
                        top_p=top_p,
                        min_p=min_p,
                        stop=stop,
                    )
                    used = drawn if given is None else given
                    ahead = MAX_BUFFERED_TOKENS_AT_FULL_SPEED
                    stream = await loaded.stream(prompt, settings, seed=used, max_buffered_tokens=ahead)
                    told: dict[str, Any] = {
                        "text": "",
                        "prompt": stream.prompt.text,
                        "seed": stream.seed,
                        "finish_reason": None,
                        "model": loaded.label,
                        "warnings": list(stream.warnings),
                    }
                    following = follow(
                        [stream], pacer, full_speed=True, is_cancelled=lambda: admission.must_stop, monitor=listener
                    )
                    async with aclosing(following) as pieces:
                        async for (piece,) in pieces:
                            told = {**told, "text": told["text"] + piece}
                            yield told
                    if stream.finish_reason not in ("length", "stop"):
                        raise BusyError(ENDING)
                    yield {**told, "finish_reason": stream.finish_reason}
        except (ValueError, EngineError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    async def score(
        text: str,
        model: str | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> AsyncGenerator[dict[str, Any], None]:
        listener = BackpressureMonitor.of(request)
        try:
            text = check_message(text, "text")
            with admission.enter(ClientIdentity.of(request)) as place:
                async for notice in waits(place, listener):
                    yield notice
                async with scoring, registry.acquire(model) as loaded:
                    done = await asyncio.to_thread(loaded.score, text)
                yield {
                    "bpc": done.bpc,
                    "nats": done.nats,
                    "perplexity": done.perplexity,
                    "characters": len(done.text),
                    "text": done.text,
                    "log_probs": [round(float(value), 6) for value in done.log_probs],
                    "model": loaded.label,
                    "warnings": list(done.warnings),
                }
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    async def models() -> list[dict[str, Any]]:
        return registry.describe()

    offer(complete, COMPLETE, dict[str, Any])
    offer(score, SCORE, dict[str, Any])
    offer(models, MODELS, list[dict[str, Any]], queue=False)


def offer(function: Callable[..., Any], description: str, answer: Any, **options: Any) -> None:
    """Add an endpoint named as `function`. answer: the type of one answer, which a generator's own hint hides."""
    function.__doc__ = description
    function.__annotations__["return"] = answer
    told = " ".join(description.replace("`", "").split())  # shown as plain text
    api(function, api_name=function.__name__, api_description=told, concurrency_limit=None, **options)


async def waits(place: QueueTicket, listener: BackpressureMonitor) -> AsyncGenerator[dict[str, Any], None]:
    """What to tell until the request has its turn."""
    while not await place.wait_for_turn(WAITING_SECONDS):
        listener.check()
        yield {"text": "", "finish_reason": None, "queue": place.status_message}
