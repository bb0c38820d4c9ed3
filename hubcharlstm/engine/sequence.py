"""One request in token ids: what is still to be read, what was sampled, what may be shown, and why it ended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.sampling import Array, RandomStream, SamplingParams
from hubcharlstm.engine.stopping import Ids, StopRule
from hubcharlstm.network import State

FinishReason = Literal["length", "stop", "cancelled"]

UNIFORMS_BLOCK = 512
"""Uniforms drawn at once: setting up the generator takes longer than the numbers."""

MAX_REMEMBERED_IDS = 600
"""Sampled ids that a sequence remembers, in which a cycle can be found."""


@dataclass(frozen=True)
class GenerationRequest:
    """What to write: a value that never changes.

    pending_ids: ids to read before the first one is sampled, at least one. state: (h, c) before them,
    (num_layers, 1, H) each; None for zeros. rng: the random stream of the samples. stops: the ids of each stop string.
    held: ids that an earlier call sampled and held back; this call's stop rule decides whether to show them. clamp:
    cells that each step overwrites.
    """

    pending_ids: Ids
    max_new_tokens: int
    sampling: SamplingParams
    rng: RandomStream
    stops: tuple[Ids, ...] = ()
    state: State | None = None
    held: Ids = ()
    clamp: Clamp = ()


class Sequence:
    """The progress of a `GenerationRequest`. It computes with no tensor, but holds the state while no row does."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.pending_ids: Ids = request.pending_ids
        self.state = request.state
        self.num_tokens = 0
        self.finish_reason: FinishReason | None = None
        self.output_ids: list[int] = []  # released by the stop rule, not yet taken
        self.last_sampled: deque[int] = deque(maxlen=MAX_REMEMBERED_IDS)
        self._stop_rule = StopRule(request.stops)
        self._uniforms: Array = np.empty(0)
        self._uniforms_start = 0  # the number of the sample that the first of them is for
        for held_id in request.held:
            if self.finish_reason is None:
                self._release(held_id)

    @property
    def remaining(self) -> int:
        """Ids to sample until the sequence has all that the request asks for."""
        return self.request.max_new_tokens - self.num_tokens

    def uniforms(self, count: int) -> Array:
        """The uniforms of the next samples, `count` of them or as many as remain."""
        count = min(count, self.remaining)
        first = self.num_tokens - self._uniforms_start
        if first + count > len(self._uniforms):
            self._uniforms = self.rng.uniforms(min(max(count, UNIFORMS_BLOCK), self.remaining))[0]
            self._uniforms_start, first = self.num_tokens, 0
        return self._uniforms[first : first + count]

    def accept(self, ids: Collection[int]) -> None:
        """Append sampled ids, at most `remaining` of them; only the last may complete a stop string."""
        self.num_tokens += len(ids)
        assert self.remaining >= 0
        self.last_sampled.extend(ids)
        self.pending_ids = (self.last_sampled[-1],)
        if not self.request.stops:
            self.output_ids.extend(ids)
        else:
            for new_id in ids:
                self._release(new_id)
        if self.finish_reason is None and self.remaining == 0:
            self.finish_reason = "length"

    def _release(self, new_id: int) -> None:
        self.output_ids.extend(self._stop_rule.push(new_id))
        if self._stop_rule.stopped:
            self.finish_reason = "stop"

    def cancel(self) -> None:
        """End the sequence here, unless it has ended."""
        if self.finish_reason is None:
            self.finish_reason = "cancelled"

    @property
    def held(self) -> Ids:
        """Sampled ids that may be the beginning of a stop string."""
        return self._stop_rule.held

    @property
    def rng(self) -> RandomStream:
        """The random stream after the samples so far, one draw for each id."""
        return RandomStream(self.request.rng.key, self.request.rng.draws + self.num_tokens)


class EngineRequest:
    """A request at the engine, shared by the engine's thread and the client's.

    The engine's thread alone touches `sequence` until `finished`. `output_ids`, `finished` and `error` are guarded by
    `changed`. `cancelled` is set by the client and read by the engine; `paused` is set by the engine.

    max_buffered_tokens: how many ids may wait for the client before the request is paused; it resumes when half of them
    are taken. None for no bound.
    """

    def __init__(self, request: GenerationRequest, max_buffered_tokens: int | None) -> None:
        self.sequence = Sequence(request)
        self.changed = threading.Condition()
        self.output_ids: list[int] = []
        self.error: BaseException | None = None
        self.finished = False
        self.cancelled = False
        self.paused = False
        self.num_sampled_since_admitted = 0
        self._max_buffered_tokens = max_buffered_tokens
        self.deliver()

    def deliver(self) -> None:
        """Move what the sequence has released to the client's buffer."""
        if self.sequence.output_ids:
            with self.changed:
                self.output_ids += self.sequence.output_ids
                self.changed.notify_all()
            self.sequence.output_ids = []

    def finish(self, reason: FinishReason, error: BaseException | None = None) -> None:
        """Deliver the rest and notify the client that nothing more comes; `reason` counts if the sequence has none."""
        if self.sequence.finish_reason is None:
            self.sequence.finish_reason = reason
        self.deliver()
        with self.changed:
            self.finished, self.error = True, error
            self.changed.notify_all()

    def take(self) -> Ids:
        """Empty the client's buffer and return its ids; call it with `changed` held."""
        ids, self.output_ids = tuple(self.output_ids), []
        return ids

    @property
    def above_high_watermark(self) -> bool:
        """Whether the client's buffer is full."""
        return self._max_buffered_tokens is not None and len(self.output_ids) >= self._max_buffered_tokens

    @property
    def below_low_watermark(self) -> bool:
        """Whether the client has taken half of a full buffer."""
        return self._max_buffered_tokens is None or len(self.output_ids) <= self._max_buffered_tokens // 2
