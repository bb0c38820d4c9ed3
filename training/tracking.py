"""What a run reports while it trains: metrics, snapshots and status in files, and metrics in a tracker."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METRICS, SNAPSHOTS, STATUS = "metrics.jsonl", "snapshots.jsonl", "status.json"
STATUS_SECONDS = 0.5
"""Between two status files of one phase."""
TRACKERS = ("trackio",)


def write_metrics(run: Path, history: list[dict[str, float]]) -> None:
    """One JSON object per evaluation and line; the file is replaced as a whole, so that a resumed run repeats none."""
    _replace(run / METRICS, "".join(json.dumps(row) + "\n" for row in history))


def write_snapshots(run: Path, prompt: str, snapshots: Sequence[Mapping[str, Any]]) -> None:
    """One JSON object per snapshot of the time-lapse and line, each with the prompt; replaced as a whole."""
    rows = ({**snapshot, "prompt": prompt} for snapshot in snapshots)
    _replace(run / SNAPSHOTS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


class StatusFile:
    """status.json: the phase of a run ("training", "reporting") and how far it has come, for who watches it."""

    def __init__(self, run: Path) -> None:
        self._path = run / STATUS
        self._phase, self._written = "", 0.0

    def write(self, phase: str, values: Mapping[str, Any]) -> None:
        """Replace the file, but within one phase not more than once in `STATUS_SECONDS`."""
        now = time.monotonic()
        if phase == self._phase and now - self._written < STATUS_SECONDS:
            return
        self._phase, self._written = phase, now
        _replace(self._path, json.dumps({"phase": phase, **values}) + "\n")


def _replace(path: Path, content: str) -> None:
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_text(content, encoding="utf-8")
        unfinished.replace(path)
    except OSError:  # a full disk gets back what the half-written file has taken
        unfinished.unlink(missing_ok=True)
        raise


class Tracker:
    """Logs metrics to Hugging Face's trackio, which stores them on this machine."""

    def __init__(self, name: str, run: Path, config: dict[str, Any], *, resume: bool) -> None:
        check_tracker(name)
        import trackio

        self._trackio = trackio
        trackio.init(
            project="hubcharlstm", name=run_name(run), config=config, resume="allow" if resume else "never",
            embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip

    def log(self, row: dict[str, float], step: int) -> None:
        """Log the metrics of an evaluation."""
        self._trackio.log({name: value for name, value in row.items() if name != "step"}, step=step)

    def finish(self) -> None:
        """Write what is buffered."""
        self._trackio.finish()  # type: ignore[no-untyped-call]  # trackio has no annotations here


def run_name(run: Path) -> str:
    """The folder's name with a hash of its path: trackio resumes runs by name, and folders can have the same name."""
    path = run.resolve()
    return f"{path.name}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:6]}"


def check_tracker(name: str) -> None:
    """Raise `ValueError` unless the tracker is known and installed."""
    if name not in TRACKERS:
        raise ValueError(f"The tracker {name!r} is unknown; expected one of {', '.join(TRACKERS)}: pick one.")
    try:
        import trackio  # noqa: F401  # imported to see whether it can be
    except ModuleNotFoundError as error:
        if error.name != "trackio":
            raise
        raise ValueError(
            "The package trackio is not installed; expected it for --tracker trackio: "
            "run `pip install -c constraints.txt -e '.[track]'`, or leave the option out."
        ) from None
