"""Text in, text out, over the decoder. The stream is the primitive; a whole completion is a fold over it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams, check_seed, new_seed
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import FinishReason, GenerationRequest
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.generation import repetition
from hubcharlstm.generation.backends import EngineBackend, LocalBackend
from hubcharlstm.generation.state import GenerationState, check_state
from hubcharlstm.network import State
from hubcharlstm.vocabulary import Encoding, Vocabulary

__all__ = ["MAX_NEW_TOKENS", "Completion", "DecodingModel", "GenerationState", "TextStream"]

MAX_NEW_TOKENS = 100_000


@dataclass(frozen=True)
class Completion:
    """What came of one request.

    text: the continuation alone, without the prompt and without a stop string. prompt: how the prompt was
    read. seed: the seed used, given or drawn (None when a state's own stream went on). finish_reason:
    "length", "stop" or "cancelled". num_tokens: characters drawn, shown or not. state: where it stopped.
    """

    text: str
    prompt: Encoding
    seed: int | None
    finish_reason: FinishReason
    num_tokens: int
    state: GenerationState = field(repr=False)
    cycle: str | None = None
    """What greedy decoding repeats without end, if it does."""
    warnings: tuple[str, ...] = ()
    """What a person should be told: characters folded or skipped, a start text used, a stop string left out."""


class DecodingModel(Protocol):
    """What generation needs of a model."""

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def decoder(self) -> Decoder: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def start_text(self) -> str: ...


class TextStream(Iterator[str]):
    """One completion as it is written: iterate for pieces of text, then read `completion`.

    `prompt`, `seed` and `notes` are known from the start. `cancel()` ends it before the next character.
    Raises `ValueError` for arguments out of range, `BusyError` (a `ValueError`) if an engine is given that has
    no room, and `DamagedModelError` (a `ValueError`) while iterating if the model's logits are not finite.
    """

    def __init__(
        self,
        model: DecodingModel,
        prompt: str = "",
        *,
        max_new_tokens: int,
        sampling: SamplingParams,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
        state: GenerationState | None = None,
        engine: Engine | None = None,
        max_buffered_tokens: int | None = None,
    ) -> None:
        if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int):
            raise ValueError(f"max_new_tokens is {max_new_tokens!r}; expected a whole number: drop the point.")
        if not 1 <= max_new_tokens <= MAX_NEW_TOKENS:
            raise ValueError(
                f"max_new_tokens is {max_new_tokens}; expected 1 to {MAX_NEW_TOKENS}: ask for fewer, "
                "and go on from the completion's state for more."
            )
        if not isinstance(prompt, str):
            raise ValueError(f"The prompt is of type {type(prompt).__name__}; expected a string: convert it.")
        decoder, self._fingerprint = model.decoder, model.fingerprint
        if state is not None and state.fingerprint != self._fingerprint:
            raise ValueError(
                "The state comes from another model; expected one that this model returned: "
                "go on with the model that wrote the text, or give the text as prompt."
            )
        if state is not None:
            check_state(state, decoder)
        self._vocabulary = model.vocabulary
        self.prompt = model.vocabulary.encode(prompt)
        warnings = [self.prompt.describe()]
        prompt_ids = self.prompt.ids
        if not prompt_ids and state is None:
            prompt_ids = model.vocabulary.encode(model.start_text).ids or (0,)
            warnings.append(f"nothing to start from, so it starts after {model.vocabulary.decode(prompt_ids)!r}")
        stops, stop_notes = self._read_stops(stop)
        self.warnings = tuple(note for note in (*warnings, *stop_notes) if note)

        self.seed: int | None
        if state is not None and seed is None and not prompt_ids:
            self.seed, rng = None, state.rng
        else:
            self.seed = new_seed() if seed is None else check_seed(seed)
            rng = RandomStream.for_request(self.seed, prompt_ids, state.rng if state else None)
        request = GenerationRequest(
            pending_ids=prompt_ids if state is None else (state.last_id, *prompt_ids),
            max_new_tokens=max_new_tokens,
            sampling=sampling,
            rng=rng,
            stops=stops,
            state=None if state is None else (state.h, state.c),
            # Text that an earlier call held back is this call's to show or hold on, but not behind a new prompt.
            held=() if state is None or prompt_ids else state.held,
        )
        self._run = (
            LocalBackend(request, decoder)
            if engine is None
            else EngineBackend(request, engine, decoder, max_buffered_tokens)
        )
        self._pieces: list[str] = []
        self._buffered: deque[int] = deque()  # ids that came together with one that was asked for
        self._cancelled = False
        self._decoder, self._is_greedy = decoder, sampling.temperature == 0

    def _read_stops(self, stop: str | Sequence[str]) -> tuple[tuple[Ids, ...], list[str]]:
        stops, warnings = [], []
        for text in (stop,) if isinstance(stop, str) else stop:
            if not isinstance(text, str) or not text:
                raise ValueError(f"A stop string is {text!r}; expected text of at least one character: leave it out.")
            prefilling = self._vocabulary.encode(text)
            if prefilling.dropped:
                warnings.append(f"the stop string {text!r} cannot be written by this model and is left out")
            else:
                stops.append(prefilling.ids)
        return tuple(stops), warnings

    def __next__(self) -> str:
        """The next character."""
        if not self._buffered and not self._cancelled:
            self._buffered.extend(self._run.take())
        if not self._buffered or self._cancelled:
            raise StopIteration
        self._pieces.append(self._vocabulary.decode((self._buffered.popleft(),)))
        return self._pieces[-1]

    def read_available(self) -> str:
        """What an engine has written by now and was not read yet, "" for nothing, without waiting for more.

        Without an engine it is the next character. `finish_reason` tells whether more will come.
        """
        if self._cancelled:
            return ""
        self._buffered.extend(self._run.take_nowait())
        text = self._vocabulary.decode(tuple(self._buffered))
        self._buffered.clear()
        self._pieces.append(text)
        return text

    def cancel(self) -> None:
        """End the stream before its next character; `finish_reason` becomes "cancelled" if it was still running.

        Beside others some characters may have been drawn that were not read yet: they are part of `completion`.
        """
        if self.finish_reason is None:
            self._cancelled = True
            self._run.cancel()

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why it ended; None while characters are still to come."""
        if self._cancelled:
            return "cancelled"
        return None if self._buffered else self._run.finish_reason

    @property
    def num_tokens(self) -> int:
        """Characters drawn so far, shown or not."""
        return self._run.progress.num_tokens

    @property
    def text(self) -> str:
        """The continuation so far."""
        return "".join(self._pieces)

    @property
    def completion(self) -> Completion:
        """What came of it; raises `ValueError` while characters are still to come (iterate or `cancel()` first)."""
        reason = self.finish_reason
        if reason is None:
            raise ValueError("The stream is still running; expected it to have ended: iterate to its end or cancel it.")
        self._pieces.append(self._vocabulary.decode((*self._buffered, *self._run.rest())))  # as far as the state
        self._buffered.clear()
        h, c = self._run.state()
        progress = self._run.progress
        cycle = self._cycle((h, c), list(progress.last_sampled)) if self._is_greedy else None
        if isinstance(self._run, EngineBackend):
            openmp.release_thread_team()  # prefill and cycle check used this thread's team; the engine has its own
        return Completion(
            text=self.text,
            prompt=self.prompt,
            seed=self.seed,
            finish_reason=reason,
            num_tokens=progress.num_tokens,
            cycle=cycle,
            state=GenerationState(h, c, progress.pending_ids[0], progress.rng, progress.held, self._fingerprint),
            warnings=self.warnings,
        )

    def _cycle(self, state: State, sampled: list[int]) -> str | None:
        """What greedy decoding goes round in: drawn several times, and the state comes round with it."""
        if (length := repetition.cycle_length(sampled)) is None:
            return None
        cycle = sampled[-length:]
        return (
            self._vocabulary.decode(cycle)
            if repetition.returns_to_state(self._decoder, state, sampled[-1], cycle)
            else None
        )
