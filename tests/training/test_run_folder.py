"""The folder of a run: new, in use, read-only, full."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import training.preflight
from tests.support import tiny_runs
from tests.support.training_cli import ROOT, TEXT, TINY, refused
from training.__main__ import main
from training.run_folder import LOCK, check_new, remove_litter, run_lock


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user without rights: root may write everywhere, whatever a folder's mode says."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_out_that_cannot_be_written_is_refused(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in (f"{corpus}/run", "/dev/null/run", "/proc/run"):
        assert "cannot be read or written" in refused(["fit", str(corpus), "--out", out, *TINY], capsys)
    assert "exists already" in refused(["fit", str(corpus), "--out", str(corpus)], capsys)
    assert corpus.read_text(encoding="utf-8") == TEXT


def test_a_run_is_never_overwritten(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished / "model" / "model.safetensors").read_bytes()
    shown = refused(["fit", "macbeth", "--out", str(finished)], capsys)
    assert f"-m training resume '{finished}'`" in shown
    assert "choose another --out" in shown
    assert (finished / "model" / "model.safetensors").read_bytes() == before


def test_a_run_trains_in_the_folder_it_is_called_from(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main(["fit", f"../{corpus.name}", "--out", ".", "--max-train-chars", "100", *TINY]) == 0
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [
        ".lock",
        "checkpoint",
        "metrics.jsonl",
        "model",
        "run.json",
        "snapshots.jsonl",
        "status.json",
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no such users")
def test_a_run_folder_that_may_only_be_read_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        place, run = Path(name), Path(name) / "run"
        shutil.copytree(finished, run)
        settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
        shutil.copy(settings["source"]["corpus"], place / "text.txt")
        settings["source"]["corpus"] = str(place / "text.txt")
        (run / "run.json").write_text(json.dumps(settings), encoding="utf-8")
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        for path in (place, *place.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            with nobody():
                with pytest.raises(PermissionError):
                    (run / "file").touch()
                shown = [
                    refused(argv, capsys)
                    for argv in (
                        ["resume", str(run)],
                        [
                            "fit",
                            str(place / "text.txt"),
                            "--max-train-chars",
                            "100",
                            *TINY,
                            "--out",
                            str(place / "new"),
                        ],
                    )
                ]
        finally:
            for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
                folder.chmod(0o755)
        assert all("cannot be read or written (Permission denied)" in line for line in shown), shown
        assert str(run) in shown[0] and str(place / "new") in shown[1]
        assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        assert not (place / "new").exists()


def test_a_run_within_its_own_corpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its files became a part of the text, so that it could never be resumed; and "empty it" was the advice."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(TEXT)
    for corpus, out in (("texts", "texts"), ("texts", "texts/runs/a"), ("texts/**/*.*", "texts/runs/a")):
        shown = refused(["fit", str(tmp_path / corpus), "--out", str(tmp_path / out), *TINY], capsys)
        assert "lies in the corpus" in shown and "choose another --out" in shown and "empty" not in shown
    file = str(tmp_path / "texts" / "a.txt")
    assert "a new folder: choose another --out" in refused(["fit", file, "--out", file], capsys)
    assert [path.name for path in (tmp_path / "texts").iterdir()] == ["a.txt"]


def test_a_run_that_began_while_another_looked_at_its_text_is_left_alone(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both had found the folder empty; the one that came second would have written over a short run."""
    fit = ["fit", str(corpus), "--out", str(tmp_path / "run"), "--max-train-chars", "100", *TINY]
    measure = training.preflight.measure_baselines

    def slowly(*args: Any) -> Any:
        monkeypatch.undo()
        assert main(fit) == 0
        return measure(*args)

    monkeypatch.setattr("training.preflight.measure_baselines", slowly)
    assert "exists already" in refused(fit, capsys)
    assert main(["resume", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize("at", ["checkpoint", "model"])
def test_a_disk_that_fills_up_leaves_the_last_checkpoint_whole(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The disk is full from the fourth file of weights on; resumed with room, the run ends as an unbroken one."""
    out, unbroken = corpus.parent / "run", corpus.parent / "unbroken"
    argv = ["fit", str(corpus), "--max-train-chars", "3000", *TINY, "--out"]
    assert main([*argv, str(unbroken)]) == 0
    module = {"checkpoint": "training.checkpoint", "model": "hubcharlstm.hub.model_folder"}[at]
    save, seen = sys.modules[module].save_file, []

    def full(tensors: object, path: Path, *rest: object, **named: object) -> None:
        seen.append(path)
        if len(seen) >= 4:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save(tensors, path, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.save_file", full)
        shown = refused([*argv, str(out)], capsys)
    assert "No space left on device" in shown and "free some space" in shown
    assert main(["resume", str(out)]) == 0
    assert not [path for path in out.iterdir() if path.name.startswith(".") and path.name != LOCK]
    for name in ("model/model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = load_file(out / name), load_file(unbroken / name)
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_folder_in_use_by_another_run_is_left_alone(tmp_path: Path) -> None:
    tiny_runs.run(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with run_lock(tmp_path / "run"), pytest.raises(ValueError, match=r"in use by another run; expected .*--out"):
        tiny_runs.run(tmp_path / "run", resume=True)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with run_lock(tmp_path / "run"):  # it is free again
        pass


def test_the_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    """A run that is killed leaves its lock file, which must keep nobody out."""
    script = (
        "import sys, time; from pathlib import Path; from training.run_folder import run_lock\n"
        "with run_lock(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
        with pytest.raises(ValueError, match="in use by another run"), run_lock(tmp_path):
            pass
        holder.kill()
    with run_lock(tmp_path):
        pass
    check_new(tmp_path)  # the lock file is no run


def test_a_disk_that_is_full_before_the_first_checkpoint_leaves_a_folder_for_fit(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`resume` said "start a new run with fit", and `fit` in the same folder said "continue the run by resume"."""
    out = tmp_path / "run"
    command = ["fit", str(corpus), "--out", str(out), "--max-train-chars", "100", *TINY]

    def full(*args: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.checkpoint.save_file", full)
        assert "expected a place with room" in refused(command, capsys)
    assert (out / "run.json").exists()
    assert "start a new run with fit" in refused(["resume", str(out)], capsys)
    assert main(command) == 0
    shutil.rmtree(out / "checkpoint")
    shown = refused(command, capsys)
    assert "has no checkpoint to continue from: delete the folder, or choose another --out" in shown


def test_what_a_killed_process_was_writing_is_removed(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each SIGKILL during a checkpoint left a folder `.checkpoint.X.new` of the checkpoint's size for ever."""
    out = tmp_path / "run"
    for name in (".checkpoint.0123abcd.new", ".checkpoint.0123abcd.old", "checkpoint", ".checkpoint.mine.new"):
        (out / name).mkdir(parents=True)
        (out / name / "tensors.safetensors").write_bytes(b"x")
    remove_litter(out)
    assert sorted(path.name for path in out.iterdir()) == [".checkpoint.mine.new", "checkpoint"]
    (out / "checkpoint").rename(out / ".checkpoint.0123abcd.old")  # where folders cannot be exchanged: the only one
    remove_litter(out)
    assert (out / ".checkpoint.0123abcd.old").exists()

    new = tmp_path / "new"
    (new / ".checkpoint.0123abcd.new").mkdir(parents=True)
    (new / ".run.json.new").write_text("half")
    assert main(["fit", str(corpus), "--out", str(new), "--max-train-chars", "100", *TINY]) == 0
    assert not (new / ".checkpoint.0123abcd.new").exists()
