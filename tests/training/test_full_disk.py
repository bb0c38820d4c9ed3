"""A disk that is full at any write of a run, and a clock that jumps: the run ends as an unbroken one."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import tiny_runs
from training.run_folder import LOCK
from training.time_budget import TimeBudget

SAVES = ("training.checkpoint.save_file", "hubcharlstm.hub.model_folder.save_file")


class FullDisk:
    """Every write below `folder` fails once `room` of them have gone well; audit hooks cannot be removed."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.room = 0
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None or event not in ("open", "os.mkdir"):
            return
        path = arguments[0]
        is_write = event == "os.mkdir" or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if is_write and isinstance(path, str | os.PathLike) and Path(path).is_relative_to(self.folder):
            self.write(Path(path))

    def write(self, path: Path) -> None:
        """Raises as a full disk does."""
        if path.name == LOCK:
            return  # which takes no room
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.fixture(scope="module")
def disk() -> FullDisk:
    return FullDisk()


@pytest.fixture
def full(disk: FullDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    for name in SAVES:
        module, _, attribute = name.rpartition(".")
        save = getattr(sys.modules[module], attribute)

        def checked(tensors: Any, path: Any, *rest: Any, save: Any = save, **named: Any) -> None:
            if disk.folder is not None and Path(path).is_relative_to(disk.folder):
                disk.write(Path(path))  # safetensors writes without Python's open
            save(tensors, path, *rest, **named)

        monkeypatch.setattr(name, checked)
    yield disk
    disk.folder = None


@pytest.mark.slow
def test_a_full_disk_at_any_write_costs_no_step(full: FullDisk, tmp_path: Path) -> None:
    """From the n-th write on, for every n until a run comes through; with room again it ends as an unbroken one."""
    recipe = replace(tiny_runs.RECIPE, max_train_chars=600)
    out, unbroken = tmp_path / "run", tmp_path / "unbroken"
    tiny_runs.run(unbroken, recipe)
    for room in range(400):
        shutil.rmtree(out, ignore_errors=True)
        full.folder, full.room = out, room
        try:
            tiny_runs.run(out, recipe)
            is_broken = False
        except OSError as error:
            assert error.errno == errno.ENOSPC, room
            is_broken = True
        full.folder = None
        if not is_broken and full.room >= 0:
            break
        if is_broken:
            tiny_runs.run(out, recipe, resume=(out / "checkpoint").exists())
        assert [path.name for path in out.iterdir() if path.name.startswith(".") and path.name != LOCK] == [], room
        tiny_runs.assert_same_run(out, unbroken)
    assert room > 10, "a run writes many files"


@pytest.mark.parametrize("jump", [-86_400.0 * 365, 86_400.0 * 365])
def test_a_clock_that_jumps_changes_no_weight_and_no_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """A clock that was set back between the start and here made a year of two minutes."""
    recipe = replace(tiny_runs.RECIPE, max_train_chars=600)
    tiny_runs.run(tmp_path / "unbroken", recipe)
    now, calls = time.time, [0]

    def jumping() -> float:
        calls[0] += 1
        return now() + (jump if calls[0] > 3 else 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", jumping)
        tiny_runs.run(tmp_path / "run", recipe)
        calls[0] = 3
        assert 0 <= TimeBudget.of(2.0).remaining <= 120
    tiny_runs.assert_same_run(tmp_path / "run", tmp_path / "unbroken")
