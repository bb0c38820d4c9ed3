"""Files and folders replaced in one step: a kill or a power cut leaves the old or the new, never a mixture.

Folders are for checkpoints, which no user keeps other files in; a model folder is written by `staging.replace_files`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Collection
from pathlib import Path


def replace_file(path: Path, content: str) -> None:
    """Write a text file beside its place, then rename it there."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(content, encoding="utf-8")
    sync(unfinished)
    unfinished.replace(path)
    sync(path.parent)


def replace_folder(folder: Path, write: Callable[[Path], None], *, drop: Collection[str] = ()) -> None:
    """Let `write` fill a new folder, then swap it with `folder` in one step.

    Files that `write` does not produce are copied over, except those named in `drop`.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; expected a folder, or a name that is free: choose another name.")
    folder = folder.resolve()
    make_folder(folder.parent)
    new = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    try:
        new.mkdir()
        write(new)
        if folder.exists():
            for old in folder.iterdir():
                if old.name not in drop and not (new / old.name).exists():
                    if old.is_dir() and not old.is_symlink():
                        shutil.copytree(old, new / old.name, symlinks=True)
                    else:
                        shutil.copy2(old, new / old.name, follow_symlinks=False)
            shutil.copymode(folder, new)
        _sync_tree(new)
        if folder.exists():
            _exchange(new, folder)
        else:
            new.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders: atomically on Linux (renameat2), elsewhere by two renames."""
    exchange_flag, at_cwd = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of <linux/fs.h> and <fcntl.h>
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is not None:
        if renameat2(at_cwd, os.fsencode(new), at_cwd, os.fsencode(old), exchange_flag) == 0:
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))
    aside = old.with_name(f".{old.name}.{secrets.token_hex(4)}.old")
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise
    shutil.rmtree(aside)


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)


def make_folder(folder: Path) -> None:
    """Create a folder with its parents unless it exists; a power cut does not undo it."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in new:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk."""
    if os.name != "posix" and path.is_dir():
        return  # folders cannot be opened for syncing there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
