"""The app served from the test's own process, and plain HTTP to call it as a program does."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from hubcharlstm import CharLSTM
from hubcharlstm.demo import launch
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.serving.admission import AdmissionController, Limits
from tests.support.browser_app import free_port

SECONDS = 60.0


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


class Served:
    """A model behind the whole app at an address of its own."""

    def __init__(self, model: CharLSTM, limits: Limits | None = None, auth: str | None = None, **registry: Any) -> None:
        self.model = model
        self.registry = ModelRegistry(model, "user/tiny", **registry)
        self.admission = AdmissionController(limits or Limits())
        app = launch.build(self.registry, self.admission)
        self.demo, self.tools, self.private = app.demo, app.tools, app.private
        self.endpoints = self.tools.endpoints
        self.port = free_port()
        self.server = launch.create_server(app, "127.0.0.1", self.port, auth=auth)
        self.server.run_in_thread()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def is_idle(self) -> bool:
        busy = any(sum(served_model.engine.load.values()) for served_model in self.registry.loaded)
        return not (busy or self.admission.running or self.admission.waiting)

    def close(self) -> None:
        self.server.close()
        self.private.close()
        self.registry.close()

    # --- plain HTTP ---

    def post(self, name: str, **arguments: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/gradio_api/call/v2/{name}", json=arguments, timeout=SECONDS)

    def receive(self, name: str, event: str) -> list[tuple[str, Any]]:
        """Every server-sent event of a call: (kind, data)."""
        events: list[tuple[str, Any]] = []
        with httpx.stream("GET", f"{self.url}/gradio_api/call/v2/{name}/{event}", timeout=SECONDS) as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    events.append((line[7:], None))
                elif line.startswith("data: "):
                    events[-1] = (events[-1][0], json.loads(line[6:]))
        return [(kind, data) for kind, data in events if kind != "heartbeat"]

    def call(self, name: str, **arguments: Any) -> list[tuple[str, Any]]:
        answer = self.post(name, **arguments)
        assert answer.status_code == 200, answer.text
        return self.receive(name, answer.json()["event_id"])

    def last(self, name: str, **arguments: Any) -> Any:
        """The last value of a call that succeeds."""
        kind, data = self.call(name, **arguments)[-1]
        assert kind == "complete", data
        return data[0]

    def refusal(self, name: str, **arguments: Any) -> str:
        """The sentence of a call that is refused."""
        kind, data = self.call(name, **arguments)[-1]
        assert kind == "error", data
        return str(data["error"])

    def identify(self, session: str, owner: str) -> None:
        """Name a tab's owner, as the page does when it opens."""
        config = httpx.get(f"{self.url}/config", timeout=SECONDS).json()
        event = next(one for one in config["dependencies"] if [target[1] for target in one["targets"]] == ["identify"])
        body = {"data": [], "fn_index": event["id"], "session_hash": session, "event_data": {"owner": owner}}
        answer = httpx.post(f"{self.url}/gradio_api/run/predict", json=body, timeout=SECONDS)
        assert answer.status_code == 200, answer.text

    def raw(self, text: bytes) -> socket.socket:
        """A connection on which `text` has been sent as it is."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.sendall(text)
        return connection


@contextmanager
def serving(model: CharLSTM, limits: Limits | None = None, **registry: Any) -> Iterator[Served]:
    served = Served(model, limits, **registry)
    try:
        yield served
    finally:
        served.close()
