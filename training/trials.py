"""The runs of a sweep while they train: processes of this machine or Jobs, some at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hubcharlstm.decoding.cores import available_cores
from hubcharlstm.hub.model_folder import CHECKPOINT
from hubcharlstm.hub.retry import is_transient
from training import jobs
from training.job_request import parse_request
from training.run_folder import TICKET, is_finished
from training.run_settings import RUN_JSON
from training.signals import stop_on_signal

PACKAGES = Path(__file__).parents[1]
POLL_SECONDS, JOB_POLL_SECONDS = 0.2, 5.0
STOP_SECONDS = 60.0
"""In which a run that was asked to stop saves what it has; then it is killed."""


@dataclass(frozen=True)
class Trial:
    """One run of a sweep. settings: option -> value. words: of `fit`, after the corpus."""

    name: str
    settings: Mapping[str, str]
    seed: int
    run: Path
    corpus: str
    words: tuple[str, ...] = field(repr=False)

    @property
    def fit_words(self) -> list[str]:
        """What begins it."""
        return ["fit", self.corpus, "--out", str(self.run), *self.words]


class ActiveTrial(Protocol):
    """A trial that has been started."""

    def poll(self) -> str | None:
        """None while it trains, then "" or why it failed."""

    def stop(self) -> None:
        """Ask it to stop with a checkpoint, or let it go on elsewhere."""


class ProcessTrial:
    """A trial as `python -m training` in a process of its own; what it prints goes to `log`."""

    def __init__(self, trial: Trial, log: Path, *, threads: int) -> None:
        if not (trial.run / CHECKPOINT).is_dir():  # it has not come to its first step, and begins again
            (trial.run / RUN_JSON).unlink(missing_ok=True)
            words = trial.fit_words
        else:
            words = ["resume", str(trial.run)]
        log.parent.mkdir(parents=True, exist_ok=True)
        paths = os.pathsep.join([str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {"OMP_NUM_THREADS": str(threads), **os.environ, "PYTHONPATH": paths, "PYTHONUTF8": "1"}
        self.log, self.deadline = log, float("inf")
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "training", *words], env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def poll(self) -> str | None:
        code = self.process.poll()
        if code is None:
            if time.monotonic() >= self.deadline:
                self.process.kill()
            return None
        if code == 0:
            return ""
        lines = [line for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (errors or lines or [f"It ended with code {code}"])[-1]

    def stop(self) -> None:
        self.deadline = time.monotonic() + STOP_SECONDS
        self.process.send_signal(signal.SIGINT)


class JobTrial:
    """A trial as a Job; the ticket in its run folder outlives this process."""

    def __init__(self, trial: Trial, machine: Mapping[str, Any]) -> None:
        self.run, self.next_poll, self.is_detached = trial.run, 0.0, False
        if (trial.run / TICKET).is_file():
            self.ticket = jobs.JobTicket.load(trial.run)
            if (stage := jobs.stage_of(self.ticket)) not in jobs.ENDED:
                return
            with contextlib.suppress(jobs.NothingStoredError):  # it begins again
                jobs.finish(self.ticket, trial.run, stage)
            if is_finished(trial.run):
                return
        if (trial.run / CHECKPOINT).is_dir():
            self.ticket = jobs.start(parse_request(["resume", str(trial.run)]), **machine)
            return
        shutil.rmtree(trial.run, ignore_errors=True)
        self.ticket = jobs.start(parse_request(trial.fit_words), **machine)

    def poll(self) -> str | None:
        now = time.monotonic()
        if self.is_detached or is_finished(self.run):
            return ""
        if now < self.next_poll:
            return None
        self.next_poll = now + JOB_POLL_SECONDS
        try:
            stage = jobs.stage_of(self.ticket)
            if stage not in jobs.ENDED:
                return None
            jobs.finish(self.ticket, self.run, stage)
        except ValueError as error:
            if is_transient(error):  # the Job trains on while the Hub is away
                print(f"note: {error}", flush=True)
                return None
            return str(error)
        return "" if is_finished(self.run) else f"The Job {self.ticket.url} ended before its training did"

    def stop(self) -> None:
        self.is_detached = True


def run_all(
    trials: Sequence[Trial], start: Callable[[Trial], ActiveTrial], *, processes: int, on_end: Callable[[Trial], object]
) -> tuple[dict[str, str], bool]:
    """Run those that are not finished; returns why some failed, by name, and whether a signal has stopped the rest.

    on_end: called when a trial has ended.
    """
    pending = [trial for trial in trials if not is_finished(trial.run)]
    running: dict[str, tuple[Trial, ActiveTrial]] = {}
    errors: dict[str, str] = {}
    with stop_on_signal(patient=True) as stop:
        is_stopping = False
        while running or (pending and not stop.requested):
            while pending and len(running) < processes and not stop.requested:
                trial = pending.pop(0)
                try:
                    running[trial.name] = trial, start(trial)
                except ValueError as refusal:
                    errors[trial.name] = str(refusal)
                    on_end(trial)
            if stop.requested and not is_stopping:
                is_stopping = True
                for _, active in running.values():
                    active.stop()
            for name, (trial, active) in list(running.items()):
                if (error := active.poll()) is not None:
                    del running[name]
                    if error and not is_finished(trial.run) and not is_stopping:
                        errors[name] = error
                    on_end(trial)
            time.sleep(POLL_SECONDS)
        return errors, stop.requested


def start_processes(logs: Path, processes: int) -> Callable[[Trial], ActiveTrial]:
    """A starter of trials that share the cores of this machine."""
    threads = max(1, available_cores() // processes)
    return lambda trial: ProcessTrial(trial, logs / f"{trial.name}.txt", threads=threads)
