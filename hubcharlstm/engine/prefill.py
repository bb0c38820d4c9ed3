"""Mechanism of the engine: how the prompts of requests that came are read, before they take a row."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Protocol

import numpy as np
import torch

from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.engine.sequence import EngineRequest

Done = tuple[EngineRequest, Exception | None]
"""A request whose prompt is read up to its last id, or what went wrong with it."""

READ_AT_ONCE = 128
"""Ids of all prompts together that are read before the running rows take their next step, some 7 ms on one core."""


class Prefill(Protocol):
    def read(self, jobs: deque[EngineRequest]) -> list[Done]:
        """Read a part of the prompts of `jobs`, of two ids or more each -> those that are through, still in `jobs`."""
        ...

    def forget(self, jobs: Collection[EngineRequest]) -> None:
        """Stop reading for those of `jobs` that were being read; what was read stays theirs."""
        ...


class ChunkedPrefill:
    """Each alone by `nn.LSTM`, in chunks whose bounds depend on it alone: so no result depends on who else is there."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def read(self, jobs: deque[EngineRequest]) -> list[Done]:
        """In turn, `PREFILL_CHUNK` ids in all."""
        done: list[Done] = []
        tried, budget = 0, PREFILL_CHUNK
        while tried < len(jobs) and budget > 0:
            job = jobs[tried]
            sequence, before = job.sequence, len(job.sequence.pending_ids)
            try:
                sequence.state, sequence.pending_ids = self._decoder.prefill_chunk(sequence.pending_ids, sequence.state)
            except Exception as failure:  # whatever it is, it is this request's alone
                done.append((job, failure))
            else:
                if len(sequence.pending_ids) == 1:
                    done.append((job, None))
            tried, budget = tried + 1, budget - (before - len(sequence.pending_ids))
        jobs.rotate(-tried)
        return done

    def forget(self, jobs: Collection[EngineRequest]) -> None:
        pass


class BatchedPrefill:
    """All at once in rows of their own, an id of each at a step; in int8, where a row's bits depend on no other.

    A hundred short prompts took 0.6 s of one core one after the other by `nn.LSTM`, and take 0.03 s so.
    """

    def __init__(self, decoder: Decoder, max_rows: int) -> None:
        self._decoder, self._rows = decoder, decoder.state_buffer(max_rows)
        self._jobs: list[EngineRequest] = []
        self._unread = np.zeros(max_rows, np.int64)  # where in its unread ids each row is

    def read(self, jobs: deque[EngineRequest]) -> list[Done]:
        done: list[Done] = []
        for job in set(jobs) - set(self._jobs):
            try:
                self._rows.put(len(self._jobs), job.sequence.state)
            except Exception as failure:  # such as a state of the wrong size
                done.append((job, failure))
                continue
            self._unread[len(self._jobs)] = 0
            self._jobs.append(job)
        if not self._jobs:
            return done
        begun = self._unread[: len(self._jobs)].tolist()
        remaining = [len(job.sequence.pending_ids) - 1 - first for job, first in zip(self._jobs, begun, strict=True)]
        steps = min(*remaining, max(1, READ_AT_ONCE // len(remaining)))
        rows = zip(self._jobs, begun, strict=True)
        ids = torch.tensor([job.sequence.pending_ids[first : first + steps] for job, first in rows]).T.contiguous()
        for step in ids:
            self._decoder.advance(step, self._rows)
        self._unread[: len(self._jobs)] += steps
        for row in reversed([row for row, count in enumerate(remaining) if count == steps]):
            done.append((self._leave(row), None))
        return done

    def forget(self, jobs: Collection[EngineRequest]) -> None:
        for row in reversed(range(len(self._jobs))):
            if self._jobs[row] in jobs:
                self._leave(row)

    def _leave(self, row: int) -> EngineRequest:
        """Free a row: what was read goes to its request, the last row takes its place."""
        job, last = self._jobs[row], len(self._jobs) - 1
        sequence = job.sequence
        sequence.state, sequence.pending_ids = self._rows.get(row), sequence.pending_ids[int(self._unread[row]) :]
        if row != last:
            self._rows.move(last, row)
            self._unread[row] = self._unread[last]
            self._jobs[row] = self._jobs[last]
        self._jobs.pop()
        return job


def prefill_for(decoder: Decoder, max_rows: int) -> Prefill:
    """The way to read that suits a decoder."""
    return BatchedPrefill(decoder, max_rows) if decoder.precision == "int8" else ChunkedPrefill(decoder)
