"""Checks of numbers, texts and paths that callers pass, NumPy's numbers included."""

from __future__ import annotations

import math
import operator
import os
from numbers import Real
from pathlib import Path

MAX_SHOWN = 100
"""Characters of a wrong value that a message repeats."""
MAX_SHOWN_INTEGER = 10**40
MAX_COUNT = 2**31 - 1


def whole_number(value: object) -> int | None:
    """`value` as an `int` if it is an integer of any type, NumPy's included, but no bool; None otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):  # a check for the protocol takes 4 us
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


def positive_integer(name: str, value: object, *, most: int = MAX_COUNT) -> int:
    """`value` as an `int`; raises `ValueError` if it is no whole number from 1 to `most`."""
    number = whole_number(value)
    if number is None or number < 1:
        raise ValueError(f"{name} is {shown(value)}; expected a whole number of at least 1: pick one.")
    if number > most:
        raise ValueError(f"{name} is {shown(value)}; expected at most {most:,}: pick a smaller one.")
    return number


def _as_float(value: Real | int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def shown(value: object) -> str:
    """`value` for a message: its `repr` on one line, shortened. Python refuses to print a number of 5,000 digits."""
    if isinstance(value, int) and abs(value) >= MAX_SHOWN_INTEGER:
        return f"a whole number of {value.bit_length():,} bits"
    try:
        text = repr(value)
    except ValueError:  # such a number within a list
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def checked_text(name: str, value: object) -> str:
    """`value` if it is a string; raises `ValueError` otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is of type {type(value).__name__}; expected a string: convert it.")
    return value


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can encode `text`; it cannot encode half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_encodable(path: str) -> bool:
    """Whether the file system can hold the name; names that are no UTF-8 come from it with surrogates."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def checked_path(name: str, value: object) -> Path:
    """`value` as a path; raises `ValueError` for what no file can be called."""
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str) and "\0" not in path and _is_encodable(path):
            return Path(path)
    raise ValueError(f"{name} is {shown(value)}; expected a path, as text or a Path: correct it.")
