"""The endpoint for programs: one completion, without a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.events import api

from hubcharlstm.demo.ask import Settings, check_message, open_stream, read_seed
from hubcharlstm.demo.pacing import check_room, follow
from hubcharlstm.demo.shelf import Shelf
from hubcharlstm.demo.write import AHEAD_AT_FULL_SPEED


def add_api(shelf: Shelf) -> None:
    """Offer `/complete` inside a `gr.Blocks`: the reply so far at every update, and all that is known at the end."""

    async def complete(
        prompt: str = "",
        temperature: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Continue `prompt`; what is left out is the model's own default, or for the seed a new one."""
        loaded = shelf.first
        try:
            check_room()
            settings = Settings.of(loaded.model.generation_config, temperature=temperature, length=max_new_tokens)
            stream = await asyncio.to_thread(
                open_stream,
                loaded.model,
                check_message(prompt),
                settings,
                seed=read_seed(seed),
                engine=loaded.engine,
                ahead=AHEAD_AT_FULL_SPEED,
            )
            told: dict[str, Any] = {
                "text": "",
                "prompt": stream.prompt.text,
                "seed": stream.seed,
                "notes": list(stream.notes),
            }
            async with aclosing(follow([stream], full_speed=True)) as pieces:
                async for (piece,) in pieces:
                    told = {**told, "text": told["text"] + piece, "finish_reason": None}
                    yield told
            yield {**told, "finish_reason": stream.finish_reason}
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    api(complete, api_name="complete", concurrency_limit=None)
