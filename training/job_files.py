"""The run folder of a Job in its private repository: stored while it trains, fetched when it has ended."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi

from hubcharlstm.errors import HubError
from hubcharlstm.hub import upload
from hubcharlstm.hub.atomic import replace_folder
from hubcharlstm.hub.download import has_listed_hash
from hubcharlstm.hub.guarded_download import guarded_download
from hubcharlstm.hub.messages import to_load_error
from hubcharlstm.hub.model_folder import CHECKPOINT, EPOCHS_IN_RUN, MODEL_IN_RUN
from hubcharlstm.hub.retry import CLIENT_ERRORS, bounded_operation, with_retries
from training.run_folder import is_finished
from training.run_settings import RUN_JSON, RunSettings
from training.tracking import METRICS, SNAPSHOTS, STATUS

KIND = "dataset"
"""The type of the repository: it holds a text and the state of a run, and no model for others."""
RUN = "run/"
FOLDERS = (CHECKPOINT, MODEL_IN_RUN, EPOCHS_IN_RUN)
"""In the order in which they are copied: a checkpoint may be older than the best weights, never newer."""
FILES = (RUN_JSON, METRICS, SNAPSHOTS, STATUS)
STORED = re.compile(rf"run/(?:{'|'.join(map(re.escape, FILES))}|(?:{'|'.join(FOLDERS)})/(?:[\w-]+/)?[\w-][\w.-]*)")
ATTEMPTS = 5

logger = logging.getLogger(__name__)


def store_run(run: Path, repo_id: str, *, token: str | None = None) -> None:
    """Send what has changed in the run folder, also while a run writes there, in one commit.

    Raises `HubError` if the Hub refuses.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name in FOLDERS:
            _copy_folder(run / name, copy / name)
        for name in FILES:
            if (run / name).is_file():
                shutil.copy2(run / name, copy / name)
        files = {f"{RUN}{path.relative_to(copy).as_posix()}": path for path in copy.rglob("*") if path.is_file()}
        upload.push_files(
            repo_id, files, is_owned=lambda path: path.startswith(RUN), commit_message="Store the run",
            repo_type=KIND, token=token,
        )  # fmt: skip


def _copy_folder(source: Path, target: Path) -> None:
    """Copy a folder that may be replaced meanwhile: it is copied again until it is the same before and after."""
    for _ in range(ATTEMPTS):
        if not source.is_dir():
            return
        before = _state(source)
        try:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"))  # what a save under way has staged
        except (OSError, shutil.Error):
            if _state(source) == before:
                raise
        if _state(source) == before:
            return
        shutil.rmtree(target, ignore_errors=True)
    raise HubError(f"{source} changed during {ATTEMPTS} copies; expected it to rest for a moment: store it later.")


def _state(folder: Path) -> list[tuple[str, int, int, int]]:
    """Path, node, time and size of each file: others after any replacement."""
    try:
        stats = [(str(path), path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:  # replaced between the listing and the question
        return []
    return [(path, stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in stats]


def fetch_run(repo_id: str, run: Path, *, token: str | None = None) -> bool:
    """Bring the stored run into the folder `run`, unless that one has gone on since; returns whether one is stored.

    Each file is compared with the hash that the Hub lists. The checkpoint comes last, so that a fetch which breaks off
    leaves a folder that an earlier checkpoint still fits. Raises `HubError` if the Hub does not give it.
    """
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as temporary:
        try:
            with bounded_operation():
                info = with_retries(lambda: api.dataset_info(repo_id, files_metadata=True), pauses=upload.PAUSES)
                stored = [entry for entry in info.siblings or () if entry.rfilename.startswith(RUN)]
                for entry in stored:
                    _fetch(entry, repo_id, str(info.sha), Path(temporary), token)
        except HubError:
            raise
        except CLIENT_ERRORS as error:
            raise to_load_error(error, repo_id) from error
        if not stored:
            return False
        copy = Path(temporary) / RUN
        if _how_far(run) > _how_far(copy):
            logger.warning("%s has gone on here since the Job stored it; it stays as it is.", run)
            return True
        run.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if (copy / name).is_file():
                shutil.copy2(copy / name, run / f".{name}.new")
                (run / f".{name}.new").replace(run / name)
        for name in reversed(FOLDERS):
            if (copy / name).is_dir():
                drop = {path.name for path in (run / name).iterdir()} if (run / name).is_dir() else set()
                replace_folder(run / name, partial(_copy_into, copy / name), drop=drop)
    return True


def _how_far(run: Path) -> tuple[int, bool]:
    """The step of its checkpoint and whether it is finished; a run without a whole checkpoint or record has step -1."""
    try:
        step = int(json.loads((run / CHECKPOINT / "progress.json").read_text(encoding="utf-8"))["step"])
        return step, is_finished(run)
    except (OSError, ValueError, KeyError, TypeError):
        return -1, False


def _copy_into(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)


def _fetch(entry: object, repo_id: str, commit: str, folder: Path, token: str | None) -> None:
    path = str(entry.rfilename)  # type: ignore[attr-defined]  # a RepoSibling
    if not STORED.fullmatch(path) or ".." in PurePosixPath(path).parts:
        raise HubError(
            f"{repo_id} holds {path[:80]!r}; expected the files of a run alone: look at its page, and delete that one."
        )
    with tempfile.TemporaryDirectory() as cache:
        file = with_retries(
            lambda: guarded_download(repo_id, path, revision=commit, repo_type=KIND, token=token, cache_dir=cache),
            pauses=upload.PAUSES,
        )
        if not has_listed_hash(file, entry):
            raise HubError(f"{path} of {repo_id} arrived damaged; expected the bytes that the Hub lists: fetch again.")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / path)


def relocate(run: Path, corpus: str, val: str | None) -> None:
    """Write into run.json where this machine has the texts of the run."""
    settings = RunSettings.load(run)
    source = settings.source.model_copy(update={"corpus": corpus, "val": val})
    settings.model_copy(update={"source": source}).save(run)
