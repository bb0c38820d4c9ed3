"""What the page shows of a text, as JSON values, and the words for it."""

from __future__ import annotations

import math
from typing import Any

from hubcharlstm.demo.making.job import Phase, TrainingJob
from hubcharlstm.demo.making.limits import MAX_CHARS, MIN_CHARS, TIMES
from hubcharlstm.demo.making.run_status import run_status
from hubcharlstm.demo.words.catalogue import Sentence, as_json, sentence

BOUNDS: dict[str, Any] = {"min_chars": MIN_CHARS, "max_chars": MAX_CHARS, "times": list(TIMES)}


def no_job() -> dict[str, Any]:
    """Of an owner who has given no text."""
    return {"phase": "none", **BOUNDS}


def describe(job: TrainingJob, now: float, queue: dict[str, Any] | None) -> dict[str, Any]:
    """Of a text. queue: how many trainings come before its own, and for how long; None where it does not wait."""
    is_started = job.phase in (Phase.TRAINING, Phase.READY)
    return {
        **BOUNDS,
        "phase": job.phase.value,
        "title": job.title,
        "chars": job.chars,
        "findings": job.findings,
        "sentence": as_json(job.sentence),
        "seconds": job.seconds,
        "is_warm": bool(job.source),
        "elapsed": round(job.elapsed(now), 1),
        "is_stopped": job.is_stopped,
        "label": job.label,
        "queue": queue,
        "run": run_status(job.run) if is_started else None,
    }


def readable(error: str, job: TrainingJob) -> str:
    """An error of the trainer without the names of files, which a visitor has never seen."""
    return error.replace(str(job.text_file), "The text").replace(job.text_file.name, "text")


def why_early(*, is_stopped: bool, is_full: bool) -> Sentence:
    """Of a model whose training did not run to its end."""
    if is_stopped:
        return sentence("make.stopped_best")
    return sentence("make.disk_full_best") if is_full else sentence("make.ended_best")


def why_nothing(error: str, *, is_full: bool, is_late: bool) -> str | Sentence:
    """Of a training that ended without a model. error: what the trainer said, "" for nothing."""
    if is_full:
        return sentence("make.disk_full")
    return error or (sentence("make.training_too_long") if is_late else sentence("make.training_ended"))


def in_words(seconds: float) -> Sentence:
    """A time such as "20 seconds" or "3 minutes"."""
    if seconds < 90:
        return sentence("make.seconds", n=max(10, 10 * math.ceil(seconds / 10)))
    return sentence("make.minutes", n=math.ceil(seconds / 60))
