"""The program of a client that has imported everything, and forks a process for each call.

Nothing of a call outlives it: no thread that still waits, no connection, no cache. A call with here=FOLDER has the
Hub's cache there; one with hasty=True has short deadlines and pauses, as `hasten` sets them; kill_after=SECONDS kills
it then by SIGKILL.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.hub_client import outcome_of, recorded_warnings

LIMIT_SECONDS = 120.0
"""After that a hasty call counts as hanging,"""
PATIENT_SECONDS = 600.0
"""and after that any other, on a machine that does much else."""
OPERATION_SECONDS = 3
KILLED = "killed"
IMPORTED = (
    "matplotlib.pyplot", "hubcharlstm.export.html_page", "training.commands", "training.jobs", "training.pipeline",
    "training.publishing.space", "training.publishing.static_space",
)  # fmt: skip
"""What a call would import anew, and take seconds for."""


def hasten() -> None:
    """Divide the pauses of library and client by 40 and shorten their deadlines to about a second."""
    from huggingface_hub import constants

    from hubcharlstm.hub import download, retry, upload
    from training import jobs

    sleep = time.sleep
    time.sleep = lambda seconds: sleep(seconds / 40)  # type: ignore[assignment]  # the same but for its name
    os.environ[retry.TIMEOUT_VARIABLE] = str(OPERATION_SECONDS)
    upload.PAUSES, download.PAUSES = (0.02, 0.1), (0.02, 0.1)
    upload.ANSWER_SECONDS = download.ANSWER_SECONDS = jobs.ANSWER_SECONDS = 1.2
    upload.CREATE_SECONDS = download.STALL_SECONDS = 1.5
    download.STALL_SECONDS_BESIDE_COPY = 1.0
    for name in ("DEFAULT_REQUEST_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"):
        setattr(constants, name, 1)


def settle(here: str) -> None:
    """Take `here` for all that a call leaves on the disk, and fixed names for what has random ones."""
    from types import SimpleNamespace

    from huggingface_hub import constants

    from training import jobs

    constants.HF_HUB_CACHE = f"{here}/hub"
    os.environ["HF_XET_CACHE"] = f"{here}/xet"
    temporary = f"{here}/tmp"
    Path(temporary).mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = temporary
    vars(jobs)["run_name"] = lambda run: run.name  # else with a hash of its path
    vars(jobs)["secrets"] = SimpleNamespace(token_hex=lambda count: "a1" * count)


def respond(call: dict[str, Any]) -> dict[str, Any]:
    hasty, here = call["kwargs"].pop("hasty", False), call["kwargs"].pop("here", None)
    if here:
        settle(here)
    if hasty:
        hasten()
    warned = recorded_warnings()
    return outcome_of(call) | {"warned": warned}


def serve() -> None:
    import torch

    for name in IMPORTED:
        importlib.import_module(name)
    torch.set_num_threads(1)  # threads of OpenMP do not survive a fork
    for line in sys.stdin:
        call = json.loads(line)
        kill_after = call["kwargs"].pop("kill_after", None)
        answer = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  # closed below, in each of both
        child = os.fork()
        if child == 0:
            code = 1
            try:
                answer.write(json.dumps(respond(call)))
                answer.flush()
                code = 0
            finally:
                os._exit(code)
        limit = LIMIT_SECONDS if call["kwargs"].get("hasty") else PATIENT_SECONDS
        end = time.monotonic() + (limit if kill_after is None else kill_after)
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done or time.monotonic() > end:
                break
            time.sleep(0.002)
        if not done:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        ended = f"status {status}" if status else ""
        if not done:
            ended = "it hangs" if kill_after is None else KILLED
        failure = {"error": ended, "kinds": ["Dead"], "warned": [], "seconds": LIMIT_SECONDS}
        with answer:
            answer.seek(0)
            print(json.dumps(failure) if ended else answer.read(), flush=True)


if __name__ == "__main__":
    serve()
