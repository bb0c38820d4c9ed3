"""What others may see of a run: its metrics in a file, a tracker, and the lock on its folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
TRACKERS = ("trackio",)


def write_metrics(run: Path, history: list[dict[str, float]]) -> None:
    """One JSON object a line for each look, replaced as a whole, so that a run that goes on repeats none."""
    unfinished = run / f".{METRICS}.new"
    unfinished.write_text("".join(json.dumps(row) + "\n" for row in history), encoding="utf-8")
    unfinished.replace(run / METRICS)


class Tracker:
    """Rows of metrics to Hugging Face's trackio, which keeps them on this machine."""

    def __init__(self, name: str, run: Path, config: dict[str, Any], *, resume: bool) -> None:
        check_tracker(name)
        import trackio

        self._trackio = trackio
        trackio.init(
            project="hubcharlstm", name=run_name(run), config=config, resume="allow" if resume else "never",
            embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip

    def log(self, row: dict[str, float], step: int) -> None:
        self._trackio.log({name: value for name, value in row.items() if name != "step"}, step=step)

    def finish(self) -> None:
        self._trackio.finish()  # type: ignore[no-untyped-call]


def run_name(run: Path) -> str:
    """The folder's name with a mark of its path: a run is resumed by its name, and many folders have the same."""
    path = run.resolve()
    return f"{path.name}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:6]}"


def check_tracker(name: str) -> None:
    """Raise `ValueError` unless the tracker is known and installed."""
    if name not in TRACKERS:
        raise ValueError(f"The tracker {name!r} is unknown; expected one of {', '.join(TRACKERS)}: pick one.")
    try:
        import trackio  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "trackio":
            raise
        raise ValueError(
            "The package trackio is not installed; expected it for --tracker trackio: "
            "run `pip install -c constraints.txt -e '.[track]'`, or leave the option out."
        ) from None


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run's folder, which must exist; `ValueError` if another run does. Ends with the process, too."""
    try:
        import fcntl
    except ModuleNotFoundError:  # a system without such locks
        yield
        return
    folder = os.open(run, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{run} is in use by another run; expected it to be free: wait for that one to end, or choose another "
                "--out."
            ) from None
        yield
    finally:
        os.close(folder)
