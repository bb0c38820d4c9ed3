"""A disk that fills up while the real trainer works: one sentence, what was saved stays, the next one goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm import CharLSTM
from hubcharlstm.demo.making.storage import ran_out_of_room
from hubcharlstm.demo.words.catalogue import sentence
from tests.support.served import SECONDS, serving, wait_until

ANN, BOB = "a" * 32, "b" * 32
TEXT = "".join(f"Line {n} of a poem, and {'rain' if n % 2 else 'sun'} on the hill.\n" for n in range(120))
MEGABYTE = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # weights may be mapped until they are collected


def fill(folder: Path) -> Path:
    """A file that takes what is left of a disk."""
    path = folder / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="there is no tmpfs")
def test_the_best_so_far_remains_and_the_next_one_trains(
    small_disk: Path, chat_model: CharLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    with serving(chat_model) as served:

        def call(route: str, owner: str, method: str = "POST", **options: Any) -> dict[str, Any]:
            headers = {"x-hubcharlstm-owner": owner}
            answer = httpx.request(method, f"{served.url}/make/{route}", headers=headers, timeout=SECONDS, **options)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        def until(owner: str, *phases: str) -> dict[str, Any]:
            wait_until(lambda: call("state", owner, "GET")["phase"] in phases, seconds=240)
            return call("state", owner, "GET")

        for owner in (ANN, BOB):
            call("text", owner, content=TEXT.encode())
            until(owner, "checked")
        call("start", ANN, json={"seconds": 60, "model": ""})
        wait_until(lambda: bool(list(small_disk.rglob("run/model/config.json"))), seconds=240)
        filler = fill(small_disk)
        state = until(ANN, "ready", "failed")
        assert (state["phase"], state["sentence"]) == ("ready", sentence("make.disk_full_best").as_json())
        assert state["run"]["metrics"], "what was learned is still drawn"
        assert not [path for path in small_disk.rglob(".*") if path.name.endswith((".new", ".old"))]
        fill(small_disk)  # what the trainer had written by halves, and has deleted
        refused = httpx.post(
            f"{served.url}/make/text", content=TEXT.encode(), headers={"x-hubcharlstm-owner": "c" * 32}, timeout=SECONDS
        )
        assert refused.status_code == 507 and "room" in refused.json()["error"]
        filler.unlink()
        call("start", BOB, json={"seconds": 30, "model": ""})
        wait_until(lambda: bool(call("state", BOB, "GET")["run"]["metrics"]), seconds=240)
        call("stop", BOB)
        until(BOB, "ready")


def test_a_full_disk_is_told_by_what_the_trainer_says(tmp_path: Path) -> None:
    assert ran_out_of_room("run/model cannot be read or written (No space left on device); expected room.", tmp_path)
    assert ran_out_of_room("run/model cannot be read or written (File too large); expected room.", tmp_path)
    assert not ran_out_of_room("text.txt holds no character but a: check the file.", tmp_path)
    assert not ran_out_of_room("", tmp_path)
