"""The program of a Job: trains by `python -m training`, and stores the run in its repository meanwhile.

It runs from the wheel that `training/jobs.py` sent, as `python -m training.job_worker WHEEL`, and finds its options
in an environment variable.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from hubcharlstm.console import use_utf8
from hubcharlstm.errors import HubError
from hubcharlstm.hub.model_folder import CHECKPOINT
from training.job_files import fetch_run, relocate, store_run
from training.run_folder import is_finished
from training.run_settings import RUN_JSON
from training.signals import stop_on_signal

WORDS_VARIABLE = "TRAINING_JOB"
"""The options, as a shell would take them."""
POLL_SECONDS = 0.2


def parser() -> argparse.ArgumentParser:
    """The options of the program; `jobs.py` writes them."""
    worker = argparse.ArgumentParser(prog="python -m training.job_worker", description=__doc__)
    worker.add_argument("--repository", required=True, help="the private dataset that stores the run")
    worker.add_argument("--run", type=Path, required=True, help="the run folder")
    worker.add_argument("--corpus", required=True, help="where the corpus lies here")
    worker.add_argument("--val", default=None, help="where the held-out text lies here, if it is one of its own")
    worker.add_argument("--seconds", type=float, required=True, help="after which the training stops and is stored")
    worker.add_argument("--store-seconds", type=float, default=600.0, help="between two times that the run is stored")
    worker.add_argument("words", nargs="+", help="fit or resume with what belongs to it")
    return worker


def main() -> int:
    """Train; returns the exit code of the training, 0 also where its time is up and the run is stored."""
    use_utf8()
    options = parser().parse_args(shlex.split(os.environ[WORDS_VARIABLE]))
    deadline = time.monotonic() + options.seconds
    try:
        words = _restored(options)
        code = _train(words, options, deadline)
        store_run(options.run, options.repository)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"The run is stored in {options.repository}.", flush=True)
    return code


def _restored(options: argparse.Namespace) -> list[str]:
    """Bring back what an earlier Job or another machine stored of this run; the words of the command to run."""
    run: Path = options.run
    if not fetch_run(options.repository, run) or not (run / CHECKPOINT).is_dir():
        (run / RUN_JSON).unlink(missing_ok=True)  # a run without a checkpoint begins again
        return list(options.words)
    relocate(run, options.corpus, options.val)
    return ["resume", str(run)]


def _train(words: list[str], options: argparse.Namespace, deadline: float) -> int:
    """Run the command in a process of its own, and store its run again and again; returns its exit code."""
    with stop_on_signal(patient=True) as stop:
        process = subprocess.Popen([sys.executable, "-m", "training", *words])
        asked, stored = False, time.monotonic()
        while (code := process.poll()) is None:
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            if not asked and (stop.requested or now >= deadline):
                asked = True
                process.send_signal(signal.SIGINT)  # it saves a checkpoint between two steps
            if now - stored >= options.store_seconds:
                _try_to_store(options)
                stored = time.monotonic()
    is_out_of_time = asked and not stop.requested and not is_finished(options.run)
    if is_out_of_time and (options.run / CHECKPOINT).is_dir():
        print("The Job's time is up; the run goes on from its checkpoint by `resume`.", flush=True)
        return 0
    return code


def _try_to_store(options: argparse.Namespace) -> None:
    """A Hub that is away for a while must not end the training: the next time may be better."""
    try:
        store_run(options.run, options.repository)
    except HubError as error:
        print(f"note: {error}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
