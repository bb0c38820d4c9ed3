"""Whether a model of a list writes lines that its training text does not hold: hashes of those lines in its record."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LINES = 50_000
"""Of a longer list no hashes are recorded: four bytes each go into `training.json`."""


def hash_lines(lines: Iterable[str]) -> str | None:
    """The CRC-32 of each different line, sorted, in base64; None for more than MAX_LINES."""
    hashes = np.unique(np.array([zlib.crc32(line.strip().encode()) for line in lines if line.strip()], dtype="<u4"))
    return base64.b64encode(hashes.tobytes()).decode("ascii") if 0 < len(hashes) <= MAX_LINES else None


class TrainingLines:
    """The lines of a training text by their hashes. A new line passes for one of them once in 2**32 / their number."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        """Raises `ValueError` if the record has no hashes of lines."""
        corpus = record.get("corpus")
        encoded = corpus.get("line_hashes") if isinstance(corpus, Mapping) else None
        try:
            data = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
        except binascii.Error:
            data = b""
        if not data or len(data) % 4:
            raise ValueError(
                "The model's record has no lines of its training text; expected a model of a list, such as names: "
                "leave --novel out."
            )
        self._hashes: NDArray[np.uint32] = np.frombuffer(data, dtype="<u4")

    def __contains__(self, line: object) -> bool:
        if not isinstance(line, str):
            return False
        value = zlib.crc32(line.strip().encode())
        place = int(np.searchsorted(self._hashes, value))
        return place < len(self._hashes) and int(self._hashes[place]) == value
