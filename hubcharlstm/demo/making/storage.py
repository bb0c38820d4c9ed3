"""Where texts and runs of visitors lie: one folder of this server, which the next one deletes after a crash."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from hubcharlstm.hub.messages import DISK_FULL

MIN_FREE_BYTES = 2**20
"""Below which a disk counts as full."""


class Storage:
    """A folder for this process alone, with a lock beside it that lasts as long as the process.

    root: holds the folders of all servers of this user; by default in the system's folder for temporary files.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(tempfile.gettempdir()) / f"hubcharlstm-making-{_user()}"
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.root.is_symlink() or (hasattr(os, "getuid") and self.root.stat().st_uid != os.getuid()):
            raise ValueError(
                f"{self.root} belongs to somebody else; expected a folder of this user for what visitors make: remove "
                "it, or set TMPDIR."
            )
        self.root.chmod(0o700)
        self._delete_abandoned()
        name = secrets.token_hex(8)
        self._lock = FileLock(self.root / f"{name}.lock", blocking=False)
        self._lock.acquire()
        self._folder = self.root / name
        self._folder.mkdir(mode=0o700)

    def new_folder(self) -> Path:
        """A new folder for one text and its run."""
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return folder

    def delete(self, folder: Path) -> None:
        """Delete a folder that `new_folder` made, with all that is in it."""
        assert folder.parent == self._folder
        delete_tree(folder)

    def close(self) -> None:
        """Delete everything of this server."""
        delete_tree(self._folder)
        self._lock.release()
        (self.root / f"{self._folder.name}.lock").unlink(missing_ok=True)

    def _delete_abandoned(self) -> None:
        """Delete the folders of servers that have ended without doing it themselves."""
        for path in self.root.glob("*.lock"):
            lock = FileLock(path, blocking=False)
            with contextlib.suppress(Timeout), lock:  # a timeout: its server is running
                delete_tree(path.with_suffix(""))
                path.unlink(missing_ok=True)


def delete_tree(folder: Path) -> None:
    """Delete a folder; again, if a process that is being killed has written another file into it meanwhile."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)


def ran_out_of_room(error: str, folder: Path) -> bool:
    """Whether a process that worked in `folder` ended for want of room: its error says so, or found no room either."""
    is_said = any(os.strerror(code) in error for code in DISK_FULL)
    return is_said or (not error and shutil.disk_usage(folder).free < MIN_FREE_BYTES)


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"
