"""Mechanism of the engine: the rows that are decoded together. Python looks at a row only when something is due.

Drawn ids and the uniforms of the next draws stand in matrices, (STEPS, rows); what was drawn goes to its request
when the matrix is full, when some time has passed, or when the request may have come to its end.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import Array, SamplingBatch, SamplingParams, next_ids
from hubcharlstm.engine.sequence import EngineRequest
from hubcharlstm.errors import DamagedModelError

STEPS = 32
FLUSH_SECONDS = 0.02
"""No reader waits longer for what was drawn."""


class ModelRunner:
    """The rows of `jobs`, in their order; join and leave between steps."""

    def __init__(self, decoder: Decoder, jobs: list[EngineRequest], max_rows: int) -> None:
        self._decoder, self._jobs = decoder, jobs
        self._rows = decoder.state_buffer(max_rows)
        self._settings = SamplingBatch.of([SamplingParams()] * max_rows)
        self._now: SamplingBatch | None = None  # the settings of the rows there are
        self._ids = np.zeros(max_rows, np.int64)
        self._sampled = np.zeros((STEPS, max_rows), np.int64)
        self._uniforms = np.zeros((STEPS, max_rows))
        self._step = 0  # of the matrices' rows
        self._first = np.zeros(max_rows, np.int64)  # the first step whose id its request has not got yet
        self._remaining = np.zeros(max_rows, np.int64)  # draws until it has all it asked for
        self._stop_ends = np.zeros((max_rows, decoder.config.vocab_size), bool)  # ids that may complete a stop string
        self._any_stop = False
        self._numbers = np.arange(max_rows)
        self._flushed = 0.0

    def join(self, job: EngineRequest) -> None:
        """Give a request, read up to one unread id, a row."""
        row, sequence = len(self._jobs), job.sequence
        assert len(sequence.pending_ids) == 1
        self._rows.put(row, sequence.state)
        self._ids[row] = sequence.pending_ids[0]
        self._settings.set(row, sequence.request.sampling)
        self._stop_ends[row] = False
        for stop in sequence.request.stops:
            self._stop_ends[row, stop[-1]] = True
        self._remaining[row] = sequence.remaining
        self._first[row] = self._step
        self._fill(row, sequence.uniforms(STEPS - self._step))
        sequence.state, job.since_joined, self._now = None, 0, None
        self._jobs.append(job)

    def leave(self, row: int) -> EngineRequest:
        """Free a row: its state goes to the request, the last row takes its place."""
        self.hand_over(row)
        job, last = self._jobs[row], len(self._jobs) - 1
        job.sequence.state = self._rows.get(row)
        if row != last:
            self._rows.move(last, row)
            self._settings.move(last, row)
            for columns in (self._sampled, self._uniforms):
                columns[:, row] = columns[:, last]
            for values in (self._ids, self._first, self._remaining, self._stop_ends):
                values[row] = values[last]
            self._jobs[row] = self._jobs[last]
        self._jobs.pop()
        self._now = None
        return job

    def step(self) -> list[tuple[int, Exception | None]]:
        """Draw one id for every row -> the rows that ended, last first, each with what ended it if it was an error."""
        count = len(self._jobs)
        if self._step == STEPS:
            self._start_over()
        ids = self._ids[:count]
        if self._now is None:
            self._now = self._settings.first(count)
            self._any_stop = bool(self._stop_ends[:count].any())
        logits = self._decoder.step(torch.from_numpy(ids).to(self._decoder.device), self._rows).cpu().numpy()
        sampled = next_ids(logits, self._now, self._uniforms[self._step, :count])
        self._sampled[self._step, :count] = sampled
        self._step += 1
        ids[:] = sampled
        remaining = self._remaining[:count]
        remaining -= 1
        due = (remaining == 0) | (sampled < 0)
        if self._any_stop:
            due |= self._stop_ends[self._numbers[:count], sampled]
        return self._ended(np.flatnonzero(due)[::-1].tolist(), sampled) if due.any() else []

    def _ended(self, due: list[int], sampled: NDArray[np.int64]) -> list[tuple[int, Exception | None]]:
        ended: list[tuple[int, Exception | None]] = []
        for row in due:
            if sampled[row] < 0:
                self.hand_over(row, but_last=True)
                ended.append((row, DamagedModelError()))
                continue
            self.hand_over(row)
            if self._jobs[row].sequence.finish_reason is not None:
                ended.append((row, None))
        return ended

    @property
    def is_due(self) -> bool:
        """True if what was drawn should go to the readers now."""
        return self._step == STEPS or time.monotonic() - self._flushed >= FLUSH_SECONDS

    def flush(self) -> None:
        """Hand over what was drawn, for every row."""
        for row, job in enumerate(self._jobs):
            self.hand_over(row)
            job.deliver()
        self._flushed = time.monotonic()

    def hand_over(self, row: int, *, but_last: bool = False) -> None:
        """Give a request what was drawn for it."""
        job, first, end = self._jobs[row], self._first[row], self._step - but_last
        if first < end:
            job.sequence.accept(self._sampled[first:end, row].tolist())
            job.since_joined += int(end - first)
        self._first[row] = self._step

    def _start_over(self) -> None:
        self.flush()
        self._step = 0
        for row, job in enumerate(self._jobs):
            self._first[row] = 0
            self._fill(row, job.sequence.uniforms(STEPS))

    def _fill(self, row: int, uniforms: Array) -> None:
        self._uniforms[self._step : self._step + len(uniforms), row] = uniforms
