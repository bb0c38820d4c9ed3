"""An app whose Hub is down begins with the shipped model, says so, and takes its own when the Hub is back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.demo.model_source import ModelSource
from tests.support.hub_client import Client, clean_environment
from tests.support.hub_server import Hub

ROOT = Path(__file__).parents[2]


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.01)


def test_what_loads_is_served_and_nothing_is_said(model_folder: Path, model: CharLSTM) -> None:
    source = ModelSource(str(model_folder))
    assert source.model.fingerprint == model.fingerprint
    assert source.notice is None
    assert ModelSource(None).model.name == "the shipped model"
    source.close()


def test_a_model_that_comes_later_takes_over(model: CharLSTM, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()  # not whole yet
    changed: list[CharLSTM] = []
    source = ModelSource(str(folder), on_change=changed.append, first_pause=0.02)
    before = source.model
    assert before.name == "the shipped model"
    assert source.notice is not None and str(folder) in str(source.notice) and str(source.notice).endswith(".")
    stream = before.stream("To be", max_new_tokens=30, seed=1)
    next(stream)
    model.save_pretrained(folder)
    wait_for(lambda: changed)
    assert source.notice is None
    assert [source.model.fingerprint] == [new.fingerprint for new in changed] == [model.fingerprint]
    whole = before.complete("To be", max_new_tokens=30, seed=1).text
    assert whole.endswith("".join(stream))  # what had begun goes on with the model it began with
    source.close()


def test_the_pauses_grow_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    pauses: list[float] = []
    source = ModelSource(str(tmp_path / "model"), first_pause=60.0)
    monkeypatch.setattr(source._closed, "wait", lambda pause: pauses.append(pause) or len(pauses) == 6)
    source._pauses = 5.0, 30.0
    source._retry()
    assert pauses == [5.0, 10.0, 20.0, 30.0, 30.0, 30.0]
    monkeypatch.undo()
    source.close()
    assert source._thread is not None and not source._thread.is_alive()


def test_a_closed_source_asks_no_more(tmp_path: Path, model: CharLSTM) -> None:
    (tmp_path / "model").mkdir()
    source = ModelSource(str(tmp_path / "model"), first_pause=0.05)
    source.close()
    model.save_pretrained(tmp_path / "model")
    time.sleep(0.2)
    assert source.notice is not None


OVER_A_HUB = """
import json, sys, time
from hubcharlstm.demo.model_source import ModelSource

source = ModelSource("user/late", first_pause=0.2, longest_pause=0.2)
print(json.dumps([source.model.name, str(source.notice)]), flush=True)
while source.notice:
    time.sleep(0.01)
print(json.dumps([source.model.name, source.model.fingerprint]), flush=True)
"""


def test_a_space_that_starts_while_the_hub_is_down(hub: Hub, author: Client, tmp_path: Path) -> None:
    pushed = author.call("push", "user/late", 90)
    fault = hub.fail("GET", "/api/models/user/late", status=503, times=99)
    process = subprocess.Popen(
        [sys.executable, "-c", OVER_A_HUB], stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        env=clean_environment(hub.url, tmp_path / "home") | {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        name, notice = json.loads(process.stdout.readline())
        assert name == "the shipped model" and "user/late" in notice
        tries = fault.happened
        hub.faults.remove(fault)
        assert tries >= 1
        assert json.loads(process.stdout.readline()) == ["user/late", pushed["fingerprint"]]
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
