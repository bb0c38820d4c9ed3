"""The run folder of a Job: what goes to its repository, and what comes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hubcharlstm.hub import upload
from hubcharlstm.hub.staging import STAGING
from training import job_files
from training.job_files import STORED, fetch_run, store_run
from training.job_request import parse_request, run_there


@pytest.fixture
def stored(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that holds a finished run."""
    names = [f"run/{path.relative_to(finished).as_posix()}" for path in finished.rglob("[!.]*") if path.is_file()]
    info = SimpleNamespace(sha="0" * 40, siblings=[SimpleNamespace(rfilename=name) for name in names])

    def fetch(entry: Any, repo_id: str, commit: str, folder: Path, token: str | None) -> None:
        target = folder / entry.rfilename
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(finished / entry.rfilename.removeprefix("run/"), target)

    monkeypatch.setattr(job_files, "HfApi", lambda token: SimpleNamespace(dataset_info=lambda *args, **named: info))
    monkeypatch.setattr(job_files, "_fetch", fetch)


@pytest.mark.usefixtures("stored")
def test_a_run_that_has_gone_on_here_is_not_replaced_by_what_its_job_stored(tmp_path: Path) -> None:
    """Who typed `job RUN` once more after `resume RUN` lost what was trained here."""
    assert fetch_run("user/run", tmp_path)
    progress = tmp_path / "checkpoint" / "progress.json"
    before = progress.read_text(encoding="utf-8")
    values = json.loads(before)
    for more, is_replaced in ((1, False), (0, True), (-1, True)):
        changed = json.dumps(values | {"step": values["step"] + more, "seconds": 1.5})
        progress.write_text(changed, encoding="utf-8")
        assert fetch_run("user/run", tmp_path)
        assert progress.read_text(encoding="utf-8") == (before if is_replaced else changed), more


@pytest.mark.usefixtures("stored")
def test_a_model_comes_after_the_settings_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep whose fetch was killed in between took the run for finished, and ended at the missing run.json."""
    replace = job_files.replace_folder

    def killed(folder: Path, *args: Any, **named: Any) -> None:
        if folder.name == "checkpoint":
            raise KeyboardInterrupt
        replace(folder, *args, **named)

    monkeypatch.setattr(job_files, "replace_folder", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch_run("user/run", tmp_path)
    assert (tmp_path / "model" / "training.json").is_file() and (tmp_path / "run.json").is_file()


def test_what_a_save_under_way_has_staged_is_not_stored(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No machine fetched a run with such a file again."""
    run, sent = tmp_path / "run", dict[str, Path]()
    shutil.copytree(finished, run)
    (run / "model" / STAGING).mkdir()
    (run / "model" / STAGING / "config.json").touch()
    monkeypatch.setattr(upload, "push_files", lambda repo_id, files, **named: sent.update(files))
    store_run(run, "user/run")
    assert "run/model/config.json" in sent
    assert [path for path in sent if not STORED.fullmatch(path)] == []


def test_a_run_folder_without_a_name_of_its_own_has_one_in_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--out ..` was the folder in which the Job starts."""
    (tmp_path / "mine" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine")
    names = {".": "mine", "inside/..": "mine", "run": "run", "/": "run"}
    assert {out: run_there(Path(out)) for out in names} == {out: f"runs/{name}" for out, name in names.items()}


def test_a_folder_without_texts_is_no_corpus_of_a_job(tmp_path: Path) -> None:
    """The Job was started, and ended at the empty folder."""
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / ".hidden.txt").write_text("hidden", encoding="utf-8")
    with pytest.raises(ValueError, match="books holds no file that a Job could train on; expected texts"):
        parse_request(["fit", str(tmp_path / "books"), "--out", str(tmp_path / "run")])
