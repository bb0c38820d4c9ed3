"""Dynamic evaluation: a copy of a network takes a gradient step on each window of a text that it has read."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm.arguments import finite_number, positive_integer, shown
from hubcharlstm.inspection.scoring import token_log_probs
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import Encoding, Vocabulary

WINDOW = 30
"""Characters that are read before each step."""

RATE = 8e-4
DECAY = 0.003
"""Decay rate towards the initial weights at each step."""

MEMORY = 0.999
CLIP = 1.0

DEFAULT_SECONDS = 10.0
MIN_CHARACTERS = 30
MAX_CHARACTERS = 100_000
"""Characters of a text that `adapt` takes; a longer one is worth a training."""

BATCH_SIZE = 8
"""Parts of a text that `adapt` reads side by side: eight take little longer than one."""

ADAPTATION_RATE = 2e-3
MAX_PASSES = 2
"""Passes over a text for a given time: another one gains little and costs what the model knew before."""

MAX_SCORED = 20_000
"""Characters of a text on which the losses before and after are measured."""

MAX_ADAPTATIONS = 20
"""Adaptations that a record lists."""

LASTING_FACTS = (
    "name", "corpus", "card", "recipe", "parameters", "ancestors", "teachers", "base_model", "sample_prompt",
)  # fmt: skip
"""What a record says that an adaptation does not change: losses, samples and statistics are those of other weights."""

Network = TypeVar("Network", bound=CharLSTMNetwork)


class DynamicEvaluation(Generic[Network]):
    """A copy of `network` that learns as it reads (Mikolov 2010; Krause et al. 2018).

    Gradient steps divided by a running root mean square of each weight's gradients, which is Adam without momentum,
    and a decay towards the initial weights. `network` itself stays as it is. batch_size: texts that are read side by
    side; the papers' is 1.
    """

    def __init__(self, network: Network, *, rate: float = RATE, batch_size: int = 1) -> None:
        self.initial, self.batch_size = network, batch_size
        self.network: Network = copy.deepcopy(network).eval().requires_grad_()
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=rate, betas=(0.0, MEMORY), fused=True)
        self.rewind()

    def rewind(self) -> None:
        """Begin a text, from a zero state."""
        self._state = self.network.initial_state(self.batch_size)

    def step(self, ids: Tensor) -> Tensor:
        """The losses (B, T) of ids[:, 1:] in nats, before the step that these ids (B, T + 1) int64 then lead to."""
        network = self.network
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # it has no backward pass in eval mode
            logits, (h, c) = network(ids[:, :-1], self._state)
            self._state = (h.detach(), c.detach())
            losses = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
            loss = losses.mean()
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # Tensor.backward has no annotations
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        self._optimizer.step()
        with torch.no_grad():
            for weight, first in zip(network.parameters(), self.initial.parameters(), strict=True):
                weight.lerp_(first, DECAY)
        return losses.detach().view(self.batch_size, -1)


@dataclass(frozen=True)
class Adaptation:
    """What `adapt` did. characters: of the text, as the model reads it. steps: that were taken.

    nats_before, nats_after: per character of the text (of its first `MAX_SCORED`) by the first network and by the
    adapted one. warnings: substituted and dropped characters, for a person.
    """

    characters: int
    steps: int
    nats_before: float
    nats_after: float
    warnings: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """What a model's record says of it: numbers alone, nothing of the text."""
        return {
            "characters": self.characters,
            "steps": self.steps,
            "nats_before": round(self.nats_before, 6),
            "nats_after": round(self.nats_after, 6),
        }


