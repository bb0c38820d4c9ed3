"""Replace some files of a folder together, and touch nothing else in it: staged beside their place, then renamed.

All new files are written and synced in `STAGING`, a folder within the folder. The rename of its manifest is the commit
point: before it the save did not happen, after it the save did. Then each file is renamed to its place. A reader who
finds a manifest takes the files that are still staged from there, so a kill between two renames leaves a folder that
loads as the new save; whoever may write to the folder next finishes the renames.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hubcharlstm.hub.atomic import make_folder, sync

STAGING = ".hubcharlstm-save"
MANIFEST = ".manifest"
LOCK = f"{STAGING}.lock"
MAX_MANIFEST_BYTES = 2**16
LOCK_SECONDS = 60.0
"""How long a save waits for another process that saves into the same folder."""

logger = logging.getLogger(__name__)


def replace_files(folder: Path, write: Callable[[Path], None], *, owned: Collection[str]) -> None:
    """Let `write` fill a staging folder, then put its files in their places in `folder`, all of them or none.

    owned: names that belong to the save; those that `write` does not produce are removed. Other files, the folder
    itself and what lies around it stay as they are. Raises `ValueError` if `folder` is a file, and `OSError` if it
    cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; expected a folder, or a name that is free: choose another name.")
    is_new = not folder.exists()
    make_folder(folder)
    with _locked(folder, LOCK_SECONDS):
        _complete(folder, owned)
        staging = folder / STAGING
        try:
            staging.mkdir()
            write(staging)
            _commit(staging, folder)
        except BaseException:
            _roll_back(staging)
            if is_new:
                (folder / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # somebody else has put something into it meanwhile
                    folder.rmdir()
            raise
        _complete(folder, owned)


def current_files(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """Where the file of each name lies that the last committed save wrote; needs no right to write."""
    staged = _manifest(folder)
    if staged is None:
        return {name: folder / name for name in names if (folder / name).is_file()}
    places = {}
    for name in set(names) & set(staged):
        path = folder / STAGING / name
        places[name] = path if path.is_file() else folder / name
    return places


def finish_interrupted_save(folder: Path, *, owned: Collection[str]) -> None:
    """Finish the renames of a save that was killed after its commit point, where this process may."""
    if _manifest(folder) is None:
        return
    try:
        with _locked(folder, 0):
            _complete(folder, owned)
    except OSError as error:  # a read-only folder, or a save under way: the staged files serve as they lie
        logger.info("The interrupted save in %s is not finished here (%s).", folder, error)


@contextmanager
def _locked(folder: Path, seconds: float) -> Iterator[None]:
    """One process at a time; the lock file is gone afterwards (a waiter sees that its inode lost the name)."""
    try:
        lock = FileLock(folder / LOCK, timeout=seconds)
        with lock:
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)
    except Timeout:
        if not seconds:
            raise
        raise ValueError(
            f"Another process has been saving into {folder} for {seconds:.0f} seconds; expected it to finish: wait "
            "for it, or choose another folder."
        ) from None


def _commit(staging: Path, folder: Path) -> None:
    names = sorted(path.name for path in staging.iterdir())
    if wrong := [name for name in names if name.startswith(".")]:
        raise ValueError(f"{wrong[0]} is to be saved; expected names without a leading dot: choose another.")
    for name in names:
        if (folder / name).is_dir():
            raise ValueError(f"{folder / name} is a folder; expected a file or nothing: move it away.")
        sync(staging / name)
    unfinished = staging / f"{MANIFEST}.new"
    unfinished.write_text(json.dumps(names) + "\n", encoding="utf-8")
    sync(unfinished)
    sync(staging)
    unfinished.replace(staging / MANIFEST)
    sync(staging)
    sync(folder)  # or a power cut could undo the name of the staging folder alone


def _roll_back(staging: Path) -> None:
    """Undo a save that has failed; its manifest goes first, or half of the staged files could be taken for a save."""
    with suppress(OSError):
        (staging / MANIFEST).unlink(missing_ok=True)
        sync(staging)
    shutil.rmtree(staging, ignore_errors=True)


def _complete(folder: Path, owned: Collection[str]) -> None:
    """Roll a save that was interrupted forward, or back if it was not committed. Can be interrupted and repeated."""
    staging = folder / STAGING
    names = _manifest(folder)
    if names is not None:
        for name in names:
            if (staging / name).is_file():
                (staging / name).replace(folder / name)
        for name in set(owned) - set(names):
            (folder / name).unlink(missing_ok=True)
        sync(folder)
        (staging / MANIFEST).unlink()  # last: until here a reader needs it to know what belongs to the save
    if staging.is_dir() and not staging.is_symlink():
        shutil.rmtree(staging)
    else:  # no save of ours leaves a link, a file or a pipe there
        staging.unlink(missing_ok=True)


def _manifest(folder: Path) -> list[str] | None:
    """The names that a committed save holds, or None. Foreign content, which may come from anywhere, is no manifest.

    Nor is what no save leaves: a pipe, at which reading would wait forever, a large file, a link to another folder.
    """
    path = folder / STAGING / MANIFEST
    try:
        if path.parent.is_symlink() or not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
            return None
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    good = isinstance(names, list) and all(
        isinstance(name, str) and name and name == Path(name).name and not name.startswith(".") for name in names
    )
    return names if good else None
