"""Mechanism of the engine: reading the prompts of admitted requests, a bounded part between two decoding steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Protocol

import numpy as np
import torch

from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.engine.sequence import EngineRequest

Prefilled = tuple[EngineRequest, Exception | None]
"""A request whose prompt is read up to its last id, or the error that ended its prefill."""

MAX_BATCHED_IDS = 128
"""Ids of all prompts together that one step of a `BatchedPrefill` reads, some 7 ms on one core."""


class Prefill(Protocol):
    """Requests whose prompts are being read."""

    def add(self, request: EngineRequest) -> None:
        """Begin with a request that has at least two pending ids."""
        ...

    def step(self) -> list[Prefilled]:
        """Read a part of the prompts -> the requests that are through or have failed; they are removed."""
        ...

    def remove(self, requests: Collection[EngineRequest]) -> None:
        """Stop reading for those of `requests` that are here; each sequence keeps what was read."""
        ...


class ChunkedPrefill:
    """One prompt at a time by `nn.LSTM`, in chunks whose bounds depend on that prompt alone.

    A result therefore does not depend on the other requests, in any precision.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._requests: deque[EngineRequest] = deque()  # the one whose turn it is first

    def add(self, request: EngineRequest) -> None:
        self._requests.append(request)

    def step(self) -> list[Prefilled]:
        """Round robin, `PREFILL_CHUNK` ids in all."""
        done: list[Prefilled] = []
        budget = PREFILL_CHUNK
        for _ in range(len(self._requests)):
            if budget <= 0:
                break
            request = self._requests.popleft()
            sequence, before = request.sequence, len(request.sequence.pending_ids)
            try:
                sequence.state, sequence.pending_ids = self._decoder.prefill_chunk(
                    sequence.pending_ids, sequence.state, sequence.request.clamp
                )
            except Exception as failure:  # it concerns this request alone, such as a state of the wrong size
                done.append((request, failure))
                continue
            budget -= before - len(sequence.pending_ids)
            if len(sequence.pending_ids) == 1:
                done.append((request, None))
            else:
                self._requests.append(request)
        return done

    def remove(self, requests: Collection[EngineRequest]) -> None:
        for request in requests:
            if request in self._requests:
                self._requests.remove(request)


class BatchedPrefill:
    """All prompts together in rows of one buffer, an id of each per step; for int8, whose rows are independent.

    A hundred short prompts took 0.6 s of one core one after the other by `nn.LSTM`, and take 0.03 s so.
    """

    def __init__(self, decoder: Decoder, max_rows: int) -> None:
        self._decoder, self._buffer = decoder, decoder.state_buffer(max_rows)
        self._added: list[EngineRequest] = []  # not yet in a row
        self._slots: list[EngineRequest] = []  # the request of each row
        self._num_prefilled = np.zeros(max_rows, np.int64)  # pending ids that each row has read

    def add(self, request: EngineRequest) -> None:
        self._added.append(request)

    def step(self) -> list[Prefilled]:
        """As many ids of each prompt as the shortest one needs, at most `MAX_BATCHED_IDS` in all."""
        done = self._fill_rows()
        if not self._slots:
            return done
        begun = self._num_prefilled[: len(self._slots)].tolist()
        remaining = [
            len(request.sequence.pending_ids) - 1 - first for request, first in zip(self._slots, begun, strict=True)
        ]
        steps = min(*remaining, max(1, MAX_BATCHED_IDS // len(remaining)))
        rows = zip(self._slots, begun, strict=True)
        ids = torch.tensor([request.sequence.pending_ids[first : first + steps] for request, first in rows])
        for step in ids.T.contiguous():
            self._decoder.advance(step, self._buffer)
        self._num_prefilled[: len(self._slots)] += steps
        for row in reversed([row for row, count in enumerate(remaining) if count == steps]):
            done.append((self._free(row), None))
        return done

    def remove(self, requests: Collection[EngineRequest]) -> None:
        self._added = [request for request in self._added if request not in requests]
        for row in reversed(range(len(self._slots))):
            if self._slots[row] in requests:
                self._free(row)

    def _fill_rows(self) -> list[Prefilled]:
        """Give each added request a row -> those whose state does not fit."""
        failed: list[Prefilled] = []
        for request in self._added:
            row = len(self._slots)
            try:
                self._buffer.put(row, request.sequence.state, request.sequence.request.clamp)
            except Exception as failure:  # it concerns this request alone, such as a state of the wrong size
                failed.append((request, failure))
                continue
            self._num_prefilled[row] = 0
            self._slots.append(request)
        self._added = []
        return failed

    def _free(self, row: int) -> EngineRequest:
        """Give the state of a row back to its sequence and move the last row into its place."""
        request, last = self._slots[row], len(self._slots) - 1
        sequence, count = request.sequence, int(self._num_prefilled[row])
        sequence.state, sequence.pending_ids = self._buffer.get(row), sequence.pending_ids[count:]
        if row != last:
            self._buffer.move(last, row)
            self._num_prefilled[row] = self._num_prefilled[last]
            self._slots[row] = self._slots[last]
        self._slots.pop()
        return request


def prefill_for(decoder: Decoder, max_rows: int) -> Prefill:
    """The kind of prefill that suits the decoder's precision."""
    return BatchedPrefill(decoder, max_rows) if decoder.precision == "int8" else ChunkedPrefill(decoder)