@torch.inference_mode(mode=False)
def adapt(
    network: Network,
    vocabulary: Vocabulary,
    text: str,
    *,
    start_text: str,
    seconds: float | None = None,
    steps: int | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Network, Adaptation]:
    """A copy of `network` that has read `text` after `start_text`, for `seconds` or in `steps` steps.

    Parts of the text are read side by side: for `seconds`, `MAX_PASSES` times at most, or as often as `steps` asks for.
    At least one step is taken. With `steps`, the result depends on the arguments alone. Raises `ValueError` for an
    argument out of range, and for a text that is too long or of which the model can read too little.
    """
    seconds = check_amount(seconds, steps)
    encoding = check_text(vocabulary, text)
    before = vocabulary.encode(start_text).ids[-1:] or (0,)
    ids = np.array(before + encoding.ids, dtype=np.int64)
    rows = side_by_side(ids)
    evaluation = DynamicEvaluation(network, rate=ADAPTATION_RATE, batch_size=len(rows))
    taken = _learn(evaluation, rows, seconds, steps, is_cancelled)
    nats = [
        -float(token_log_probs(one, ids[: MAX_SCORED + 1], num_chunks=BATCH_SIZE).mean(dtype=np.float64))
        for one in (network, evaluation.network)
    ]
    evaluation.network.zero_grad()
    warnings = () if encoding.exact else (encoding.describe(),)
    return evaluation.network, Adaptation(len(encoding.ids), taken, nats[0], nats[1], warnings)


def _learn(
    evaluation: DynamicEvaluation[Network],
    rows: NDArray[np.int64],
    seconds: float | None,
    steps: int | None,
    is_cancelled: Callable[[], bool],
) -> int:
    """Read rows (B, N) as often as is asked for; returns the number of steps."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    ids = torch.from_numpy(rows).to(evaluation.network.head.weight.device)
    starts = range(0, ids.shape[1] - 1, WINDOW)
    most = MAX_PASSES * len(starts) if steps is None else steps
    for number in range(most):
        if number and (time.monotonic() >= deadline or is_cancelled()):
            return number
        start = starts[number % len(starts)]
        if start == 0:
            evaluation.rewind()
        evaluation.step(ids[:, start : start + WINDOW + 1])
    return most


def side_by_side(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ids (N,) as rows (B, L + 1) of equal length that cover ids[1:] in order and overlap by a few.

    There are `BATCH_SIZE` rows, fewer where they would be shorter than four windows.
    """
    count = len(ids) - 1
    num_rows = max(1, min(BATCH_SIZE, count // (4 * WINDOW)))
    length = -(-count // num_rows)
    starts = np.linspace(0, count - length, num_rows).round().astype(np.int64)
    rows: NDArray[np.int64] = ids[starts[:, None] + np.arange(length + 1)]
    return rows


def adapted_record(record: Mapping[str, Any], entries: Sequence[Any], adaptation: Adaptation) -> dict[str, Any]:
    """The record of the adapted model of a model with `record`. entries: of earlier adaptations, which it lists."""
    facts = {name: record[name] for name in LASTING_FACTS if name in record}
    return {**facts, "adapted": [*entries, adaptation.to_record()][-MAX_ADAPTATIONS:]}


def check_amount(seconds: object, steps: object) -> float | None:
    """The seconds to read for, None where `steps` are given; raises `ValueError` for a wrong amount."""
    if steps is not None:
        if seconds is not None:
            raise ValueError("Both seconds and steps are given; expected one of them: leave the other out.")
        positive_integer("steps", steps)
        return None
    number = DEFAULT_SECONDS if seconds is None else finite_number(seconds)
    if number is None or number <= 0:
        raise ValueError(f"seconds is {shown(seconds)}; expected a number above 0: choose another, such as 10.")
    return number


def check_text(vocabulary: Vocabulary, text: object) -> Encoding:
    """The text as `vocabulary` reads it; raises `ValueError` if it is too short or too long."""
    if not isinstance(text, str):
        raise ValueError(f"text is of type {type(text).__name__}; expected a string: give the text itself.")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"The text has {len(text):,} characters; expected {MAX_CHARACTERS:,} at most: shorten it, or train on it "
            "with python -m training fit."
        )
    encoding = vocabulary.encode(text)
    if len(encoding.ids) < MIN_CHARACTERS:
        raise ValueError(
            f"The text has {len(encoding.ids)} characters that the model can read; expected {MIN_CHARACTERS} at least: "
            "give it more."
        )
    return encoding
