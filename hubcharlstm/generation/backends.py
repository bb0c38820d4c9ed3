"""What runs a request: this thread, or an engine together with others. Token ids only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import RowSampler
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import FinishReason, GenerationRequest, Sequence
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.errors import DamagedModelError
from hubcharlstm.network import State

BURST = 16
"""Ids that are sampled at once for a text that is wanted as a whole."""


def prefill_pending(sequence: Sequence, decoder: Decoder) -> State:
    """Prefill all pending ids but the last -> the state before that one."""
    *pending_ids, last = sequence.pending_ids
    if pending_ids or sequence.state is None:
        sequence.state = decoder.prefill(pending_ids, sequence.state, sequence.request.clamp)
        sequence.pending_ids = (last,)
    return sequence.state


class LocalBackend:
    """Decodes one request in the caller's thread, in a buffer of its own."""

    def __init__(self, request: GenerationRequest, decoder: Decoder) -> None:
        self.sequence = Sequence(request)
        self._decoder = decoder
        self._buffer = decoder.state_buffer(1)
        self._sampler = RowSampler(request.sampling, decoder.config.vocab_size)
        self._in_buffer = False

    def take(self) -> Ids:
        """The next ids that may be shown; none only at the end."""
        sequence = self.sequence
        while not sequence.output_ids and sequence.finish_reason is None:
            self._advance(1)
        ids, sequence.output_ids = tuple(sequence.output_ids), []
        return ids

    take_nowait = take

    def take_all(self) -> Ids:
        """All ids up to the end that may be shown."""
        sequence = self.sequence
        while sequence.finish_reason is None:
            self._advance(BURST)
        return self.take()

    def _advance(self, count: int) -> None:
        """Sample `count` ids, or fewer up to the end."""
        if not self._in_buffer:
            self._prefill()
        self._decoder.decode_row(self.sequence.pending_ids[0], self._buffer, self._choose, count)

    def _choose(self, logits: NDArray[np.float32]) -> int | None:
        """Sample from logits (V,); None at the end."""
        sequence = self.sequence
        new_id = self._sampler.next_id(logits, sequence.uniforms(1)[0])
        if new_id < 0:
            raise DamagedModelError
        sequence.accept((new_id,))
        return new_id if sequence.finish_reason is None else None

    def _prefill(self) -> None:
        prefill_pending(self.sequence, self._decoder)
        self._buffer.put(0, self.sequence.state, self.sequence.request.clamp)
        self._in_buffer = True

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.sequence.finish_reason if not self.sequence.output_ids else None

    def cancel(self) -> None:
        self.sequence.cancel()

    def drain(self) -> Ids:
        """Ids that were sampled but not taken when it was cancelled: none, since it samples on demand."""
        return ()

    def state(self) -> State:
        """(h, c) before the one pending id."""
        if not self._in_buffer:
            self._prefill()
        return self._buffer.get(0)


class EngineBackend:
    """Lets an engine decode one request together with others."""

    def __init__(
        self, request: GenerationRequest, engine: Engine, decoder: Decoder, max_buffered_tokens: int | None
    ) -> None:
        self._handle = engine.submit(request, max_buffered_tokens=max_buffered_tokens)
        self._decoder = decoder

    def take(self) -> Ids:
        return next(self._handle, ())

    def take_nowait(self) -> Ids:
        """The ids that are available, without waiting."""
        return self._handle.take(0)

    def take_all(self) -> Ids:
        """All ids up to the end that may be shown."""
        return tuple(new_id for ids in self._handle for new_id in ids)

    @property
    def sequence(self) -> Sequence:
        return self._handle.sequence

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._handle.finish_reason

    def cancel(self) -> None:
        self._handle.cancel()

    def drain(self) -> Ids:
        """Ids that were sampled but not taken when it was cancelled; it ends within a step."""
        return self.take_all()

    def state(self) -> State:
        return prefill_pending(self.sequence, self._decoder)
