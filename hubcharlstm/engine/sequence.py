"""One request under way, in ids: what is still to be read, what was drawn, what may be shown, and why it ended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from hubcharlstm.decoding.sampling import Array, RandomStream, SamplingParams
from hubcharlstm.engine.stopping import Ids, StopRule
from hubcharlstm.network import State

FinishReason = Literal["length", "stop", "cancelled"]

DRAWN_AHEAD = 256
REMEMBERED = 600
"""Drawn ids that are kept, in which a circle can be noticed."""


@dataclass(frozen=True)
class Request:
    """What to write. A value: nothing in it changes.

    unread: ids to read before the first draw, at least one. state: (h, c) before them, (num_layers, 1, H) each;
    None for zeros. held: ids that an earlier call drew and held back, by this call's stop rule shown or held on.
    """

    pending_ids: Ids
    max_new_tokens: int
    sampling: SamplingParams
    rng: RandomStream
    stops: tuple[Ids, ...] = ()
    state: State | None = None
    held: Ids = ()


class Sequence:
    """The progress of a `Request`. It touches no tensor but keeps the request's state until a row takes it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.pending_ids: Ids = request.pending_ids
        self.state = request.state
        self.num_tokens = 0
        self.finish_reason: FinishReason | None = None
        self._rule = StopRule(request.stops)
        self._ahead: Array = request.rng.uniforms(0)[0]
        self._ahead_from = 0  # the draw that the first of them is for
        self.last_sampled: deque[int] = deque(maxlen=REMEMBERED)
        self.ready: list[int] = []  # ids that may be shown and were not yet taken
        for held_id in request.held:
            if self.finish_reason is None:
                self._show(held_id)

    @property
    def remaining(self) -> int:
        """Draws until it has all it asked for."""
        return self.request.max_new_tokens - self.num_tokens

    def uniforms(self, count: int) -> Array:
        """The uniforms of the next draws, `count` of them or as many as are left."""
        count = min(count, self.remaining)
        first = self.num_tokens - self._ahead_from
        if first + count > len(self._ahead):
            self._ahead = self.rng.uniforms(min(max(count, DRAWN_AHEAD), self.remaining))[0]
            self._ahead_from, first = self.num_tokens, 0
        return self._ahead[first : first + count]

    def accept(self, ids: Collection[int]) -> None:
        """Take drawn ids, not more than are left; only the last may complete a stop string."""
        self.num_tokens += len(ids)
        assert self.remaining >= 0
        self.last_sampled.extend(ids)
        self.pending_ids = (self.last_sampled[-1],)
        if not self.request.stops:
            self.ready.extend(ids)
        else:
            for new_id in ids:
                self._show(new_id)
        if self.finish_reason is None and self.remaining == 0:
            self.finish_reason = "length"

    def _show(self, new_id: int) -> None:
        self.ready.extend(self._rule.push(new_id))
        if self._rule.stopped:
            self.finish_reason = "stop"

    def cancel(self) -> None:
        if self.finish_reason is None:
            self.finish_reason = "cancelled"

    @property
    def held(self) -> Ids:
        """Drawn ids that a stop string may still need."""
        return self._rule.held

    @property
    def rng(self) -> RandomStream:
        """The random stream after the draws made: one for each id."""
        return RandomStream(self.request.rng.key, self.request.rng.draws + self.num_tokens)


class EngineRequest:
    """What a reader and the engine share of a request.

    ahead: untaken ids at which it rests until its reader has taken half of them; None for no bound.
    """

    def __init__(self, request: Request, max_buffered_tokens: int | None) -> None:
        self.sequence = Sequence(request)
        self.changed = threading.Condition()
        self.ready: list[int] = []
        self.error: BaseException | None = None
        self.done = False
        self.cancelled = False
        self.paused = False
        self.since_joined = 0
        self._ahead = max_buffered_tokens
        self.deliver()

    def deliver(self) -> None:
        """Hand what may be shown to the reader."""
        if self.sequence.ready:
            with self.changed:
                self.ready += self.sequence.ready
                self.changed.notify_all()
            self.sequence.ready = []

    def end(self, reason: FinishReason, error: BaseException | None = None) -> None:
        """Nothing more comes; tell the reader."""
        if self.sequence.finish_reason is None:
            self.sequence.finish_reason = reason
        self.deliver()
        with self.changed:
            self.done, self.error = True, error
            self.changed.notify_all()

    def take(self) -> tuple[int, ...]:
        """The ids that are there; the reader's, inside `changed`."""
        ids, self.ready = tuple(self.ready), []
        return ids

    @property
    def above_high_watermark(self) -> bool:
        return self._ahead is not None and len(self.ready) >= self._ahead

    @property
    def below_low_watermark(self) -> bool:
        return self._ahead is None or len(self.ready) <= self._ahead // 2
