"""Texts of several browsers over HTTP: any name, turns, tabs that close, a training that does not end."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.making import manager
from hubcharlstm.demo.making.process import CHILD
from hubcharlstm.demo.words.catalogue import sentence
from tests.support.served import SECONDS, Served, wait_until

ANN, BOB = "a" * 32, "b" * 32


class Owner:
    """A browser, by its key."""

    def __init__(self, served: Served, key: str) -> None:
        self._url, self._headers = f"{served.url}/make/", {"x-hubcharlstm-owner": key}

    def ask(self, route: str, **options: Any) -> httpx.Response:
        """The answer of a route; a body makes it a POST."""
        method = "POST" if options else "GET"
        return httpx.request(method, f"{self._url}{route}", headers=self._headers, timeout=SECONDS, **options)

    def call(self, route: str, **options: Any) -> dict[str, Any]:
        answer = self.ask(route, **options)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def until(self, *phases: str) -> dict[str, Any]:
        wait_until(lambda: self.call("state")["phase"] in phases)
        return self.call("state")

    def give(self, what: str = "LEARN", title: str = "my text") -> dict[str, Any]:
        """Have a text checked. what: the stub is to do with it."""
        self.call("text", content=f"{what} {'a line of a text ' * 150}".encode(), params={"title": title})
        return self.until("checked", "failed")

    def train(self, what: str = "LEARN", title: str = "my text") -> dict[str, Any]:
        assert self.give(what, title)["phase"] == "checked"
        return self.call("start", json={"seconds": 30, "model": ""})


def trainings() -> list[psutil.Process]:
    """The processes of trainings that run now."""
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if str(CHILD) in process.cmdline():
                found.append(process)
    return found


@pytest.mark.parametrize("title", ["answer", "errors"])
def test_a_text_may_have_any_name(served: Served, title: str) -> None:
    """What the trainer printed went into answer.txt, over a text that a file of this name was dropped from."""
    ann = Owner(served, ANN)
    state = ann.give(title=title)
    assert (state["phase"], state["findings"] and state["findings"]["chars"]) == ("checked", state["chars"])
    ann.call("start", json={"seconds": 30, "model": ""})
    assert ann.until("ready", "failed")["label"] == f"{title}, made by you"


def test_two_at_once_train_in_turn_and_get_each_their_own(served: Served, tmp_path: Path) -> None:
    ann, bob = Owner(served, ANN), Owner(served, BOB)
    for number, key in enumerate((ANN, BOB)):
        served.identify(f"tab1234{number}", key)
    assert ann.train("WAIT", "of Ann")["phase"] == "training"
    state = bob.train("LEARN", "of Bob")
    assert (state["phase"], state["queue"]["before"]) == ("queued", 1)
    assert state["queue"]["wait"] in [sentence("make.seconds", n=n).as_json() for n in (20, 30, 40)]
    wait_until(lambda: bool(list(tmp_path.rglob("waits"))))
    assert bob.ask("model.zip").status_code == 400 and len(trainings()) == 1
    ann.call("stop", json={})
    for owner, name in ((ann, "of Ann"), (bob, "of Bob")):
        assert owner.until("ready")["label"] == f"{name}, made by you"
        archive = f"charlstm-{name.lower().replace(' ', '-')}.zip"
        assert owner.ask("model.zip").headers["content-disposition"] == f'attachment; filename="{archive}"'
    bob.call("forget", json={})
    assert ann.call("state")["phase"] == "ready" and list(tmp_path.rglob("of-ann.txt"))


def test_a_closed_tab_ends_its_training_and_deletes_its_text(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "ABSENT_SECONDS", 0.5)
    monkeypatch.setattr(manager, "EXPIRY_SECONDS", 0.05)
    ann = Owner(served, ANN)
    with httpx.stream("GET", f"{served.url}/gradio_api/heartbeat/tab12345", timeout=SECONDS) as heartbeat:
        lines = heartbeat.iter_lines()  # the connection ends with it
        assert next(lines) == "data: ALIVE"
        served.identify("tab12345", ANN)
        ann.train("HANG")
        wait_until(lambda: bool(trainings()))
        time.sleep(1)  # the tab asks for nothing, but is open
        assert trainings() and list(tmp_path.rglob("my-text.txt"))
    wait_until(lambda: not trainings() and not list(tmp_path.rglob("my-text.txt")) + list(tmp_path.rglob("run")))
    assert ann.call("state")["phase"] == "none"


def test_a_training_that_does_not_end_is_killed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "GRACE_SECONDS", -29.0)
    ann = Owner(served, ANN)
    ann.train("HANG")
    assert ann.until("failed", "ready")["sentence"] == sentence("make.training_too_long").as_json()
    assert trainings() == []
