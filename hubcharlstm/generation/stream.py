"""Text in, text out. The stream is the primitive; a completion is a fold over it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from hubcharlstm.colored_text import colored, diverging, paragraph
from hubcharlstm.decoding import openmp
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import FinishReason, Sequence
from hubcharlstm.generation import repetition
from hubcharlstm.generation.backends import EngineBackend, LocalBackend
from hubcharlstm.generation.request import DecodingModel, GenerationOptions, prepare_request
from hubcharlstm.generation.state import GenerationState
from hubcharlstm.generation_config import MAX_NEW_TOKENS
from hubcharlstm.network import State
from hubcharlstm.vocabulary import Encoding, shorten

__all__ = ["MAX_NEW_TOKENS", "Completion", "DecodingModel", "GenerationState", "TextStream"]


@dataclass(frozen=True)
class Completion:
    """The result of one request.

    text: the continuation alone, without the prompt and without a stop string. prompt: the prompt as encoded. seed:
    the seed used, given or drawn (None if a state's own random stream continued). finish_reason: "length", "stop" or
    "cancelled". num_tokens: sampled characters, shown or not. state: to continue from.
    """

    text: str
    prompt: Encoding
    seed: int | None
    finish_reason: FinishReason
    num_tokens: int
    state: GenerationState
    cycle: str | None = None
    """The text that greedy decoding repeats without end, if it does."""
    warnings: tuple[str, ...] = ()
    """For a person: substituted and dropped characters, a start text used, a stop string left out."""

    def __repr__(self) -> str:
        return f"Completion({shorten(self.text)!r}, seed={self.seed}, finish_reason={self.finish_reason!r})"

    def _repr_html_(self) -> str:
        """In a notebook: the prompt on a tint, and what the model wrote."""
        tint = [0.25] * len(self.prompt.text) + [0.0] * len(self.text)
        facts = f"seed {self.seed}, {self.finish_reason}, {self.num_tokens} characters"
        return colored(self.prompt.text + self.text, tint, diverging) + paragraph(facts)


class TextStream(Iterator[str]):
    """One completion as it is generated: iterate for pieces of text, then take `completion`.

    `prompt`, `seed` and `warnings` are known from the start. `cancel()` ends it before the next character.
    Raises `ValueError` for arguments out of range, `BusyError` (a `ValueError`) if an engine is given that has no room;
    and while iterating `DamagedModelError` (a `ValueError`) if the model's logits are not finite, and `EngineError` (a
    `RuntimeError`) if the engine has failed.
    """

    def __init__(
        self,
        model: DecodingModel,
        prompt: str,
        options: GenerationOptions,
        *,
        seed: int | None = None,
        engine: Engine | None = None,
        max_buffered_tokens: int | None = None,
    ) -> None:
        if engine is None and max_buffered_tokens is not None:
            raise ValueError(
                f"max_buffered_tokens is {max_buffered_tokens!r} without an engine; expected an engine with it: "
                "pass one, or leave it out."
            )
        self._decoder = decoder = model.decoder
        prepared = prepare_request(model, decoder, prompt, options, seed=seed)
        self.prompt, self.seed, self.warnings = prepared.prompt, prepared.seed, prepared.warnings
        self._vocabulary, self._fingerprint = model.vocabulary, prepared.fingerprint
        self._backend = (
            LocalBackend(prepared.request, decoder)
            if engine is None
            else EngineBackend(prepared.request, engine, decoder, max_buffered_tokens)
        )
        self._pieces: list[str] = []
        self._buffered: deque[int] = deque()  # ids that came together with the one that was asked for
        self._cancelled = False
        self._is_greedy = options.sampling.temperature == 0

    def __repr__(self) -> str:
        return f"TextStream({shorten(self.text)!r}, seed={self.seed}, finish_reason={self.finish_reason!r})"

    def __next__(self) -> str:
        """The next character."""
        if not self._buffered and not self._cancelled:
            self._buffered.extend(self._backend.take())
        if not self._buffered or self._cancelled:
            raise StopIteration
        self._pieces.append(self._vocabulary.decode((self._buffered.popleft(),)))
        return self._pieces[-1]

    def generate_rest(self) -> str:
        """The rest of the text, generated faster than by iterating."""
        if not self._cancelled:
            self._buffered.extend(self._backend.take_all())
        return self._decode_buffered()

    def read_available(self) -> str:
        """The text that an engine has ready, "" for none, without waiting for more.

        Without an engine it is the next character. `finish_reason` is None while more will come.
        """
        if self._cancelled:
            return ""
        self._buffered.extend(self._backend.take_nowait())
        return self._decode_buffered()

    def _decode_buffered(self) -> str:
        text = self._vocabulary.decode(tuple(self._buffered))
        self._buffered.clear()
        self._pieces.append(text)
        return text

    def cancel(self) -> None:
        """End the stream before its next character; `finish_reason` becomes "cancelled" if it was still running.

        An engine may have sampled characters that were not taken yet: they are part of `completion`.
        """
        if self.finish_reason is None:
            self._cancelled = True
            self._backend.cancel()

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why it ended; None while characters are still to come."""
        if self._cancelled:
            return "cancelled"
        return None if self._buffered else self._backend.finish_reason

    @property
    def num_tokens(self) -> int:
        """Characters sampled so far, shown or not."""
        return self._backend.sequence.num_tokens

    @property
    def text(self) -> str:
        """The continuation so far."""
        return "".join(self._pieces)

    @property
    def completion(self) -> Completion:
        """The result; raises `ValueError` while characters are still to come (iterate or `cancel()` first)."""
        reason = self.finish_reason
        if reason is None:
            raise ValueError("The stream is still running; expected it to have ended: iterate to its end or cancel it.")
        self._pieces.append(self._vocabulary.decode((*self._buffered, *self._backend.drain())))  # up to the state
        self._buffered.clear()
        h, c = self._backend.state()
        sequence = self._backend.sequence
        cycle = self._cycle((h, c), sequence) if self._is_greedy else None
        if isinstance(self._backend, EngineBackend):
            openmp.release_thread_team()  # prefill and cycle check used this thread's team; the engine has its own
        return Completion(
            text=self.text,
            prompt=self.prompt,
            seed=self.seed,
            finish_reason=reason,
            num_tokens=sequence.num_tokens,
            cycle=cycle,
            state=GenerationState(
                h, c, sequence.pending_ids[0], sequence.rng, sequence.held, self._fingerprint, sequence.request.clamp
            ),
            warnings=self.warnings,
        )

    def _cycle(self, state: State, sequence: Sequence) -> str | None:
        """The text that greedy decoding repeats: sampled several times, with a state that returns too."""
        sampled, clamp = list(sequence.last_sampled), sequence.request.clamp
        if (length := repetition.cycle_length(sampled)) is None:
            return None
        cycle = sampled[-length:]
        return (
            self._vocabulary.decode(cycle)
            if repetition.returns_to_state(self._decoder, state, sampled[-1], cycle, clamp)
            else None
        )
