"""What a run folder tells of a training while it lasts, as JSON values for the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

METRICS, SNAPSHOTS, STATUS = "metrics.jsonl", "snapshots.jsonl", "status.json"
"""Files of a run folder, each of which `training` replaces as a whole."""


def run_status(run: Path) -> dict[str, Any]:
    """metrics: an object per evaluation. snapshots: of the time-lapse. step, total_steps: how far it has come.

    phase: "starting" before the first step, then "training" and "reporting".
    """
    lines = content_of(run / STATUS).splitlines()
    status = json.loads(lines[0]) if lines else {}
    return {
        "phase": status.get("phase", "starting"),
        "step": status.get("step", 0),
        "total_steps": status.get("total_steps", 0),
        "metrics": [json.loads(line) for line in content_of(run / METRICS).splitlines()],
        # JSON lines end with a line feed alone: a text may hold other characters that `splitlines` breaks at
        "snapshots": [json.loads(line) for line in content_of(run / SNAPSHOTS).split("\n") if line],
    }


def content_of(path: Path) -> str:
    """The content of a file, "" before it is there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
