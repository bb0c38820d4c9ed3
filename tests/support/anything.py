"""Hypothesis strategies for values from anybody: all of Unicode, all numbers, all of JSON, and what must hold for them.

Tests run few examples, the same each time. `HYPOTHESIS_CAMPAIGN=50` in the environment runs 50 times as many, others at
each run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

CAMPAIGN = int(os.environ.get("HYPOTHESIS_CAMPAIGN", "0"))
MAX_SENTENCE = 700
HUGE = 10**400
UNPRINTABLE = 10**5000
"""Python refuses to write it as digits."""


def examples(count: int) -> settings:
    """The settings of a test with `count` examples, the same each time; in a campaign with many more, drawn anew.

    A failure is shown as it is found: to shrink it takes minutes where each example is a request.
    """
    return settings(
        max_examples=count * max(1, CAMPAIGN),
        derandomize=not CAMPAIGN,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


characters = st.characters(exclude_categories=())
"""Surrogates included, which the default leaves out."""
SPECIAL_TEXTS = (
    "", "\0", "\ud800", "\udfff\ud800", "\ud83d\ude00", "e\u0301", "\u0301" * 50, "\ufeff", "\u202e", "\r\n",
    "\x1b[31m", "İ", "ﬀ", "ﷺ" * 20, "{message}{speaker}", "%s{0}", "../..", "<script>", "\\ud800", "1e999", "NaN",
    "x" * 3000, "To be, ", "q!",
)  # fmt: skip
texts = st.one_of(st.text(characters, max_size=40), st.sampled_from(SPECIAL_TEXTS))
SPECIAL_NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 5, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, HUGE, -HUGE, 0.0, -0.0, 0.5, 1e-320, 1e308,
    float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
json_numbers = st.one_of(st.integers(), st.integers(-3, 40), st.floats(), st.sampled_from(SPECIAL_NUMBERS))
numbers = st.one_of(
    json_numbers,
    st.sampled_from(
        [UNPRINTABLE, -UNPRINTABLE, Fraction(1, 3), Fraction(HUGE), 1j, np.int64(3), np.float32("nan"), np.uint8(9)]
    ),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), json_numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=6,
)
values: st.SearchStrategy[Any] = st.one_of(
    json_values,
    numbers,
    st.binary(max_size=8),
    st.sampled_from([(), object(), [UNPRINTABLE], {1: HUGE}, np.ones(2), int]),
)
"""Whatever a caller in Python may pass."""


def some_of(
    likely: Mapping[str, st.SearchStrategy[Any]], other: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some keys of `likely`, each with a value as there or any `other`."""
    fields = {name: st.one_of(strategy, strategy, other) for name, strategy in likely.items()}
    return st.fixed_dictionaries({}, optional=fields)


def works_or_refuses(call: Callable[[], object]) -> ValueError | None:
    """Call; any exception but a `ValueError` with one sentence fails. Returns what refused the call."""
    try:
        call()
    except ValueError as error:
        check_sentence(str(error))
        return error
    return None


def check_sentence(sentence: str) -> None:
    """One line for a person, in our own words and not too long to be seen whole, that every output can take."""
    assert sentence and "\n" not in sentence and len(sentence) < MAX_SENTENCE, sentence[:2000]
    sentence.encode()
    assert "codec can't" not in sentence and "integer string conversion" not in sentence, sentence
    assert "embedded null" not in sentence and "Traceback" not in sentence, sentence
