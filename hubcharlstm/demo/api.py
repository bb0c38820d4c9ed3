"""The endpoint for programs: one completion, without a page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.events import api

from hubcharlstm.demo.chat import open_stream
from hubcharlstm.demo.pacing import paced
from hubcharlstm.model import CharLSTM


def add_api(model: CharLSTM) -> None:
    """Offer `/complete` inside a `gr.Blocks`: the reply so far at every update, and all that is known at the end."""

    async def complete(
        prompt: str = "",
        temperature: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Continue `prompt`; what is left out is the model's own default, or for the seed a new one."""
        try:
            stream = open_stream(model, prompt, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
            told: dict[str, Any] = {
                "text": "",
                "prompt": stream.prompt.text,
                "seed": stream.seed,
                "notes": list(stream.notes),
            }
            async with aclosing(paced(stream, full_speed=True)) as pieces:
                async for piece in pieces:
                    told = {**told, "text": told["text"] + piece, "finish_reason": None}
                    yield told
            yield {**told, "finish_reason": stream.completion.finish_reason}
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    api(complete, api_name="complete", concurrency_limit=None)
