"""A training is a process with bounds, which nothing outlives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

pytest.importorskip("gradio")

from hubcharlstm.demo.making.process import MEMORY_BYTES, TrainerProcess, child_environment
from tests.support.served import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes have no groups there")

PARENT = """
import sys, time
from pathlib import Path
from hubcharlstm.demo.making import process
process.PACKAGES = Path(sys.argv[1])
process.TrainerProcess.start(["fit", "text.txt"], Path(sys.argv[2]))
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def start(folder: Path, text: str) -> TrainerProcess:
    (folder / "text.txt").write_text(text)
    process = TrainerProcess.start(["fit", "text.txt"], folder)
    wait_until(lambda: (folder / "run" / "metrics.jsonl").exists())
    return process


def test_its_priority_is_low_its_threads_are_bounded_and_it_knows_no_token(
    stub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    process = start(tmp_path, "HANG")
    try:
        assert psutil.Process(process.pid).nice() == 15 and os.getpgid(process.pid) == process.pid
        *_, threads, token = json.loads((tmp_path / "run" / "arguments").read_text())
        assert 1 <= int(threads) <= 4 and token is None
        if sys.platform == "linux":
            assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE)[0] == 2**30
            memory = psutil.RLIM_INFINITY if torch.cuda.is_available() else MEMORY_BYTES
            assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_AS)[0] == memory
    finally:
        process.kill()
    assert not is_running(process.pid)


def test_secrets_stay_here() -> None:
    secret = {"HF_TOKEN": "1", "HUGGING_FACE_HUB_TOKEN": "1", "OAUTH_CLIENT_SECRET": "1", "HUBCHARLSTM_AUTH": "u:p"}
    environment = child_environment({**secret, "PATH": "/bin"})
    assert not set(secret) & set(environment)
    assert environment["PATH"] == "/bin" and environment["HF_HUB_OFFLINE"] == "1"


def test_a_stopped_training_saves_what_it_has(stub: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "WAIT")
    wait_until(lambda: (tmp_path / "run" / "waits").exists())
    process.request_stop()
    assert asyncio.run(process.wait(20)) == 130
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_a_training_ends_with_its_server_also_when_that_one_is_killed(stub: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("HANG")
    server = subprocess.Popen([sys.executable, "-c", PARENT, str(stub), str(tmp_path)])
    try:
        wait_until(lambda: (tmp_path / "run" / "metrics.jsonl").exists(), seconds=60)
        pid = int((tmp_path / "run" / "pid").read_text())
        assert is_running(pid)
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait(10)
    wait_until(lambda: not is_running(pid))


def test_its_error_is_one_sentence(stub: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("REFUSE")
    process = TrainerProcess.start(["fit", "text.txt", "--dry-run"], tmp_path)
    assert asyncio.run(process.wait(20)) == 2
    assert process.error() == "text.txt holds no character but a: check the file." and process.answer() == ""
