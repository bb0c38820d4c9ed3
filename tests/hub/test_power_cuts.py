"""A power cut at any moment of a save leaves the old files or the new ones; after the save, the new ones."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.hub.atomic import replace_file, replace_folder
from hubcharlstm.hub.staging import STAGING
from tests.conftest import TEXT, tiny_model
from tests.support.power_cuts import PowerCuts, State, write_state

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders cannot be synced elsewhere")


def possible_outcomes(cuts: PowerCuts, place: Path, outcome_of: Callable[[Path], str]) -> dict[str, int]:
    """How many states there are of each outcome."""
    found: dict[str, int] = {}
    for state in cuts.states:
        folder = restored(state, place)
        outcome = outcome_of(folder)
        found[outcome] = found.get(outcome, 0) + 1
        assert outcome_of(folder) == outcome, "at the next load, too"
        shutil.rmtree(folder)
    return found


def restored(state: State, place: Path) -> Path:
    write_state(state, place)
    return place


def other_model() -> CharLSTM:
    return tiny_model(Vocabulary.from_text("another alphabet\n"), hidden_size=8, num_layers=1, seed=5)


def saved_model(folder: Path) -> str:
    """Which model the folder on a restored disk loads as, whole; "nothing" for none."""
    try:
        loaded = CharLSTM.from_pretrained(folder, device="cpu")
    except ValueError as error:
        assert "has no config.json" in str(error) or not folder.exists(), error
        return "nothing"
    name = "old" if loaded.vocabulary == Vocabulary.from_text(TEXT) else "new"
    assert loaded.record == ({"seconds": 1.0} if name == "old" else {}), "of one save"
    return name


@pytest.mark.parametrize("onto", ["nothing", "a model", "an interrupted save"])
def test_a_power_cut_leaves_the_old_model_or_the_new(model: CharLSTM, tmp_path: Path, onto: str) -> None:
    """The names of the staged files were certain before the name of their folder was."""
    target = tmp_path / "disk" / "runs" / "model"
    target.parents[1].mkdir()
    if onto != "nothing":
        model.record = {"seconds": 1.0}
        model.save_pretrained(target, extra_files={"loss.png": b"old"})
    if onto == "an interrupted save":
        (target / STAGING).mkdir()
        (target / STAGING / "config.json").write_text("half")
    cuts = PowerCuts(tmp_path / "disk")
    with cuts.recorded():
        other_model().save_pretrained(target)

    def outcome_of(disk: Path) -> str:
        return saved_model(disk / "runs" / "model")

    assert outcome_of(restored(cuts.certain, tmp_path / "certain")) == "new", "what was saved is certain"
    found = possible_outcomes(cuts, tmp_path / "cut", outcome_of)
    assert found.keys() == {"nothing" if onto == "nothing" else "old", "new"} and min(found.values()) > 5


@pytest.mark.parametrize("which", [-3, -2, -1])
def test_a_power_cut_after_a_failed_sync_leaves_the_old_model_or_the_new(
    model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """The last three syncs come after the commit; half of a save that is taken back was taken for one."""
    target, fsync, calls = tmp_path / "disk" / "model", os.fsync, [0]
    target.parent.mkdir()
    model.record = {"seconds": 1.0}
    model.save_pretrained(target)

    def failing(at: int) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            calls[0] += 1
            if calls[0] == at:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(descriptor)

        return sync

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(0))
        other_model().save_pretrained(tmp_path / "elsewhere")
    total = calls[0] - 1  # without that of the folder around a new one
    calls[0] = 0
    cuts = PowerCuts(tmp_path / "disk")
    monkeypatch.setattr(os, "fsync", failing(total + 1 + which))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), cuts.recorded():
        other_model().save_pretrained(target)
    monkeypatch.setattr(os, "fsync", fsync)
    found = possible_outcomes(cuts, tmp_path / "cut", lambda disk: saved_model(disk / "model"))
    assert found.keys() == {"old", "new"}


@pytest.mark.parametrize("onto", ["nothing", "a checkpoint"])
def test_a_power_cut_leaves_the_old_checkpoint_or_the_new(tmp_path: Path, onto: str) -> None:
    def write(text: str, folder: Path) -> None:
        for name in ("tensors", "progress"):
            (folder / name).write_text(text)

    def outcome_of(folder: Path) -> str:
        if not (folder / "run" / "checkpoint").exists():
            return "nothing"
        names = sorted((folder / "run" / "checkpoint").iterdir())
        assert [path.name for path in names] == ["progress", "tensors"]
        [text] = {path.read_text() for path in names}
        return text

    disk = tmp_path / "disk"
    (disk / "run").mkdir(parents=True)
    if onto == "a checkpoint":
        replace_folder(disk / "run" / "checkpoint", partial(write, "old"))
    cuts = PowerCuts(disk)
    with cuts.recorded():
        replace_folder(disk / "run" / "checkpoint", partial(write, "new"))
    assert outcome_of(restored(cuts.certain, tmp_path / "certain")) == "new"
    found = possible_outcomes(cuts, tmp_path / "cut", outcome_of)
    assert found.keys() == {"old" if onto == "a checkpoint" else "nothing", "new"}


@pytest.mark.parametrize("before", [None, "old"])
def test_a_power_cut_leaves_the_old_file_or_the_new(tmp_path: Path, before: str | None) -> None:
    """run.json could be empty: its content was never synced, and without it no run can be resumed."""

    def outcome_of(folder: Path) -> str | None:
        path = folder / "run.json"
        return path.read_text(encoding="utf-8") if path.exists() else None

    disk = tmp_path / "disk"
    disk.mkdir()
    if before is not None:
        (disk / "run.json").write_text(before)
    cuts = PowerCuts(disk)
    with cuts.recorded():
        replace_file(disk / "run.json", "new")
    assert outcome_of(restored(cuts.certain, tmp_path / "certain")) == "new"
    outcomes = {outcome_of(restored(state, tmp_path / f"cut{i}")) for i, state in enumerate(cuts.states)}
    assert outcomes == {before, "new"}


def test_the_double_loses_what_was_not_synced(tmp_path: Path) -> None:
    """A save without syncs, as it must not be: the new name may stand for an empty file."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a").write_text("old")
    cuts = PowerCuts(disk)
    with cuts.recorded():
        (disk / "b").write_text("new")
        (disk / "b").replace(disk / "a")
    contents = [dict(state).get("a") for state in cuts.states]
    assert cuts.certain == {("a", b"old")} and set(contents) == {b"old", b"", b"new"}
