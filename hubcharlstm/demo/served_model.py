"""A model that the app serves, with its engine: what a request holds while it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from hubcharlstm import Alternatives, Score, TextStream, Vocabulary
from hubcharlstm.decoding.clamping import Clamp, check_clamp
from hubcharlstm.decoding.cores import available_cores
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import SamplingParams
from hubcharlstm.demo.settings import Settings
from hubcharlstm.demo.threads import compute_threads, max_compute_threads
from hubcharlstm.engine.engine import Engine
from hubcharlstm.generation.request import GenerationOptions
from hubcharlstm.generation.stream import GenerationState
from hubcharlstm.inspection.alternatives import alternatives
from hubcharlstm.inspection.equations import transposed_recurrent
from hubcharlstm.inspection.prefix_states import PrefixStates
from hubcharlstm.model import CharLSTM

MAX_INLINE_PROMPT = 1_000
"""Characters of a prompt that the event loop encodes itself; a longer one is encoded in a worker thread."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model and its engine. label: its name on the page. source: what permalinks name, None for the shipped model.

    is_private: its owner's alone, so that no permalink names it.
    decoder, fingerprint: of the weights as loaded. Nothing here changes the weights, whereas the model itself compares
    all of them with its decoder's at every call.
    """

    label: str
    source: str | None
    model: CharLSTM
    engine: Engine
    decoder: Decoder
    fingerprint: str
    is_private: bool = False

    @classmethod
    def of(cls, label: str, source: str | None, model: CharLSTM) -> ServedModel:
        decoder = model.decoder
        engine = Engine(decoder, max_threads=max_compute_threads())
        return cls(label, source, model, engine, decoder, model.fingerprint)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def start_text(self) -> str:
        return self.model.start_text

    async def stream(
        self,
        prompt: str,
        settings: Settings,
        *,
        seed: int | None,
        length: int | None = None,
        stop: Sequence[str] = (),
        state: GenerationState | None = None,
        clamp: Clamp | None = None,
        max_buffered_tokens: int | None = None,
    ) -> TextStream:
        """A stream through the engine; raises the model's own `ValueError`.

        length: overrides `settings.length`. stop: stop strings in place of the one of `settings`. clamp: None for that
        of the state.
        """

        def start() -> TextStream:
            sampling = SamplingParams(settings.temperature, settings.top_k, settings.top_p, settings.min_p)
            cells = None if clamp is None else {(layer, unit): value for layer, unit, value in clamp}
            options = GenerationOptions(length or settings.length, sampling, stop or settings.stop or (), state, cells)
            return TextStream(
                self, prompt, options, seed=seed, engine=self.engine, max_buffered_tokens=max_buffered_tokens
            )

        return start() if len(prompt) <= MAX_INLINE_PROMPT else await asyncio.to_thread(start)

    @cached_property
    def transposed_recurrent(self) -> tuple[Tensor, ...]:
        """The recurrent weights as a trace multiplies by them, as large as they are; made when one is first asked."""
        return transposed_recurrent(self.model)

    def encoded_prompt(self, prompt: str) -> str:
        """The prompt as the model reads it: its start text where the prompt holds nothing to read."""
        return self.vocabulary.encode(prompt).text or self.vocabulary.encode(self.start_text).text

    def score(self, text: str, prompt: str = "") -> Score:
        """Score `text` after `prompt` in a worker thread, and release that thread's OpenMP team afterwards."""
        with compute_threads():
            return self.model.score(text, start_text=self.encoded_prompt(prompt))

    def alternatives(
        self,
        text: str,
        position: int,
        *,
        prompt: str,
        settings: Settings,
        clamp: Clamp,
        k: int,
        states: PrefixStates | None = None,
        owner: str = "",
    ) -> Alternatives:
        """What could have stood at `position` of `text` after `prompt`; in a worker thread, like `score`.

        On all cores while nothing is written. states, owner: see `alternatives`.
        """
        sampling = SamplingParams(settings.temperature, settings.top_k, settings.top_p, settings.min_p)
        checked = check_clamp({(layer, unit): value for layer, unit, value in clamp}, self.model.config)
        with compute_threads(max_compute_threads() if any(self.engine.load.values()) else available_cores()):
            return alternatives(
                self.decoder, self.vocabulary, text, position, k=k, sampling=sampling, clamp=checked,
                start_text=self.encoded_prompt(prompt), fingerprint=self.fingerprint, states=states, owner=owner,
            )  # fmt: skip


def describe(served_model: ServedModel | None) -> dict[str, Any]:
    """A model's entry in `/models`, as far as it is known: None for one that is not loaded."""
    if served_model is None:
        return {"loaded": False}
    config = served_model.model.generation_config
    return {
        "loaded": True,
        "revision": served_model.model.revision,
        "parameters": served_model.model.config.num_parameters,
        "characters": len(served_model.vocabulary),
        "precision": served_model.decoder.precision,
        "temperature": config.temperature,
        "max_new_tokens": config.max_new_tokens,
        "examples": list(config.examples),
    }
