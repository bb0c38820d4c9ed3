"""A network and an n-gram model mixed: at each character by a weight learned from the characters before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.baselines import Floats, Ids, NgramPrediction, predict_by_ngrams

PRIOR = 4.0
"""Characters that a weight of one half counts for before the first of its kind."""
COUNT_BINS = 8


def mixed_log_probs(
    network: NDArray[Any], train: NDArray[Any], held_out: NDArray[Any], vocab_size: int, *, adaptive: bool = True
) -> Floats:
    """Log-probabilities (M,) of held-out ids (M,): the network's (M,) mixed with those of Kneser-Ney after `train`.

    Linear interpolation, so that each mixture sums to 1 over the vocabulary. adaptive: the n-grams count what is
    scored, too.
    """
    ngrams = predict_by_ngrams(train, held_out, vocab_size, adaptive=adaptive)
    return causal_mixture(np.asarray(network, dtype=np.float64), np.log(ngrams.probability), context_kind(ngrams))


def context_kind(ngrams: NgramPrediction) -> Ids:
    """What is known of each character before it comes: the longest known context, and how often that occurred."""
    bins = np.log2(np.maximum(ngrams.context_count, 1)).astype(np.int64).clip(max=COUNT_BINS - 1)
    kinds: Ids = ngrams.order * COUNT_BINS + bins
    return kinds


def causal_mixture(first: Floats, second: Floats, kinds: Ids) -> Floats:
    """log(w exp(first) + (1 - w) exp(second)), (M,); w is that of the position's kind.

    Online expectation-maximization (Cappé & Moulines 2009): w is the mean share that the first model had in the
    mixtures of this kind so far, so nothing depends on the character that is scored or on one after it.
    """
    shares, counts = np.full(kinds.max() + 1, PRIOR / 2), np.full(kinds.max() + 1, PRIOR)
    highest = np.maximum(first, second)
    one, two = np.exp(first - highest), np.exp(second - highest)
    mixed = np.empty_like(highest)
    for n, (kind, p, q) in enumerate(zip(kinds.tolist(), one.tolist(), two.tolist(), strict=True)):
        weight = shares[kind] / counts[kind]
        mixed[n] = total = weight * p + (1 - weight) * q
        shares[kind] += weight * p / total
        counts[kind] += 1
    return np.log(mixed) + highest
