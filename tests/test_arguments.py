"""Whole and finite numbers of every type that callers have, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm.arguments import finite_number, positive_integer, whole_number

INTEGER_TYPES = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


@given(st.sampled_from(INTEGER_TYPES), st.integers(0, 127))
def test_numpy_integers_are_whole_numbers(integer_type: type, value: int) -> None:
    for number in (integer_type(value), np.array(value, integer_type), value):
        assert whole_number(number) == value
        assert type(whole_number(number)) is int
        assert finite_number(number) == value


@given(st.floats(allow_nan=False, allow_infinity=False, width=16))
def test_numpy_floats_are_finite_numbers(value: float) -> None:
    for number in (np.float16(value), np.float32(value), np.float64(value), value):
        assert finite_number(number) == value
        assert type(finite_number(number)) is float
        assert whole_number(number) is None


@pytest.mark.parametrize(
    "wrong", [True, False, np.True_, "7", None, 1j, float("nan"), np.float32("inf"), [1], np.ones(2), torch.ones(2)]
)
def test_what_is_no_number_is_none(wrong: object) -> None:
    assert whole_number(wrong) is None
    assert finite_number(wrong) is None


def test_numbers_beyond_a_float_are_not_finite() -> None:
    """`math.isfinite` raised an OverflowError for them."""
    assert finite_number(10**400) is None
    assert finite_number(Fraction(10**400)) is None
    assert whole_number(10**400) == 10**400
    assert finite_number(Fraction(1, 2)) == 0.5


def test_positive_integers() -> None:
    assert positive_integer("n", np.uint8(7)) == 7
    for wrong in (0, -5, 1.0, True, "7", None, np.int64(0)):
        with pytest.raises(ValueError, match=r"n is .*; expected a whole number of at least 1"):
            positive_integer("n", wrong)
