"""The machine of a Job: carries out what the loopback Hub was asked for, from the wheel alone."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import constants

from tests.support.hub_client import clean_environment
from tests.support.hub_jobs import HubJob
from tests.support.hub_server import Hub

CORPUS, FILES = "/corpus", constants.HF_JOBS_ARTIFACTS_MOUNT_PATH


def install(wheel: Path, folder: Path) -> Path:
    """A folder for PYTHONPATH that holds the wheel's packages and nothing else."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*command, str(wheel)], check=True)
    return folder


class JobMachine:
    """Runs the Jobs of a Hub one by one, each in an empty folder.

    site: of `install`. on_line: called with each line of a Job's log and its process, which it may end.
    """

    def __init__(self, site: Path, folder: Path, *, on_line: Callable[[str, subprocess.Popen[str]], object]) -> None:
        self.site, self.folder, self.on_line = site, folder, on_line
        self.places: list[str] = []

    def __call__(self, hub: Hub, job: HubJob) -> None:
        try:
            code = self.run(hub, job)
        except BaseException as error:
            job.logs.append(f"the machine failed: {error!r}")
            job.stage = "ERROR"
            raise
        job.stage = "CANCELED" if job.cancelled.is_set() else "ERROR" if code else "COMPLETED"
        job.message = f"exit code {code}" if code else None

    def run(self, hub: Hub, job: HubJob) -> int:
        """What uv would run: its dependencies are the wheel, and what is installed for the tests."""
        command = job.spec["command"]
        start = command.index("python", command.index("--python"))
        assert command[:2] == ["uv", "run"] and command[start - 2 : start] == ["--python", "3.11"]
        words = command[start:]
        assert words[:3] == ["python", "-m", "training.job_worker"] and words[3].startswith(FILES)
        folder = self.folder / job.id
        folder.mkdir(parents=True)
        mounted = self._mount(hub, job, folder)
        home = self.folder / "home"
        environment = clean_environment(hub.url, home, token=job.spec["secrets"]["HF_TOKEN"])
        environment |= job.spec["environment"] | {"PYTHONPATH": str(self.site)}
        line = shlex.split(environment["TRAINING_JOB"])
        environment["TRAINING_JOB"] = shlex.join([one.replace(CORPUS, mounted, 1) if one.startswith(CORPUS) else one
                                                     for one in line])  # fmt: skip
        where = "from importlib.util import find_spec as f; print(f('training').origin, f('hubcharlstm').origin)"
        self.places += subprocess.check_output(
            [sys.executable, "-c", where], cwd=folder, env=environment, text=True
        ).split()
        job.stage = "RUNNING"
        process = subprocess.Popen(
            [sys.executable, *words[1:]], cwd=folder, env=environment, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout:
            for output in process.stdout:
                job.logs.append(output.rstrip("\n"))
                self.on_line(output, process)
        return process.wait()

    def _mount(self, hub: Hub, job: HubJob, folder: Path) -> str:
        """Lay the texts out as the volume would show them; returns their folder."""
        mounted = folder / "mounted"
        mounted.mkdir()
        for volume in job.spec.get("volumes", []):
            if volume["type"] == "bucket":
                continue
            files = hub.repos[f"datasets/{volume['source']}"].files(volume["revision"])
            for path, content in files.items():
                if path.startswith(f"{volume['path']}/"):
                    target = mounted / path.removeprefix(f"{volume['path']}/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
        return str(mounted)


def kill(process: subprocess.Popen[str]) -> None:
    """The machine is lost with all that runs there."""
    os.killpg(process.pid, signal.SIGKILL)
