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


def is_pipe(source: str) -> bool:
    """Whether a source gives its content once. The name of a remote one may be longer than that of any file."""
    if is_remote(source):
        return False
    path = Path(source)
    return source == STANDARD_INPUT or (path.exists() and not path.is_file() and not path.is_dir())


@contextmanager
def readable_again(source: str) -> Iterator[tuple[str, Path | None]]:
    """`source`, and None; of a pipe or "-", a copy of what it gives, which ends with the block, as both values."""
    if not is_pipe(source):
        yield source, None
        return
    with tempfile.TemporaryDirectory(prefix="hubcharlstm-input-") as folder:
        copy = Path(folder) / "input.txt"
        with copy.open("wb") as file:
            if source == STANDARD_INPUT:
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                with Path(source).open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
        yield str(copy), copy
