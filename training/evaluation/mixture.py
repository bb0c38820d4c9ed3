"""A network mixed with n-gram models: at each character by weights learned from the characters before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.baselines import Floats, Ids, NgramPrediction, predict_by_ngrams

NETWORK_WEIGHT = 0.8
"""Of the network before the first character; the n-gram models share the rest."""
PRIOR = 4.0
"""Characters that the weights of a wider kind of context count for in a narrower one."""
MEMORY = 150
"""Characters of a kind that its weights remember."""
COUNT_BINS = 5


def ngrams_beside(
    train: NDArray[Any], held_out: NDArray[Any], vocab_size: int, *, adaptive: bool = True
) -> list[NgramPrediction]:
    """Kneser-Ney on held-out ids (M,) after `train`, to be mixed with a network.

    adaptive: it counts what is scored, too, and after a longer `train` another model joins that counts nothing else:
    what this text alone repeats.
    """
    ngrams = [predict_by_ngrams(train, held_out, vocab_size, adaptive=adaptive)]
    if adaptive and len(train) > 1:
        ngrams.append(predict_by_ngrams(train[-1:], held_out, vocab_size, adaptive=True))
    return ngrams


def mixed_log_probs(network: NDArray[Any], ngrams: Sequence[NgramPrediction]) -> Floats:
    """Log-probabilities (M,) of held-out ids: the network's (M,) mixed with those of `ngrams_beside` it.

    Linear interpolation, so that each mixture sums to 1 over the vocabulary.
    """
    log_probs = [np.asarray(network, dtype=np.float64), *(np.log(ngram.probability) for ngram in ngrams)]
    orders = np.stack([ngram.order for ngram in ngrams])
    counts = np.stack([count_bins(ngram) for ngram in ngrams])
    return causal_mixture(log_probs, [numbered(orders), numbered(np.concatenate([orders, counts]))])


def count_bins(ngrams: NgramPrediction) -> Ids:
    """How often the longest known context of each character occurred before it, (M,), by powers of two."""
    bins: Ids = np.log2(np.maximum(ngrams.context_count, 1)).astype(np.int64).clip(max=COUNT_BINS - 1)
    return bins


def numbered(properties: Ids) -> Ids:
    """One number (M,) for each combination of properties, (P, M), that occurs."""
    return np.unique(properties, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)


def causal_mixture(log_probs: Sequence[Floats], kinds: Sequence[Ids]) -> Floats:
    """log sum_k w_k exp(log_probs[k]), (M,) from (M,) each, the network's first.

    kinds: of each position from the widest to the narrowest, (M,) each. w is that of the narrowest: the mean share
    that each model had in the mixtures of this kind so far (online expectation-maximization, Cappé & Moulines 2009),
    with the weights of the next wider kind as its prior. So nothing depends on the character that is scored or on one
    after it.
    """
    stacked = np.stack(log_probs, axis=1)
    highest = stacked.max(axis=1)
    likelihoods = np.exp(stacked - highest[:, None])
    num_ngrams = len(log_probs) - 1
    initial = np.array([NETWORK_WEIGHT, *[(1 - NETWORK_WEIGHT) / num_ngrams] * num_ngrams])
    sums = [np.zeros((int(level.max()) + 1, len(log_probs))) for level in kinds]
    counts = [[0.0] * len(level) for level in sums]
    mixed = np.empty_like(highest)
    for n, path in enumerate(np.stack(kinds, axis=1).tolist()):
        weights = initial
        for level_sums, level_counts, kind in zip(sums, counts, path, strict=True):
            weights = (level_sums[kind] + PRIOR * weights) / (level_counts[kind] + PRIOR)
        parts = weights * likelihoods[n]
        mixed[n] = total = parts.sum()
        for level_sums, level_counts, kind in zip(sums, counts, path, strict=True):
            decay = min(1.0, MEMORY / (level_counts[kind] + 1))
            level_sums[kind] = decay * (level_sums[kind] + parts / total)
            level_counts[kind] = decay * (level_counts[kind] + 1)
    result: Floats = np.log(mixed) + highest
    return result
