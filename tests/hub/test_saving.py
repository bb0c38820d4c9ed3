"""A save replaces the files of a model together, and touches nothing else in or around its folder."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.hub import model_folder, staging
from hubcharlstm.hub.model_folder import MODEL_FILES
from hubcharlstm.hub.staging import LOCK, MANIFEST, STAGING, replace_files
from tests.conftest import tiny_model

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its saves")
OTHER_VOCABULARY = Vocabulary.from_text("another alphabet, 0123456789\n")


def other_model() -> CharLSTM:
    """Another vocabulary, other sizes, no record."""
    return tiny_model(OTHER_VOCABULARY, hidden_size=16, num_layers=1, seed=5)


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time of change and content of every file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- only the model's files --------------------------------------------------------------------------------------


def test_a_save_into_the_working_directory_leaves_the_process_in_it(
    model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole folder was swapped: afterwards relative paths went to a folder that had been deleted."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    inode = Path().stat().st_ino
    model.save_pretrained(".")
    Path("after.txt").write_text("still here")
    assert (tmp_path / "work" / "after.txt").read_text() == "still here"
    assert (tmp_path / "work").stat().st_ino == inode
    assert CharLSTM.from_pretrained(".").fingerprint == model.fingerprint


def test_a_log_that_is_open_in_the_folder_keeps_its_later_lines(model: CharLSTM, tmp_path: Path) -> None:
    """The log was copied and the copy put in its place: lines written to the open one went nowhere."""
    folder = tmp_path / "model"
    folder.mkdir()
    with (folder / "train.log").open("w") as log:
        log.write("before\n")
        log.flush()
        model.save_pretrained(folder)
        log.write("after\n")
    assert (folder / "train.log").read_text() == "before\nafter\n"


def test_what_else_lies_in_the_folder_is_not_touched(model: CharLSTM, tmp_path: Path) -> None:
    """A clone of a repository had its `.git` and all data copied at every save."""
    folder = tmp_path / "clone"
    for name in (".git/objects/ab/cdef", ".git/HEAD", "data/large.bin", "notes.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 100)
    (folder / "linked").symlink_to(folder / "data")
    before, folders = snapshot(folder), {path: path.stat().st_ino for path in (folder, folder / ".git")}
    model.save_pretrained(folder)
    other_model().save_pretrained(folder)
    after = snapshot(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) < set(MODEL_FILES)
    assert {path: path.stat().st_ino for path in folders} == folders
    assert (folder / "linked").is_symlink()


def test_nothing_beside_the_folder_is_touched(model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount point cannot be renamed and has no writable parent: every rename must stay within the folder."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    renames: list[Path] = []
    replace = os.replace

    def spy(source: Path, target: Path) -> None:
        renames.extend((Path(source), Path(target)))
        replace(source, target)

    monkeypatch.setattr(os, "replace", spy)
    changed = tmp_path.stat().st_mtime_ns
    model.save_pretrained(folder)
    assert renames and all(path.is_relative_to(folder) for path in renames)
    assert tmp_path.stat().st_mtime_ns == changed
    assert [path.name for path in tmp_path.iterdir()] == ["mounted"]


@needs_fork
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user to become")
def test_a_folder_whose_parent_is_read_only_takes_a_save(model: CharLSTM) -> None:
    """It failed: the new folder was made beside the old one. As nobody, since root may write everywhere."""
    parent = Path("/tmp") / f"hubcharlstm-parent-{os.getpid()}"  # pytest's own folders are closed to others
    folder = parent / "model"
    folder.mkdir(parents=True)
    os.chown(folder, 65534, 65534)
    parent.chmod(0o555)
    try:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgid(65534)
                os.setuid(65534)
                assert not os.access(parent, os.W_OK)
                model.save_pretrained(folder)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert CharLSTM.from_pretrained(folder).fingerprint == model.fingerprint
    finally:
        parent.chmod(0o755)
        shutil.rmtree(parent)


def test_a_model_file_that_is_a_link_is_replaced_and_its_target_is_not(model: CharLSTM, tmp_path: Path) -> None:
    """A snapshot of the Hub's cache is made of links to blobs that other snapshots share."""
    model.save_pretrained(tmp_path / "blobs")
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (folder / path.name).symlink_to(path)
    before = snapshot(tmp_path / "blobs")
    other_model().save_pretrained(folder)
    assert snapshot(tmp_path / "blobs") == before
    assert CharLSTM.from_pretrained(folder).fingerprint == other_model().fingerprint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs special files")
