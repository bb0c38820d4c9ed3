"""One visitor's text and what becomes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hubcharlstm.demo.making.limits import file_stem
from hubcharlstm.demo.making.process import TrainerProcess
from hubcharlstm.demo.words.catalogue import Sentence


class Phase(StrEnum):
    """What happens with a text now, or what has happened."""

    CHECKING = "checking"
    CHECKED = "checked"
    QUEUED = "queued"
    TRAINING = "training"
    READY = "ready"
    FAILED = "failed"


@dataclass(eq=False)
class TrainingJob:
    """A text of one owner. begun, ended, seen: monotonic seconds; seen: of the owner's last request.

    seconds: that the training may take. source: the model that it begins with, "" for none. label: of the finished
    model in its owner's menu. sentence: why it failed, or a note on the finished model.
    """

    owner: str
    address: str
    title: str
    chars: int
    folder: Path
    phase: Phase = Phase.CHECKING
    findings: dict[str, Any] | None = None
    sentence: str | Sentence = ""
    seconds: int = 0
    source: str = ""
    label: str = ""
    is_stopped: bool = False
    begun: float = 0.0
    ended: float = 0.0
    seen: float = 0.0
    process: TrainerProcess | None = None
    task: asyncio.Task[None] | None = None

    @property
    def text_file(self) -> Path:
        return self.folder / f"{file_stem(self.title)}.txt"

    @property
    def run(self) -> Path:
        """The run folder of its training."""
        return self.folder / "run"

    @property
    def model_folder(self) -> Path:
        return self.run / "model"

    def elapsed(self, now: float) -> float:
        """Seconds of its training so far."""
        return (self.ended or now) - self.begun if self.begun else 0.0
