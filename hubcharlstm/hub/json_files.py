"""JSON files of a model, which may come from anybody: bounded before they are parsed, and plain values alone.

What passes can be shown, computed with and written again: numbers are finite and fit 64 bits, texts are UTF-8.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from hubcharlstm.arguments import is_utf8
from hubcharlstm.errors import NotAModelError

MAX_BYTES = 16 * 2**20
MAX_VALUES = 500_000
"""Brackets and commas of a file. 15 MB of [] took 743 MB."""
MAX_DIGITS = 19
"""Of a whole number; those of 64 bits have at most as many."""
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def load_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises `NotAModelError` for anything else."""
    if path.stat().st_size > MAX_BYTES:
        raise NotAModelError(f"{path} is larger than {MAX_BYTES // 2**20} MiB; expected a small JSON file: check it.")
    content = path.read_bytes()
    values = _count_values(content)
    if values > MAX_VALUES:
        raise NotAModelError(f"{path} holds {values:,} values; expected at most {MAX_VALUES:,}: check it.")
    try:
        data = json.loads(
            content.decode("utf-8"), parse_int=_whole_number, parse_float=_number, parse_constant=_no_number
        )
        if SURROGATE.search(content) and not is_utf8(json.dumps(data, ensure_ascii=False)):
            raise ValueError("a text has half of a surrogate pair, which UTF-8 cannot encode")
    except (ValueError, RecursionError) as error:
        raise NotAModelError(f"{path} is not JSON ({error}); expected a JSON object: save the model again.") from error
    if not isinstance(data, dict):
        raise NotAModelError(f"{path} holds a JSON {type(data).__name__}; expected an object: save the model again.")
    return data


def dump_json(data: Mapping[str, Any]) -> str:
    """`data` as the text of a JSON file that `load_json` takes; raises `ValueError` for what it would not."""
    try:
        text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not is_utf8(text):
        raise ValueError("a text has half of a surrogate pair, which UTF-8 cannot encode")
    json.loads(text, parse_int=_whole_number)
    content = text.encode()
    if len(content) > MAX_BYTES or _count_values(content) > MAX_VALUES:
        raise ValueError(f"it takes more than {MAX_BYTES // 2**20} MiB or {MAX_VALUES:,} values")
    return text


def _count_values(content: bytes) -> int:
    """At least as many as the values of a JSON text: brackets and commas in its strings count, too."""
    return sum(content.count(sign) for sign in (b"[", b"{", b","))


def _whole_number(digits: str) -> int:
    if len(digits.removeprefix("-")) > MAX_DIGITS:
        raise ValueError(f"a whole number has {len(digits):,} digits, more than {MAX_DIGITS}")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is no finite number")
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no finite number")
