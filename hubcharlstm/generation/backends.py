"""One request under way: decoded here and now, or by an engine beside others. Ids only."""

from __future__ import annotations

import torch

from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import SamplingBatch, next_ids
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import FinishReason, GenerationRequest
from hubcharlstm.engine.sequence import Sequence as Progress
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.errors import DamagedModelError
from hubcharlstm.network import State


def prefill_pending(progress: Progress, decoder: Decoder) -> State:
    """Read all that is unread but the last id -> the state before that one."""
    *pending_ids, last = progress.pending_ids
    if pending_ids or progress.state is None:
        progress.state, progress.pending_ids = decoder.prefill(pending_ids, progress.state), (last,)
    return progress.state


class LocalBackend:
    """One request decoded here and now, in rows of its own."""

    def __init__(self, request: GenerationRequest, decoder: Decoder) -> None:
        self.progress = Progress(request)
        self._decoder = decoder
        self._rows = decoder.state_buffer(1)
        self._batch = SamplingBatch.of([request.sampling])
        self._in_row = False

    def take(self) -> Ids:
        """The next ids that may be shown; none only at the end."""
        progress = self.progress
        while not progress.output_ids and progress.finish_reason is None:
            self._advance()
        ids, progress.output_ids = tuple(progress.output_ids), []
        return ids

    take_nowait = take

    def _advance(self) -> None:
        progress = self.progress
        if not self._in_row:
            self._read()
        logits = self._decoder.step(torch.tensor(progress.pending_ids, device=self._decoder.device), self._rows)
        new_id = int(next_ids(logits.cpu().numpy(), self._batch, progress.uniforms(1))[0])
        if new_id < 0:
            raise DamagedModelError
        progress.accept((new_id,))

    def _read(self) -> None:
        prefill_pending(self.progress, self._decoder)
        self._rows.put(0, self.progress.state)
        self._in_row = True

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.progress.finish_reason if not self.progress.output_ids else None

    def cancel(self) -> None:
        self.progress.cancel()

    def rest(self) -> Ids:
        """What was drawn and not yet taken when it was cancelled: nothing, for it draws when asked."""
        return ()

    def state(self) -> State:
        """(h, c) before the one id that is left unread."""
        if not self._in_row:
            self._read()
        return self._rows.get(0)


class EngineBackend:
    """One request decoded by an engine, beside others."""

    def __init__(
        self, request: GenerationRequest, engine: Engine, decoder: Decoder, max_buffered_tokens: int | None
    ) -> None:
        self._reader = engine.submit(request, max_buffered_tokens=max_buffered_tokens)
        self._decoder = decoder

    def take(self) -> Ids:
        return next(self._reader, ())

    def take_nowait(self) -> Ids:
        """The ids that are there, without waiting."""
        return self._reader.take(0)

    @property
    def progress(self) -> Progress:
        return self._reader.sequence

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._reader.finish_reason

    def cancel(self) -> None:
        self._reader.cancel()

    def rest(self) -> Ids:
        """What was drawn and not yet taken when it was cancelled; it ends within a step."""
        return tuple(new_id for ids in self._reader for new_id in ids)

    def state(self) -> State:
        return prefill_pending(self.progress, self._decoder)
