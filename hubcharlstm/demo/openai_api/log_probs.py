"""The log-probability of each character of a text while it grows, and its likeliest alternatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from hubcharlstm.decoding import openmp
from hubcharlstm.demo.threads import max_compute_threads
from hubcharlstm.inspection.scoring import WINDOW
from hubcharlstm.model import CharLSTM
from hubcharlstm.network import State


@dataclass
class LogProbs:
    """What OpenAI calls `logprobs`: lists with an entry for each character.

    token_logprobs, top_logprobs: None for a first character that nothing comes before. text_offset: from the beginning
    of the choice's text.
    """

    tokens: list[str] = field(default_factory=list)
    token_logprobs: list[float | None] = field(default_factory=list)
    top_logprobs: list[dict[str, float] | None] = field(default_factory=list)
    text_offset: list[int] = field(default_factory=list)

    def extend(self, other: LogProbs) -> None:
        for own, more in zip(vars(self).values(), vars(other).values(), strict=True):
            own.extend(more)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class LogProbReader:
    """Reads a text piece by piece: the fp32 network's natural logarithms, before temperature and filters.

    num_top: alternatives for each character, besides itself. It blocks: an event loop calls it in a worker thread, one
    call at a time.
    """

    def __init__(self, model: CharLSTM, num_top: int) -> None:
        self._model, self._num_top = model, num_top
        self._state: State | None = None
        self._next: Tensor | None = None
        """Log-probabilities (V,) of the character that comes next; None before the first."""
        self._offset = 0
        self._id_of = {char: i for i, char in enumerate(model.vocabulary.chars)}

    def skip(self, text: str) -> None:
        """Read what comes before the text that is reported."""
        self._process(text, report=False)

    def report(self, text: str) -> LogProbs:
        """Read characters of the vocabulary, which decoding wrote, and report on each."""
        return self._process(text, report=True)

    @torch.inference_mode()
    def _process(self, text: str, *, report: bool) -> LogProbs:
        log_probs = LogProbs()
        device = self._model.head.weight.device
        try:
            with openmp.num_threads(max_compute_threads()):
                for start in range(0, len(text), WINDOW):
                    piece = text[start : start + WINDOW]
                    ids = torch.tensor([self._id_of[char] for char in piece], device=device)  # (T,)
                    logits, self._state = self._model(ids[None], self._state)
                    following = torch.log_softmax(logits[0].float(), dim=-1)  # (T, V), row t given ids[: t + 1]
                    if report:
                        log_probs.extend(self._entries(piece, ids, following))
                    self._next = following[-1]
        finally:
            openmp.release_thread_team()
        return log_probs

    def _entries(self, piece: str, ids: Tensor, following: Tensor) -> LogProbs:
        """ids (T,), following (T, V): the log-probabilities after each of them."""
        offsets = list(range(self._offset, self._offset + len(piece)))
        self._offset += len(piece)
        missing = [None] if self._next is None else []
        given = following[:-1] if self._next is None else torch.cat([self._next[None], following[:-1]])
        own = [round(value, 6) for value in given.gather(1, ids[len(missing) :, None])[:, 0].tolist()]
        likeliest = given.topk(min(self._num_top, given.shape[1]), dim=1)
        chars = self._model.vocabulary.chars
        tops = [
            {chars[i]: round(value, 6) for i, value in zip(row_ids, row, strict=True)} | {char: log_prob}
            for row_ids, row, char, log_prob in zip(
                likeliest.indices.tolist(), likeliest.values.tolist(), piece[len(missing) :], own, strict=True
            )
        ]
        return LogProbs(list(piece), [*missing, *own], [*missing, *tops], offsets)
