"""Checks of numbers that callers pass, NumPy's included."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import SupportsIndex


def whole_number(value: object) -> int | None:
    """`value` as an `int` if it is an integer of any type, NumPy's included, but no bool; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    try:
        return operator.index(value)
    except TypeError:  # an array or a NumPy bool: it has __index__, which refuses
        return None


def finite_number(value: object) -> int | float | None:
    """`value` as an `int` or `float` if it is a finite number of any type but bool; None otherwise."""
    if (whole := whole_number(value)) is not None:
        return whole if math.isfinite(_as_float(whole)) else None
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    number = _as_float(value)
    return number if math.isfinite(number) else None


def positive_integer(name: str, value: object) -> int:
    """`value` as an `int`; raises `ValueError` if it is no whole number of at least 1."""
    number = whole_number(value)
    if number is None or number < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1: pick one.")
    return number


def _as_float(value: Real | int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
