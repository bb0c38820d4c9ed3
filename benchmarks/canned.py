"""Baselines for the app: a bare Gradio app that streams canned text, and the usual demo of a character LSTM.

`python -m benchmarks.canned PORT` serves both with Gradio's defaults, except for as many worker threads as the app has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Iterator

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import torch

from hubcharlstm import CharLSTM

CANNED = "To be, or not to be: that is the question. " * 50
MAX_THREADS = 600


def build() -> gr.Blocks:
    model = CharLSTM.from_pretrained()

    async def canned(characters: int, updates: int) -> AsyncGenerator[str, None]:
        """The text so far, in `updates` updates, as fast as Gradio takes them."""
        for number in range(1, updates + 1):
            yield CANNED[: characters * number // updates]

    def usual(prompt: str, characters: int) -> Iterator[str]:
        """One generator per client, a call of `nn.LSTM` and an update per character."""
        text, new_ids, state = "", list(model.vocabulary.encode(prompt).ids), model.initial_state(1)
        for _ in range(characters):
            with torch.no_grad():  # per step: Gradio may run each in another thread
                logits, state = model(torch.tensor([new_ids]), state)
            new_ids = [int(torch.multinomial(torch.softmax(logits[0, -1] / 0.8, -1), 1))]
            text += model.vocabulary.decode(new_ids)
            yield text

    with gr.Blocks(analytics_enabled=False) as demo:
        gr.api(canned, api_name="canned", concurrency_limit=None)
        gr.api(usual, api_name="usual", concurrency_limit=None)
    demo.queue()
    return demo


if __name__ == "__main__":
    build().launch(server_port=int(sys.argv[1]), max_threads=MAX_THREADS, quiet=True)
