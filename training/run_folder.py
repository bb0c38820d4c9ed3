"""The folder of a run: new or in use, and the commands that a user types next."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"
TICKET = "job.json"
"""Which Job trains the run, if one does."""
LAUNCHER = ".launcher"
"""Which launcher started the run, if one did."""

CHECKPOINT = "checkpoint"  # as in `hubcharlstm.hub.model_folder`, whose import takes a second
BEFORE_CHECKPOINT = (LOCK, LAUNCHER, "run.json", ".run.json.new")
"""What a run writes before its first checkpoint; a disk that is full by then leaves nothing to resume."""

LITTER = re.compile(r"\.checkpoint\.[0-9a-f]{8}\.(new|old)$")
"""A checkpoint that a killed process was writing, or had replaced."""


def check_new(out: Path) -> None:
    """Raise `ValueError` unless `out` is missing, empty, or of a run that ended before its first checkpoint."""
    if (out / "run.json").exists() and (out / CHECKPOINT).exists():
        hint = f"continue the run by `{resume_command(out)}`, or "
    elif (out / TICKET).exists():
        hint = f"follow its Job by `{training_command()} job {shlex.quote(str(out))}`, or "
    elif out.is_dir() and all(path.name in BEFORE_CHECKPOINT or LITTER.match(path.name) for path in out.iterdir()):
        return
    elif (out / "run.json").exists():
        hint = "its run has no checkpoint to continue from: delete the folder, or "
    elif out.is_dir() and any(path.name not in (LOCK, LAUNCHER) for path in out.iterdir()):
        hint = "empty it, or "
    elif out.exists() and not out.is_dir():
        hint = ""
    else:
        return
    raise ValueError(f"{out} exists already; expected a new folder: {hint}choose another --out.")


def is_finished(run: Path) -> bool:
    """Whether the run has come to its end: the report then has put samples into the record of its model."""
    from hubcharlstm.hub.json_files import load_json
    from hubcharlstm.hub.model_folder import MODEL_IN_RUN, RECORD

    record = run / MODEL_IN_RUN / RECORD
    return record.is_file() and "samples" in load_json(record)


def launcher() -> str:
    """The launcher of this process, "" without one: torchrun's run id, with its process and when that one started.

    torchrun starts the workers of a run anew when one is killed, by the same command.
    """
    run_id = os.environ.get("TORCHELASTIC_RUN_ID")
    if not run_id:
        return ""
    import psutil

    parent = psutil.Process().parent()
    return f"{run_id} {parent.pid} {parent.create_time()}" if parent else ""


def sign(run: Path) -> None:
    """Note in a new run folder which launcher started the run, if one did."""
    if name := launcher():
        (run / LAUNCHER).write_text(name, encoding="utf-8")


def is_restarted(run: Path) -> bool:
    """Whether the run was begun by the launcher of this process, which has started its workers anew."""
    signed = run / LAUNCHER
    return bool(name := launcher()) and signed.is_file() and signed.read_text(encoding="utf-8") == name


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Lock an existing run folder; raises `ValueError` if another run holds it. The lock ends with the process."""
    from filelock import FileLock, Timeout

    lock = FileLock(run / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{run} is in use by another run; expected it to be free: wait for that one to end, or choose another "
            "--out."
        ) from None
    try:
        yield
    finally:
        lock.release()


def remove_litter(run: Path) -> None:
    """Remove what killed processes have left of checkpoints. Needs the lock of the run."""
    for path in run.iterdir():
        found = LITTER.match(path.name)
        if found and (found[1] == "new" or (run / CHECKPOINT).exists()):
            shutil.rmtree(path, ignore_errors=True)


def nearest_folder(path: Path) -> Path:
    """`path` itself or its nearest parent that exists."""
    return next(folder for folder in (path, *path.resolve().parents) if folder.is_dir())


def resume_command(run: Path) -> str:
    """The command line that continues a run."""
    return f"{training_command()} resume {shlex.quote(str(run))}"


def training_command() -> str:
    """How to call the trainer here: `python -m training` takes what has that name in the working directory first."""
    folder, module = Path.cwd() / "training", Path.cwd() / "training.py"
    is_hidden = folder.resolve() != Path(__file__).parent.resolve() if folder.is_dir() else module.is_file()
    return shell_command("hubcharlstm-train") if is_hidden else f"{shell_command('python')} -m training"


def shell_command(name: str) -> str:
    """How to call a program beside this Python: by name if the shell finds it on PATH, else by path."""
    folder = Path(sys.executable).parent
    if str(folder) in os.environ.get("PATH", "").split(os.pathsep):
        return name
    path = folder / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