def test_special_files_and_holes_stay_as_they_are(model: CharLSTM, tmp_path: Path) -> None:
    """All files were copied: holes were filled, hard links parted, and a pipe blocked the save."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "note").write_text("mine")
    os.link(tmp_path / "note", tmp_path / "same")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(2**30)
    before = {path.name: path.lstat() for path in tmp_path.iterdir()}
    model.save_pretrained(tmp_path)
    for name, status in before.items():
        now = (tmp_path / name).lstat()
        assert (now.st_ino, now.st_mode, now.st_nlink, now.st_blocks, now.st_mtime_ns) == (
            status.st_ino, status.st_mode, status.st_nlink, status.st_blocks, status.st_mtime_ns,
        ), name  # fmt: skip


# --- failures and concurrency -----------------------------------------------------------------------------------


def test_a_save_that_fails_before_its_commit_leaves_the_old_files(tmp_path: Path) -> None:
    def fails(into: Path) -> None:
        (into / "a").write_text("new")
        raise OSError("disk full")

    folder = tmp_path / "model"
    with pytest.raises(OSError, match="disk full"):
        replace_files(folder, fails, owned=("a",))
    assert list(tmp_path.iterdir()) == []
    replace_files(folder, lambda into: (into / "a").write_text("old") and None, owned=("a",))
    with pytest.raises(OSError, match="disk full"):
        replace_files(folder, fails, owned=("a",))
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert (folder / "a").read_text() == "old"


def test_a_disk_that_is_full_from_any_call_on_leaves_the_old_model_or_the_new(model: CharLSTM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "old")
    prints = {model.fingerprint: "old", other_model().fingerprint: "new"}
    writing = [(os, "replace"), (os, "mkdir"), (os, "fsync"), (Path, "write_text"), (Path, "write_bytes")]
    found = []
    for number in itertools.count(1):
        folder, calls = tmp_path / str(number), itertools.count(1)
        shutil.copytree(tmp_path / "old", folder)

        def full(call: Any, number: int = number, calls: Iterator[int] = calls) -> Any:
            def wrapper(*args: Any, **options: Any) -> Any:
                if next(calls) >= number:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return call(*args, **options)

            return wrapper

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (*writing, (model_folder, "save_file")):
                patch.setattr(owner, name, full(getattr(owner, name)))
            try:
                other_model().save_pretrained(folder, extra_files={"loss.png": b"plot"})
                break
            except OSError as error:
                assert error.errno == errno.ENOSPC
        found.append(prints[CharLSTM.from_pretrained(folder).fingerprint])
        model.save_pretrained(folder)
        assert CharLSTM.from_pretrained(folder).fingerprint == model.fingerprint
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert found == sorted(found, key=["old", "new"].index), "once new it stays new"
    assert set(found) == {"old", "new"} and len(found) > 20


def test_a_folder_in_the_way_of_a_file_is_refused_before_anything_changes(model: CharLSTM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").mkdir()
    before = snapshot(tmp_path)
    with pytest.raises(ValueError, match=r"README\.md is a folder"):
        other_model().save_pretrained(tmp_path)
    assert snapshot(tmp_path) == before


def test_two_who_save_at_once_take_turns(model: CharLSTM, tmp_path: Path) -> None:
    """And who loads meanwhile gets one of both, whole."""
    models = [model, other_model()]
    prints = {one.fingerprint for one in models}
    model.save_pretrained(tmp_path)
    failures: list[BaseException] = []

    def save_often(one: CharLSTM) -> None:
        try:
            for _ in range(8):
                one.save_pretrained(tmp_path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=save_often, args=(one,)) for one in models]
    for thread in threads:
        thread.start()
    loads = 0
    while any(thread.is_alive() for thread in threads):
        assert CharLSTM.from_pretrained(tmp_path, device="cpu").fingerprint in prints
        loads += 1
    for thread in threads:
        thread.join()
    assert not failures and loads
    assert {path.name for path in tmp_path.iterdir()} < set(MODEL_FILES)


def test_a_load_finds_the_files_that_a_save_adds_meanwhile(
    model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files were listed once: a save with a record, over one without, loaded as the new model without its record."""
    model.save_pretrained(tmp_path)
    model.record = {"seconds": 1.0}
    load_json, saves = model_folder.load_json, [model]

    def save_first(path: Path) -> dict[str, Any]:
        if saves:
            saves.pop().save_pretrained(tmp_path)
        return load_json(path)

    monkeypatch.setattr(model_folder, "load_json", save_first)
    assert CharLSTM.from_pretrained(tmp_path).record == {"seconds": 1.0}


def test_a_save_waits_for_another_only_so_long(
    model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(staging, "LOCK_SECONDS", 0.1)
    with FileLock(tmp_path / LOCK), pytest.raises(ValueError, match="Another process has been saving"):
        model.save_pretrained(tmp_path)


@pytest.mark.parametrize("manifest", ["", "{}", '["../config.json"]', '[""]', '["a/b"]', "[1]", '[".hidden"]'])
def test_a_manifest_that_somebody_else_wrote_is_none(model: CharLSTM, model_folder: Path, manifest: str) -> None:
    """A folder may come from anywhere: no name in it leads out of it."""
    (model_folder / STAGING).mkdir()
    (model_folder / STAGING / MANIFEST).write_text(manifest)
    assert CharLSTM.from_pretrained(model_folder).fingerprint == model.fingerprint
