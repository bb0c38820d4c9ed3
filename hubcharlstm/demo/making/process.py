"""One run of `python -m training` in a process of its own: started, awaited, stopped, killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch

from hubcharlstm.decoding.cores import available_cores

CHILD = Path(__file__).with_name("child.py")
PACKAGES = Path(__file__).parents[3]
"""The folder that holds the packages `hubcharlstm` and `training`, the very ones that the server runs."""
MEMORY_BYTES = 6 * 2**30
"""Of addresses, of which a training uses a third; a process with a GPU reserves far more, and gets no bound."""
MAX_THREADS = 4
POLL_SECONDS = 0.1
STOP_SECONDS = 60.0
"""In which a training that was asked to stop saves what it has; then it is killed."""
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|OAUTH|AUTH", re.IGNORECASE)
ANSWER, ERRORS = "process.out", "process.err"
"""Beside the text, whose name is its owner's choice and ends with `.txt`."""


class TrainerProcess:
    """A process in a group of its own. folder: gets its standard output and its errors."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder = process, folder
        self._is_killed = False

    @classmethod
    def start(cls, arguments: Sequence[str], folder: Path) -> Self:
        """Start `python -m training` with these arguments, in `folder`."""
        memory = 0 if torch.cuda.is_available() else MEMORY_BYTES
        command = [sys.executable, "-P", str(CHILD), str(memory), *arguments]
        with (folder / ANSWER).open("wb") as answer, (folder / ERRORS).open("wb") as errors:
            process = subprocess.Popen(
                command, cwd=folder, env=child_environment(os.environ), stdin=subprocess.PIPE, stdout=answer,
                stderr=errors, start_new_session=True,
            )  # fmt: skip
        return cls(process, folder)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self, seconds: float) -> int | None:
        """The exit code, None after `seconds`."""
        deadline = time.monotonic() + seconds
        while (code := self._process.poll()) is None and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        if code is not None:
            self.kill()  # whatever else is in its group
        return code

    def request_stop(self) -> None:
        """Ask it to stop as Ctrl-C does: it saves what it has."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process and its group at once, and release what belongs to it."""
        if self._is_killed:  # its number may be another group's by now
            return
        self._is_killed = True
        with contextlib.suppress(ProcessLookupError):  # the group has ended by itself
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def answer(self) -> str:
        """What it has printed."""
        return (self._folder / ANSWER).read_text(encoding="utf-8", errors="replace")

    def error(self) -> str:
        """The sentence of its error, "" if it printed none."""
        lines = (self._folder / ERRORS).read_text(encoding="utf-8", errors="replace").splitlines()
        found = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return found[-1] if found else ""


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """That of a training: this copy of the packages, bounded threads, no network, and nothing secret."""
    inherited = {name: value for name, value in environment.items() if not SECRET.search(name)}
    paths = [str(PACKAGES), *filter(None, [environment.get("PYTHONPATH")])]
    threads = str(min(MAX_THREADS, available_cores()))
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "GOMP_SPINCOUNT": "1000",
        "HF_HUB_OFFLINE": "1",
    }
