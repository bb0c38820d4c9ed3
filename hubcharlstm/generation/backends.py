"""What runs a request: this thread, or an engine together with others. Token ids only."""

from __future__ import annotations

import torch

from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import SamplingBatch, next_id
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import FinishReason, GenerationRequest, Sequence
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.errors import DamagedModelError
from hubcharlstm.network import State


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
        self._ids = torch.empty(1, dtype=torch.int64, device=decoder.device)
        self._params = SamplingBatch.of([request.sampling])
        self._in_buffer = False

    def take(self) -> Ids:
        """The next ids that may be shown; none only at the end."""
        sequence = self.sequence
        while not sequence.output_ids and sequence.finish_reason is None:
            self._advance()
        ids, sequence.output_ids = tuple(sequence.output_ids), []
        return ids

    take_nowait = take

    def _advance(self) -> None:
        sequence = self.sequence
        if not self._in_buffer:
            self._prefill()
        self._ids.fill_(sequence.pending_ids[0])
        logits = self._decoder.step(self._ids, self._buffer)
        new_id = next_id(logits.cpu().numpy()[0], self._params, sequence.uniforms(1)[0])
        if new_id < 0:
            raise DamagedModelError
        sequence.accept((new_id,))

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
        return tuple(new_id for ids in self._handle for new_id in ids)

    def state(self) -> State:
        return prefill_pending(self.sequence, self._decoder)
