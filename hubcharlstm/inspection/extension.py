"""The trace of a text that begins as a traced one does: only what differs is computed.

An LSTM's state after a prefix depends on nothing that follows, so the steps of the prefix are those of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
import torch

from hubcharlstm.generation.state import GenerationState
from hubcharlstm.inspection.context import Context
from hubcharlstm.inspection.trace import SERIES, Trace, check_size, trace
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary

MIN_COMMON = 2
"""Ids that both texts begin with: the state before the last of them stands in the trace."""


def common_length(ids: Sequence[object], others: Sequence[object]) -> int:
    """The number of ids or characters that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ids, others, strict=False)))


def extended(
    network: CharLSTMNetwork,
    vocabulary: Vocabulary,
    text: str,
    traced: Trace | None,
    *,
    start_text: str,
    fingerprint: str,
    recurrent: Sequence[torch.Tensor] | None = None,
) -> Trace:
    """`trace(text)` after `start_text`, within rounding, with the steps that it has in common with `traced`.

    traced: of all layers and units, by the same network after the same `start_text`; None for none.
    """
    context = Context.of(vocabulary, text, start_text=start_text, state=None)
    ids, encoded = context.text.ids, context.text.text
    count = 0 if traced is None else min(common_length(traced.ids, ids), len(ids) - 1)
    # A text may be normalized otherwise where it begins in the middle.
    if traced is None or count < MIN_COMMON or vocabulary.encode(encoded[count:]).ids != ids[count:]:
        return trace(
            network, vocabulary, text, start_text=start_text, fingerprint=fingerprint, recurrent=recurrent
        )  # fmt: skip
    check_size(len(ids), len(SERIES) * traced.cell.shape[0] * traced.cell.shape[2] + network.config.vocab_size)
    h, c = (torch.from_numpy(part[:, count - 2, None]) for part in (traced.hidden, traced.cell))
    before = GenerationState(h, c, ids[count - 1], traced.state.rng, (), fingerprint)
    tail = trace(
        network, vocabulary, encoded[count:], start_text="", fingerprint=fingerprint, state=before, recurrent=recurrent
    )
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(traced, name)[:, :count], getattr(tail, name)], axis=1) for name in SERIES
    }
    return replace(
        tail, text=encoded, ids=ids, **joined,
        initial_cell=traced.initial_cell, initial_hidden=traced.initial_hidden,
        log_probs=np.concatenate([traced.log_probs[:count], tail.log_probs]),
        surprise=np.concatenate([traced.surprise[:count], tail.surprise]),
        state=context.state_at(len(ids) - 1, (tail.state.h, tail.state.c), ids[-1], fingerprint),
        warnings=context.warnings,
    )  # fmt: skip
