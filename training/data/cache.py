"""Where downloaded and prepared texts lie: one folder, with an entry for each source."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants

VARIABLE = "HUBCHARLSTM_CACHE"
WAIT_SECONDS = 15.0
"""After so many seconds of waiting for another process the log says so."""

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder that HUBCHARLSTM_CACHE names, else a place of our own in the assets cache of the Hub's client."""
    chosen = os.environ.get(VARIABLE)
    folder = Path(chosen) if chosen else Path(constants.HF_ASSETS_CACHE) / "hubcharlstm" / "corpora"
    return folder.expanduser().resolve()


def entry_name(title: str, *identity: str) -> str:
    """The name of an entry: some letters of its title, and a hash of what tells it from others."""
    letters = "-".join(re.findall(r"[A-Za-z0-9_.]+", title))[:40].strip(".-")
    return f"{letters or 'text'}-{hashlib.sha256(chr(0).join(identity).encode()).hexdigest()[:16]}"


@contextmanager
def locked(entry: Path) -> Iterator[None]:
    """Let one process alone write an entry; the others wait. The lock ends with its process."""
    from filelock import FileLock, Timeout

    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(entry.with_name(f".{entry.name}.lock"), timeout=WAIT_SECONDS)
    while True:
        try:
            lock.acquire()
            break
        except Timeout:
            logger.info("Waiting for another process that prepares %s.", entry)
    try:
        yield
    finally:
        lock.release()
