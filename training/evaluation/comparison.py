"""A trained model against the baselines: what it passes, what it does not, and when the comparison tells nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.baselines import ADAPTIVE, KNESER_NEY

FAR_APART = 0.5
"""Nats between Kneser-Ney and its adaptive twin: what is held out repeats itself, but not the training text."""
SHORT_CHARS = 200_000

Baselines = Mapping[str, Mapping[str, float]]


def doubt(baselines: Baselines, vocab_size: int) -> str:
    """Why the number to beat says nothing about the text, "" if it does."""
    if KNESER_NEY not in baselines:
        return ""
    nats, even = baselines[KNESER_NEY]["nats"], math.log(vocab_size)
    reason = ""
    if nats >= even:
        reason = f"the number to beat is {nats:.4f}, worse than guessing evenly ({even:.4f})"
    elif ADAPTIVE in baselines and nats - baselines[ADAPTIVE]["nats"] > FAR_APART:
        reason = f"the number to beat is {nats:.4f}, and {baselines[ADAPTIVE]['nats']:.4f} if it learns as it reads"
    if not reason:
        return ""
    return (
        f"{reason}, so what is held out is unlike what is trained on; a loss below it means little: hold out another "
        "part with --val-place spread or --val"
    )


def passed_line(baselines: Baselines, val_loss: float, previous_best: float, vocab_size: int) -> str:
    """Says at the first evaluation below the number to beat that it is passed; "" at any other."""
    if KNESER_NEY not in baselines or doubt(baselines, vocab_size):
        return ""
    number = baselines[KNESER_NEY]["nats"]
    return (
        f"It has passed the number to beat: {number:.4f}, {KNESER_NEY}." if val_loss < number <= previous_best else ""
    )


def final_line(
    baselines: Baselines,
    history: Sequence[Mapping[str, Any]],
    *,
    vocab_size: int,
    train_chars: int,
    may_start_warm: bool,
) -> str:
    """How the best weights of a run compare with the number to beat, and if they lose, what would help."""
    if KNESER_NEY not in baselines or not history:
        return ""
    if reason := doubt(baselines, vocab_size):
        return f"Note: {reason}."
    number, best = baselines[KNESER_NEY]["nats"], min(range(len(history)), key=lambda n: history[n]["val_loss"])
    difference = number - history[best]["val_loss"]
    if difference > 0:
        return f"That is {difference:.4f} below the number to beat ({number:.4f}, {KNESER_NEY})."
    advice = []
    if may_start_warm:
        advice.append("begin with weights that have read English (--init-from pretrained)")
    if train_chars < SHORT_CHARS:
        advice.append(f"give it more text than these {train_chars:,} characters")
    if best == len(history) - 1:
        advice.append("train longer (--max-train-chars, --max-epochs), for it was still learning")
    elif best < len(history) // 2:
        advice.append("raise --dropout, for it began to learn the text by heart")
    advice = advice or ["take a larger preset (--preset base)"]
    return (
        f"That is {-difference:.4f} above the number to beat ({number:.4f}, {KNESER_NEY}): counting sequences of six "
        f"characters does better. What would help: {'; '.join(advice)}."
    )
