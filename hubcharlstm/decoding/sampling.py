"""Sampling: pure functions from logits to the next id, and the counter-based random stream of a request.

Everything is float64 on the CPU, by functions that give a row the same bits in any batch, so that a text depends on its
own request alone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.arguments import finite_number, shown, whole_number

Array = NDArray[np.float64]
Filter = tuple[NDArray[np.intp], Callable[[Array, Any], Array], NDArray[Any]]

MAX_SEED = 2**63 - 1
MAX_TOP_K = 2**31 - 1
"""More than there are characters."""


@dataclass(frozen=True)
class SamplingParams:
    """The settings that shape the distribution of the next character.

    temperature: logits are divided by it; 0 is greedy (the likeliest character, always).
    top_k: keep the k likeliest; 0 keeps all.
    top_p: keep the smallest set of likeliest characters whose probability reaches p (Holtzman et al. 2020);
    1 keeps all.
    min_p: keep characters at least min_p times as likely as the likeliest (Nguyen et al. 2024); 0 keeps all.

    They apply in this order, each to the result of the one before. NumPy's numbers are accepted and stored as Python's.
    Raises `ValueError` outside these ranges.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        temperature, top_k = finite_number(self.temperature), whole_number(self.top_k)
        top_p, min_p = finite_number(self.top_p), finite_number(self.min_p)
        if temperature is None or temperature < 0:
            raise ValueError(
                f"temperature is {shown(self.temperature)}; expected a number of at least 0: use 0 for greedy."
            )
        if top_k is None or not 0 <= top_k <= MAX_TOP_K:
            raise ValueError(
                f"top_k is {shown(self.top_k)}; expected a whole number of at least 0 and up to {MAX_TOP_K}: use 0 to "
                "keep all."
            )
        if top_p is None or not 0 < top_p <= 1:
            raise ValueError(f"top_p is {shown(self.top_p)}; expected a number above 0 and up to 1: use 1 to keep all.")
        if min_p is None or not 0 <= min_p < 1:
            raise ValueError(f"min_p is {shown(self.min_p)}; expected a number from 0 to below 1: use 0 to keep all.")
        for name, value in (("temperature", temperature), ("top_k", top_k), ("top_p", top_p), ("min_p", min_p)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class SamplingBatch:
    """The settings of B rows as columns (B, 1), for `next_ids`; what it derives from them is cached."""

    temperature: Array
    top_k: NDArray[np.int64]
    top_p: Array
    min_p: Array

    @classmethod
    def of(cls, rows: Sequence[SamplingParams]) -> SamplingBatch:
        """One row for each of `rows`."""
        return cls(
            np.array([[row.temperature] for row in rows], dtype=np.float64),
            np.array([[row.top_k] for row in rows], dtype=np.int64),
            np.array([[row.top_p] for row in rows], dtype=np.float64),
            np.array([[row.min_p] for row in rows], dtype=np.float64),
        )

    @cached_property
    def greedy(self) -> NDArray[np.bool_]:
        return np.equal(self.temperature[:, 0], 0.0)

    @cached_property
    def all_greedy(self) -> bool:
        return bool(self.greedy.all())

    @cached_property
    def any_greedy(self) -> bool:
        return bool(self.greedy.any())

    @cached_property
    def divisor(self) -> Array:
        return np.where(self.temperature == 0, 1.0, self.temperature)

    @cached_property
    def filters(self) -> list[Filter]:
        """The filters in use, in the order in which they apply, each with its rows and their settings."""
        filters: list[Filter] = [
            (np.flatnonzero(self.top_k[:, 0]), filter_top_k, self.top_k),
            (np.flatnonzero(self.top_p[:, 0] != 1), filter_top_p, self.top_p),
            (np.flatnonzero(self.min_p[:, 0]), filter_min_p, self.min_p),
        ]
        return [(rows, apply, setting[rows]) for rows, apply, setting in filters if len(rows)]

    def set(self, row: int, params: SamplingParams) -> None:
        """Change the settings of a row, in place."""
        self.temperature[row], self.top_k[row] = params.temperature, params.top_k
        self.top_p[row], self.min_p[row] = params.top_p, params.min_p

    def move(self, source: int, target: int) -> None:
        """Copy the settings of row `source` over those of row `target`, in place."""
        for column in (self.temperature, self.top_k, self.top_p, self.min_p):
            column[target] = column[source]

    def first(self, count: int) -> SamplingBatch:
        """The first `count` rows as they are now: valid until one is set or moved."""
        return SamplingBatch(self.temperature[:count], self.top_k[:count], self.top_p[:count], self.min_p[:count])


def next_ids(logits: NDArray[np.floating], batch: SamplingBatch, uniforms: Array) -> NDArray[np.int64]:
    """Choose one id per row: logits (B, V), uniforms (B,) in [0, 1) -> ids (B,); -1 where a logit is not finite."""
    finite = np.isfinite(logits).all(axis=-1)
    all_finite = bool(finite.all())
    if not all_finite:
        logits = np.where(finite[:, None], logits, 0.0)
    if batch.all_greedy:
        ids: NDArray[np.int64] = logits.argmax(axis=-1)
    else:
        ids = sample(unnormalized(logits, batch), uniforms)
        if batch.any_greedy:
            ids = np.where(batch.greedy, logits.argmax(axis=-1), ids)
    return ids if all_finite else np.where(finite, ids, -1)


class RowSampler:
    """`next_ids` for one row, whose arrays are allocated once."""

    def __init__(self, params: SamplingParams, vocab_size: int) -> None:
        batch = SamplingBatch.of([params])
        self._greedy, self._divisor, self._filters = batch.all_greedy, batch.divisor[0, 0], batch.filters
        self._finite = np.empty(vocab_size, bool)
        self._values, self._cumulative = np.empty(vocab_size), np.empty(vocab_size)

    def next_id(self, logits: NDArray[np.float32], uniform: float) -> int:
        """logits (V,), uniform in [0, 1) -> an id; -1 if a logit is not finite."""
        np.isfinite(logits, self._finite)
        if not np.logical_and.reduce(self._finite):
            return -1
        if self._greedy:
            return int(logits.argmax())
        values, cumulative = self._values, self._cumulative
        np.subtract(logits, np.maximum.reduce(logits), values, dtype=np.float64)
        with np.errstate(all="ignore"):  # as in `unnormalized`
            np.divide(values, self._divisor, values)
            np.exp(values, values)
        for _, apply, setting in self._filters:
            values = apply((values / values.sum())[None], setting)[0]
        np.add.accumulate(values, out=cumulative)
        return int(cumulative.searchsorted(uniform * cumulative[-1], "right"))


def probabilities(logits: NDArray[np.floating], batch: SamplingBatch) -> Array:
    """logits (B, V) -> the distribution to sample from, (B, V); for a greedy row that of temperature 1."""
    values = unnormalized(logits, batch)
    values /= values.sum(axis=-1, keepdims=True)
    return values


def unnormalized(logits: NDArray[np.floating], batch: SamplingBatch) -> Array:
    """logits (B, V) -> `probabilities` up to a factor for each row, (B, V).

    A filter touches only the rows that use it, so that a row's bits do not depend on its neighbours.
    """
    values: Array = np.subtract(logits, logits.max(axis=-1, keepdims=True), dtype=np.float64)
    with np.errstate(all="ignore"):  # a tiny temperature sends all but the likeliest to exp(-inf)
        values /= batch.divisor
        np.exp(values, out=values)
    for rows, apply, setting in batch.filters:
        chosen = values[rows]
        values[rows] = apply(chosen / chosen.sum(axis=-1, keepdims=True), setting)
    return values


def filter_top_k(probs: Array, k: NDArray[np.int64]) -> Array:
    """The k likeliest of each row, renormalised; k (B, 1). Ties at the border go to the lower ids."""
    order = np.argsort(-probs, axis=-1, kind="stable")
    return _apply_mask(probs, _unsort(np.arange(probs.shape[-1]) < k, order))


def filter_top_p(probs: Array, p: Array) -> Array:
    """The smallest set of likeliest ids of each row whose probability reaches p, renormalised; p (B, 1)."""
    order = np.argsort(-probs, axis=-1, kind="stable")
    ranked = np.take_along_axis(probs, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked  # probability of all that are likelier
    return _apply_mask(probs, _unsort(before < p, order))


def filter_min_p(probs: Array, min_p: Array) -> Array:
    """The ids of each row at least `min_p` times as likely as its likeliest, renormalised; min_p (B, 1)."""
    return _apply_mask(probs, probs >= min_p * probs.max(axis=-1, keepdims=True))


def sample(probs: Array, uniforms: Array) -> NDArray[np.int64]:
    """Inverse transform: probs (B, V) of any sum, uniforms (B,) in [0, 1) -> ids (B,), none of probability 0."""
    cumulative = torch.cumsum(torch.from_numpy(probs), dim=-1).numpy()  # NumPy's takes six times as long
    threshold = uniforms[:, None] * cumulative[:, -1:]
    chosen: NDArray[np.int64] = (cumulative > threshold).argmax(axis=-1)
    return chosen


def _unsort(mask: NDArray[np.bool_], order: NDArray[np.intp]) -> NDArray[np.bool_]:
    out = np.empty(order.shape, dtype=bool)
    np.put_along_axis(out, order, np.broadcast_to(mask, order.shape), axis=-1)
    return out


def _apply_mask(probs: Array, mask: NDArray[np.bool_]) -> Array:
    masked = np.where(mask, probs, 0.0)
    total: Array = masked.sum(axis=-1, keepdims=True)
    return masked / total


def new_seed() -> int:
    """A seed drawn from the system's randomness, short enough to read aloud."""
    return secrets.randbelow(2**32)


def check_seed(seed: SupportsIndex) -> int:
    """`seed` as an `int`; raises `ValueError` if it is not a whole number from 0 to 2**63 - 1."""
    number = whole_number(seed)
    if number is None or not 0 <= number <= MAX_SEED:
        raise ValueError(
            f"seed is {shown(seed)}; expected a whole number from 0 to {MAX_SEED}: pick another, or leave it out."
        )
    return number


@dataclass(frozen=True)
class RandomStream:
    """The uniforms of one request: a Philox counter (Salmon et al. 2011) whose key is a hash of seed and prompt ids.

    A value: `draws` uniforms have been drawn. Two prompts with the same seed get different uniforms.
    """

    key: int
    draws: int = 0

    @classmethod
    def for_request(cls, seed: int, prompt_ids: Sequence[int], parent: RandomStream | None = None) -> RandomStream:
        """The stream of a request; `parent` is the stream of the state that the request goes on from, if any."""
        words = f"{seed}|{'' if parent is None else f'{parent.key}+{parent.draws}'}|{','.join(map(str, prompt_ids))}"
        return cls(int.from_bytes(hashlib.sha256(words.encode("ascii")).digest()[:16], "little"))

    def uniforms(self, count: int) -> tuple[Array, RandomStream]:
        """The next `count` uniforms in [0, 1), float64, and the stream after them."""
        blocks, offset = divmod(self.draws, 4)  # Philox gives four 64-bit words for each value of its counter
        generator = np.random.Generator(np.random.Philox(key=self.key).advance(blocks))
        values = generator.random(offset + count)[offset:]
        return values, RandomStream(self.key, self.draws + count)
