"""Mechanism of the engine: the rows that are decoded together. Python looks at a row only when something is due.

Sampled ids and the uniforms of the next samples are stored in matrices, (STEPS, rows). A row's ids are handed to its
sequence when the matrix is full, when `FLUSH_SECONDS` have passed, or when the sequence may have come to its end.
"""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import Array, SamplingBatch, SamplingParams, next_ids
from hubcharlstm.engine.sequence import EngineRequest
from hubcharlstm.errors import DamagedModelError

STEPS = 32
FLUSH_SECONDS = 0.02
"""No client waits longer for what was sampled."""

Ended = tuple[EngineRequest, Exception | None]
"""A request that has ended, and the error that ended it, if any."""


class ModelRunner:
    """Up to `max_rows` requests, one row each; requests are added and removed between steps."""

    def __init__(self, decoder: Decoder, max_rows: int) -> None:
        self._decoder = decoder
        self._buffer = decoder.state_buffer(max_rows)
        self._slots: list[EngineRequest] = []  # the request of each row
        self._params = SamplingBatch.of([SamplingParams()] * max_rows)
        self._active_params: SamplingBatch | None = None  # of the rows in use; None when they have changed
        self._ids = np.zeros(max_rows, np.int64)
        self._sampled = np.zeros((STEPS, max_rows), np.int64)
        self._uniforms = np.zeros((STEPS, max_rows))
        self._step = 0  # the next line of the two matrices
        self._first_step = np.zeros(max_rows, np.int64)  # the first line that each row's sequence has not got yet
        self._remaining = np.zeros(max_rows, np.int64)  # samples until each sequence has all it asks for
        self._stop_ends = np.zeros((max_rows, decoder.config.vocab_size), bool)  # ids that may complete a stop string
        self._any_stop = False
        self._row_indices = np.arange(max_rows)
        self._flushed_at = 0.0

    def add(self, request: EngineRequest) -> None:
        """Give a prefilled request a row; raises `RuntimeError` if its state does not fit."""
        row, sequence = len(self._slots), request.sequence
        assert len(sequence.pending_ids) == 1
        self._buffer.put(row, sequence.state, sequence.request.clamp)
        self._ids[row] = sequence.pending_ids[0]
        self._params.set(row, sequence.request.sampling)
        self._stop_ends[row] = False
        for stop in sequence.request.stops:
            self._stop_ends[row, stop[-1]] = True
        self._remaining[row] = sequence.remaining
        self._first_step[row] = self._step
        self._fill(row, sequence.uniforms(STEPS - self._step))
        sequence.state, request.num_sampled_since_admitted, self._active_params = None, 0, None
        self._slots.append(request)

    def remove(self, requests: Collection[EngineRequest]) -> None:
        """Free the rows of those of `requests` that have one; each sequence gets its ids and its state."""
        for row in reversed(range(len(self._slots))):
            if self._slots[row] in requests:
                self._free(row)

    def _free(self, row: int) -> EngineRequest:
        """Give ids and state of a row to its sequence and move the last row into its place."""
        self._hand_over(row)
        request, last = self._slots[row], len(self._slots) - 1
        request.sequence.state = self._buffer.get(row)
        if row != last:
            self._buffer.move(last, row)
            self._params.move(last, row)
            for columns in (self._sampled, self._uniforms):
                columns[:, row] = columns[:, last]
            for values in (self._ids, self._first_step, self._remaining, self._stop_ends):
                values[row] = values[last]
            self._slots[row] = self._slots[last]
        self._slots.pop()
        self._active_params = None
        return request

    def step(self) -> list[Ended]:
        """Sample one id for every row -> the requests that have ended; their rows are free."""
        count = len(self._slots)
        if self._step == STEPS:
            self.flush()
        ids = self._ids[:count]
        if self._active_params is None:
            self._active_params = self._params.first(count)
            self._any_stop = bool(self._stop_ends[:count].any())
        logits = self._decoder.step(torch.from_numpy(ids).to(self._decoder.device), self._buffer).cpu().numpy()
        sampled = next_ids(logits, self._active_params, self._uniforms[self._step, :count])
        self._sampled[self._step, :count] = sampled
        self._step += 1
        ids[:] = sampled
        remaining = self._remaining[:count]
        remaining -= 1
        due = (remaining == 0) | (sampled < 0)
        if self._any_stop:
            due |= self._stop_ends[self._row_indices[:count], sampled]
        return self._end(np.flatnonzero(due)[::-1].tolist(), sampled) if due.any() else []

    def _end(self, due: list[int], sampled: NDArray[np.int64]) -> list[Ended]:
        """Check the rows in `due`, last first, and free those that have ended."""
        ended: list[Ended] = []
        for row in due:
            damaged = bool(sampled[row] < 0)
            self._hand_over(row, except_last=damaged)
            if damaged or self._slots[row].sequence.finish_reason is not None:
                ended.append((self._free(row), DamagedModelError() if damaged else None))
        return ended

    @property
    def is_due(self) -> bool:
        """Whether sampled ids should go to the clients now."""
        return self._step == STEPS or time.monotonic() - self._flushed_at >= FLUSH_SECONDS

    def flush(self) -> None:
        """Deliver the sampled ids of every row to its client.

        Once half of the matrices is used they begin again at their first line, and each row gets its next uniforms.
        """
        for row, request in enumerate(self._slots):
            self._hand_over(row)
            request.deliver()
        if self._step >= STEPS // 2:
            self._step = 0
            for row, request in enumerate(self._slots):
                self._first_step[row] = 0
                self._fill(row, request.sequence.uniforms(STEPS))
        self._flushed_at = time.monotonic()

    def _hand_over(self, row: int, *, except_last: bool = False) -> None:
        """Append what was sampled for a row to its sequence."""
        request, first, end = self._slots[row], self._first_step[row], self._step - except_last
        if first < end:
            request.sequence.accept(self._sampled[first:end, row].tolist())
            request.num_sampled_since_admitted += int(end - first)
        self._first_step[row] = self._step

    def _fill(self, row: int, uniforms: Array) -> None:
        self._uniforms[self._step : self._step + len(uniforms), row] = uniforms
