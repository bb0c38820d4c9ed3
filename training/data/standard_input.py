"""A corpus that can be read only once: standard input, a pipe, a process substitution."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.data.remote.names import is_remote

STANDARD_INPUT = "-"


@contextmanager
def readable_again(source: str) -> Iterator[tuple[str, Path | None]]:
    """`source`, and None; of a pipe or "-", a copy of what it gives, which ends with the block, as both values."""
    path = Path(source)
    if is_remote(source):  # whose name may be longer than that of any file
        yield source, None
        return
    if source != STANDARD_INPUT and (not path.exists() or path.is_file() or path.is_dir()):
        yield source, None
        return
    with tempfile.TemporaryDirectory(prefix="hubcharlstm-input-") as folder:
        copy = Path(folder) / "input.txt"
        with copy.open("wb") as file:
            if source == STANDARD_INPUT:
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                with path.open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
        yield str(copy), copy
