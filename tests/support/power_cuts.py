"""A test double of a disk that loses power: after each call, the folders that a cut at that moment may leave.

A change of names (a new file, a rename, a removal) is certain once a folder that it touches has been synced; until then
any of them may be lost, also one before another that survives. A file's content is certain once the file has been
synced; until then it may be empty. A rename happens whole or not at all, as on every journaling file system.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = 0
CALLS = ("replace", "rename", "unlink", "rmdir", "mkdir")
"""Those of `os` that change names. What comes about otherwise is seen at the next of them, or at a sync."""

Key = tuple[int, str]
"""The number of a folder, and a name in it."""
State = frozenset[tuple[str, bytes | None]]
"""Content by path, None for a folder."""


class PowerCuts:
    """What happens below `root`, and in `states` what a power cut may leave of it.

    Files and folders have numbers of their own, because the system uses an inode again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.states: dict[State, None] = {}  # in the order in which they become possible
        self._numbers = itertools.count(1)
        self._by_inode: dict[int, int] = {}
        self._folders = {ROOT}
        self._names: dict[Key, int] = {}
        self._contents: dict[int, bytes] = {}
        self._synced: dict[int, bytes] = {}
        self._changes: list[dict[Key, int | None]] = []
        self._certain: set[int] = set()  # indices of changes
        self._observe()
        self._certain.update(range(len(self._changes)))
        self._synced.update(self._contents)
        self.states.clear()
        self._add_states()

    @property
    def certain(self) -> State:
        """What is on the disk whatever happens."""
        return self._state(self._certain, torn=True)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what the block does."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._wrapped(getattr(os, name)))
            patch.setattr(os, "fsync", self._sync(os.fsync))
            yield
        self._observe()

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **options: Any) -> Any:
            self._observe()
            try:
                return call(*args, **options)
            finally:
                self._observe()

        return wrapper

    def _sync(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def wrapper(descriptor: int) -> None:
            self._observe()
            call(descriptor)
            inode = os.fstat(descriptor).st_ino
            number = ROOT if inode == self.root.stat().st_ino else self._by_inode.get(inode)
            if number in self._folders:
                touching = (i for i, change in enumerate(self._changes) if any(key[0] == number for key in change))
                self._certain.update(touching)
            elif number is not None:
                self._synced[number] = self._contents[number]
            self._add_states()

        return wrapper

    def _observe(self) -> None:
        """Take in what has changed since the last time: each new name for itself, moves and removals as one change."""
        names: dict[Key, int] = {}
        inodes: dict[int, int] = {}
        contents: dict[int, bytes] = {}
        folders = [(ROOT, self.root)]
        while folders:
            folder, path = folders.pop()
            for entry in os.scandir(path):
                inode = entry.inode()
                number = inodes[inode] = inodes.get(inode) or self._by_inode.get(inode) or next(self._numbers)
                names[folder, entry.name] = number
                if entry.is_dir(follow_symlinks=False):
                    self._folders.add(number)
                    folders.append((number, Path(entry.path)))
                else:
                    contents[number] = Path(entry.path).read_bytes()
        known = set(self._names.values())
        changed = {key: names.get(key) for key in {**self._names, **names} if names.get(key) != self._names.get(key)}
        new = [{key: number} for key, number in changed.items() if number is not None and number not in known]
        moved = {key: number for key, number in changed.items() if number is None or number in known}
        self._changes += [*new, *([moved] if moved else [])]
        self._names, self._by_inode, self._contents = names, inodes, {**self._contents, **contents}
        self._add_states()

    def _add_states(self) -> None:
        """Add what a cut now may leave: no uncertain change, the first few, one alone, all but one."""
        open_changes = [i for i in range(len(self._changes)) if i not in self._certain]
        choices = [set(open_changes[:n]) for n in range(len(open_changes) + 1)]
        choices += [{one} for one in open_changes] + [set(open_changes) - {one} for one in open_changes]
        for chosen, torn in itertools.product(choices, (True, False)):
            self.states[self._state(self._certain | chosen, torn=torn)] = None

    def _state(self, happened: set[int], *, torn: bool) -> State:
        """torn: content that was not synced is empty."""
        names: dict[Key, int] = {}
        for index in sorted(happened):
            for key, number in self._changes[index].items():
                if number is None:
                    names.pop(key, None)
                else:
                    names[key] = number
        return frozenset(self._files(names, ROOT, "", torn))

    def _files(self, names: dict[Key, int], folder: int, prefix: str, torn: bool) -> Iterator[tuple[str, bytes | None]]:
        for (parent, name), number in names.items():
            if parent != folder:
                continue
            if number in self._folders:
                yield prefix + name, None
                yield from self._files(names, number, f"{prefix}{name}/", torn)
            else:
                content = self._contents[number]
                yield prefix + name, b"" if torn and self._synced.get(number) != content else content


def write_state(state: State, folder: Path) -> None:
    """Make `folder`, which is new, hold a state."""
    folder.mkdir()
    for path, content in sorted(state, key=lambda entry: entry[0].count("/")):
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
