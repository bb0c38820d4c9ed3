"""Text in, text out, over the decoder. The stream is the primitive; a whole completion is a fold over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch

from hubcharlstm.decoder import Decoder
from hubcharlstm.network import State
from hubcharlstm.sampling import Array, RandomStream, SamplingParams, check_seed, new_seed, next_ids
from hubcharlstm.stopping import Ids, StopRule
from hubcharlstm.vocabulary import Reading, Vocabulary

MAX_NEW_TOKENS = 100_000

FinishReason = Literal["length", "stop", "cancelled"]


class DamagedModelError(ValueError):
    """The network gives logits that are not finite numbers."""


@dataclass(frozen=True)
class GenerationState:
    """Where a completion stopped: all that is needed to go on exactly there. A few kilobytes, never changed.

    h, c: (num_layers, 1, H) each, after every id but `last_id`, which is still to be read.
    stream: the random stream with the draws made so far. held: generated ids that a stop string may still
    need and that were not shown. fingerprint: the model it belongs to.
    """

    h: torch.Tensor
    c: torch.Tensor
    last_id: int
    stream: RandomStream
    held: Ids
    fingerprint: str


@dataclass(frozen=True)
class Completion:
    """What came of one request.

    text: the continuation alone, without the prompt and without a stop string. prompt: how the prompt was
    read. seed: the seed used, given or drawn (None when a state's own stream went on). finish_reason:
    "length", "stop" or "cancelled". num_tokens: characters drawn, shown or not. state: where it stopped.
    """

    text: str
    prompt: Reading
    seed: int | None
    finish_reason: FinishReason
    num_tokens: int
    state: GenerationState = field(repr=False)
    notes: tuple[str, ...] = ()
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
    Raises `ValueError` for arguments out of range, and `DamagedModelError` (a `ValueError`) while iterating
    if the model's logits are not finite.
    """

    def __init__(
        self,
        model: DecodingModel,
        prompt: str = "",
        *,
        max_new_tokens: int,
        sampling: SamplingParams,
        stop: Sequence[str] = (),
        seed: int | None = None,
        state: GenerationState | None = None,
    ) -> None:
        if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int):
            raise ValueError(
                f"max_new_tokens is {max_new_tokens!r}; expected a whole number: write it without a point."
            )
        if not 1 <= max_new_tokens <= MAX_NEW_TOKENS:
            raise ValueError(
                f"max_new_tokens is {max_new_tokens}; expected 1 to {MAX_NEW_TOKENS}: ask for fewer, "
                "and go on from the completion's state for more."
            )
        if not isinstance(prompt, str):
            raise ValueError(f"The prompt is of type {type(prompt).__name__}; expected a string: convert it.")
        self._decoder, self._fingerprint = model.decoder, model.fingerprint
        if state is not None and state.fingerprint != self._fingerprint:
            raise ValueError(
                "The state comes from another model; expected one that this model returned: "
                "go on with the model that wrote the text, or give the text as prompt."
            )
        self._vocabulary = model.vocabulary
        self._sampling = sampling
        self._max_new_tokens = max_new_tokens
        self.prompt = model.vocabulary.encode(prompt)
        notes = [self.prompt.describe()]
        prompt_ids: Sequence[int] = self.prompt.ids
        if not prompt_ids and state is None:
            start = model.vocabulary.encode(model.start_text)
            prompt_ids = start.ids or (0,)
            notes.append(f"nothing to start from, so it starts after {model.vocabulary.decode(prompt_ids)!r}")
        stops, stop_notes = self._read_stops(stop)
        self.notes = tuple(note for note in (*notes, *stop_notes) if note)

        self.seed: int | None
        if state is not None and seed is None and not prompt_ids:
            self.seed, self._stream = None, state.stream
        else:
            self.seed = new_seed() if seed is None else check_seed(seed)
            self._stream = RandomStream.for_request(self.seed, prompt_ids, state.stream if state else None)
        self._ahead: Array = self._stream.uniforms(0)[0]  # uniforms drawn ahead of need, and how many are used
        self._used = 0

        self._rule = StopRule(stops)
        self._released: list[str] = []
        self._to_release: list[int] = []
        if state is None:
            self._unread: list[int] = list(prompt_ids)
            self._state: State = self._decoder.initial_state(1)
        else:
            self._unread = [state.last_id, *prompt_ids]
            self._state = (state.h, state.c)
            self._replay(state.held, fresh=bool(prompt_ids))
        self.num_tokens = 0
        self.finish_reason: FinishReason | None = "stop" if self._rule.stopped else None
        self._cancelled = False

    def _read_stops(self, stop: Sequence[str]) -> tuple[list[Ids], list[str]]:
        if isinstance(stop, str):
            stop = (stop,)
        stops, notes = [], []
        for text in stop:
            if not isinstance(text, str) or not text:
                raise ValueError(f"A stop string is {text!r}; expected text of at least one character: leave it out.")
            reading = self._vocabulary.encode(text)
            if reading.skipped:
                notes.append(f"the stop string {text!r} cannot be written by this model and is left out")
            else:
                stops.append(reading.ids)
        return stops, notes

    def _replay(self, held: Ids, *, fresh: bool) -> None:
        """Show what an earlier call held back, by this call's stop rule; before a new prompt all of it is shown."""
        for held_id in held:
            if fresh:
                self._to_release.append(held_id)
            elif not self._rule.stopped:
                self._to_release.extend(self._rule.push(held_id))

    def __next__(self) -> str:
        """The next piece of text, one character or more."""
        while True:
            if self._to_release:
                piece = self._vocabulary.decode(self._to_release)
                self._to_release = []
                self._released.append(piece)
                return piece
            if self.finish_reason is None and self._cancelled:
                self.finish_reason = "cancelled"
            if self.finish_reason is not None:
                raise StopIteration
            self._advance()

    def _advance(self) -> None:
        """Draw one character."""
        if len(self._unread) > 1:
            self._state = self._decoder.prefill(self._unread[:-1], self._state)
            self._unread = self._unread[-1:]
        logits, self._state = self._decoder.step(torch.tensor(self._unread, device=self._decoder.device), self._state)
        if self._used == len(self._ahead):
            self._stream = RandomStream(self._stream.key, self._stream.draws + self._used)
            self._ahead, self._used = self._stream.uniforms(min(256, self._max_new_tokens - self.num_tokens))[0], 0
        try:
            new_id = int(next_ids(logits.cpu().numpy(), self._sampling, self._ahead[self._used : self._used + 1])[0])
        except FloatingPointError:
            raise DamagedModelError(
                "The model's logits are not finite numbers; expected numbers: its weights are damaged, load it afresh."
            ) from None
        self._used += 1
        self.num_tokens += 1
        self._unread = [new_id]
        self._to_release.extend(self._rule.push(new_id))
        if self._rule.stopped:
            self.finish_reason = "stop"
        elif self.num_tokens == self._max_new_tokens:
            self.finish_reason = "length"

    def cancel(self) -> None:
        """End the stream before its next character; `finish_reason` becomes "cancelled" if it was still running."""
        self._cancelled = True

    @property
    def text(self) -> str:
        """The continuation so far."""
        return "".join(self._released)

    @property
    def completion(self) -> Completion:
        """What came of it; raises `ValueError` while characters are still to come (iterate or `cancel()` first)."""
        reason = self.finish_reason or ("cancelled" if self._cancelled else None)
        if reason is None or self._to_release:
            raise ValueError("The stream is still running; expected it to have ended: iterate to its end or cancel it.")
        return Completion(
            text=self.text,
            prompt=self.prompt,
            seed=self.seed,
            finish_reason=reason,
            num_tokens=self.num_tokens,
            state=self._snapshot(),
            notes=self.notes,
        )

    def _snapshot(self) -> GenerationState:
        if len(self._unread) > 1:  # nothing was drawn yet
            self._state = self._decoder.prefill(self._unread[:-1], self._state)
            self._unread = self._unread[-1:]
        h, c = self._state
        stream = RandomStream(self._stream.key, self._stream.draws + self._used)
        return GenerationState(h, c, self._unread[0], stream, self._rule.held, self._fingerprint)


def complete(model: DecodingModel, prompt: str = "", **settings: Any) -> Completion:
    """One whole completion: the stream run to its end. Arguments as for `TextStream`."""
    stream = TextStream(model, prompt, **settings)
    for _ in stream:
        pass
    return stream.completion
