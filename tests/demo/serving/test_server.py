"""The server's timeouts for connections, and its shutdown."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.serving import server
from hubcharlstm.demo.serving.uvicorn_compat import Connection
from tests.support.browser_app import ROOT, free_port, save_model
from tests.support.served import SECONDS, wait_until


def connection(*, under_way: bool, unsent_bytes: int = 0) -> tuple[Connection, list[str]]:
    """A connection as Uvicorn has it, and what is done to it."""
    calls: list[str] = []
    transport = SimpleNamespace(
        get_write_buffer_size=lambda: unsent_bytes,
        abort=lambda: calls.append("abort"),
        close=lambda: calls.append("close"),
    )
    protocol = mock.Mock(transport=transport, cycle=mock.Mock(response_complete=not under_way))
    return Connection(protocol), calls


def test_a_client_that_reads_nothing_is_aborted() -> None:
    stalled, calls = connection(under_way=True, unsent_bytes=70_000)
    watchdog = server.ConnectionWatchdog()
    watchdog.check([stalled], 0.0)
    watchdog.check([stalled], server.WRITE_TIMEOUT)
    assert calls == []
    watchdog.check([stalled], server.WRITE_TIMEOUT + 1)
    assert calls == ["abort"]


def test_a_connection_without_a_request_is_closed() -> None:
    idle, calls = connection(under_way=False)
    watchdog = server.ConnectionWatchdog()
    watchdog.check([idle], 0.0)
    watchdog.check([idle], server.IDLE_TIMEOUT)
    assert calls == []
    watchdog.check([idle], server.IDLE_TIMEOUT + 1)
    assert calls == ["close"]


class App:
    """`app.py` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        save_model(folder / "tiny")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPACE_ID")}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")],
            cwd=folder,
            env={
                **inherited,
                "HUBCHARLSTM_MODEL": str(folder / "tiny"),
                "GRADIO_SERVER_PORT": str(self.port),
                "HF_HUB_OFFLINE": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.url in self.process.stdout.readline()

    def page(self, session: str, length: int) -> list[dict[str, Any]]:
        """Send a message as the page does; returns every message that comes back."""
        config = httpx.get(f"{self.url}/config", timeout=SECONDS).json()
        respond = next(one for one in config["dependencies"] if one["targets"] and one["targets"][0][1] == "generate")
        kinds = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
        values = {"field-temperature": 0.8, "field-length": length, "full-speed": False, "field-top-k": 0}
        values |= {"field-top-p": 1, "field-min-p": 0, "field-stop": ""}
        body = {
            "data": [values.get(kinds[part]) for part in respond["inputs"]],
            "fn_index": respond["id"],
            "session_hash": session,
            "event_data": {"turn": session * 8, "typed": "To be"},
        }
        httpx.post(f"{self.url}/gradio_api/queue/join", json=body, timeout=SECONDS).raise_for_status()
        with httpx.stream("GET", f"{self.url}/gradio_api/queue/data?session_hash={session}", timeout=SECONDS) as answer:
            return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


@pytest.mark.serial
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_finishes_or_answers_every_request_within_five_seconds(tmp_path: Path, how: signal.Signals) -> None:
    app = App(tmp_path)
    short: list[Any] = []
    long: list[Any] = []
    readers = [
        threading.Thread(target=lambda: short.extend(app.page("ab", 150))),
        threading.Thread(target=lambda: long.extend(app.page("cd", 2_000))),
    ]
    for reader in readers:
        reader.start()
    wait_until(lambda: httpx.get(f"{app.url}/healthz", timeout=SECONDS).json()["running"] == 2)
    idle = socket.create_connection(("127.0.0.1", app.port))
    page_open = socket.create_connection(("127.0.0.1", app.port))
    page_open.sendall(b"GET /gradio_api/heartbeat/ab HTTP/1.1\r\nhost: localhost\r\n\r\n")
    time.sleep(0.3)
    asked = time.monotonic()
    app.process.send_signal(how)
    time.sleep(0.3)
    refused = httpx.post(f"{app.url}/gradio_api/call/v2/complete", json={"prompt": "x"}).json()["event_id"]
    answer = httpx.get(f"{app.url}/gradio_api/call/v2/complete/{refused}", timeout=SECONDS).text
    assert "Shutting down" in answer
    assert httpx.get(f"{app.url}/healthz").json()["status"] == "shutting_down"
    output, _ = app.process.communicate(timeout=20)
    assert time.monotonic() - asked < 5
    for reader in readers:
        reader.join(10)
    for messages in (short, long):
        assert messages[-2]["msg"] == "process_completed" and messages[-2]["success"], messages[-2:]
    last = [messages[-2]["output"]["data"] for messages in (short, long)]
    assert "length reached" in str(last[0]) or "length reached" in str(short)
    assert "server.restarting" in str(long)
    assert "Traceback" not in output and "ERROR" not in output, output
    idle.close()
    page_open.close()
