"""The app as a stranger on the net finds it: sizes, half requests, other people's pages, files, health and its end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from gradio_client import Client

from hubcharlstm.demo.serving import backpressure as listening
from hubcharlstm.demo.serving import gradio_compat as sessions
from hubcharlstm.demo.serving import middleware as guard
from hubcharlstm.demo.serving import runtime, server
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity, Limits
from tests.support.browser_app import ROOT, free_port, save_model
from tests.support.chat_doubles import tiny_model
from tests.support.served import SECONDS, Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model(examples=("To be, ",))) as running:
        yield running


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


# --- health --------------------------------------------------------------------------------------------------------


def test_health_tells_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tiny_model(), Limits(max_concurrent=1)) as served:
        told = httpx.get(f"{served.url}/healthz")
        assert told.status_code == 200 and told.headers["cache-control"] == "no-store"
        idle = {"state": "ready", "running": 0, "prefilling": 0, "waiting": 0, "paused": 0}
        assert told.json()["engines"] == {"tiny": idle} and told.json()["model"] == "tiny"
        monkeypatch.setattr(listening, "MAX_UNREAD", 0)  # so that nothing ends while nobody reads
        events = [served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"] for _ in range(3)]
        wait_until(lambda: httpx.get(f"{served.url}/healthz").json()["queue"] == 2)
        assert httpx.get(f"{served.url}/healthz").json()["readers"] == 1
        engine = served.registry.first.engine
        monkeypatch.setattr(type(engine), "is_stuck", property(lambda _: True))
        told = httpx.get(f"{served.url}/healthz")
        assert (told.status_code, told.json()["status"]) == (503, "stuck")
        monkeypatch.undo()
        for event in events:
            assert served.read("complete", event)[-1][0] == "complete"
        wait_until(lambda: served.is_idle)


def test_cycles_are_searched_for_while_nobody_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own searches of everything held up all who were served, for 0.14 s with 500 of them."""
    monkeypatch.setattr(runtime, "COLLECT_SECONDS", 0.01)
    admission = AdmissionController(Limits())

    def garbage() -> weakref.ref[Any]:
        cycle = Limits()
        object.__setattr__(cycle, "itself", cycle)
        return weakref.ref(cycle)

    async def run() -> None:
        task = asyncio.create_task(runtime.collect(admission))
        place = admission.enter(ClientIdentity("", ""))
        with place:
            left = garbage()
            await asyncio.sleep(0.1)
            assert left() is not None
        await asyncio.sleep(0.1)
        assert left() is None
        with place:
            left = garbage()
            monkeypatch.setattr(runtime, "COLLECT_AT_LATEST", 0.0)
            await asyncio.sleep(0.1)
            assert left() is None
        task.cancel()

    thresholds = gc.get_threshold()
    try:
        runtime.tune_runtime()
        assert gc.get_threshold()[2] > 1_000_000
        asyncio.run(run())
    finally:
        gc.set_threshold(*thresholds)


def test_a_dead_engine_is_noticed_its_readers_told_and_the_next_served(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tiny_model()) as served:
        with monkeypatch.context() as patch:
            patch.setattr("hubcharlstm.engine.model_runner.next_ids", lambda *_: 1 / 0)
            sentence = served.refusal("complete", prompt="To be", max_new_tokens=2_000)
        assert "The engine failed while this was written" in sentence and "send the request again" in sentence
        assert httpx.get(f"{served.url}/healthz").json()["status"] == "ok"
        assert len(served.last("complete", prompt="To be", max_new_tokens=50)["text"]) == 50


# --- limits --------------------------------------------------------------------------------------------------------


def test_a_client_has_four_requests_at_once(served: Served) -> None:
    held = threading.Event()
    stream = served.registry.first.engine.submit

    def slow(*args: Any, **kwargs: Any) -> Any:
        held.wait(10)
        return stream(*args, **kwargs)

    client = Client(served.url, verbose=False, analytics_enabled=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served.registry.first.engine, "submit", slow)
        patch.setattr("hubcharlstm.demo.models.SHORT", 0)  # in a thread, so that the loop goes on
        jobs = [client.submit("To be", 5, api_name="/complete") for _ in range(5)]
        wait_until(lambda: any(job.done() for job in jobs))
        held.set()
        failed = [str(job.exception(20)) for job in jobs if job.exception(20)]
    assert len(failed) == 1 and failed[0].startswith("You have 4 requests under way")
    assert client.predict("To be", 5, api_name="/complete")["finish_reason"] == "length"


def test_a_program_waits_for_its_turn_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubcharlstm.demo.api.WAITING_SECONDS", 0.05)
    with serving(tiny_model(), Limits(max_concurrent=1, max_queued=1)) as served:
        unread = served.post("complete", prompt="To be", max_new_tokens=5).json()["event_id"]
        wait_until(lambda: len(served.admission.running) == 1)
        told: list[Any] = []
        waiting = threading.Thread(target=lambda: told.extend(served.call("complete", prompt="To be", seed=7)))
        waiting.start()
        wait_until(lambda: len(served.admission.waiting) == 1)
        assert served.refusal("complete", prompt="To be").startswith("The app is busy (2 requests are written or wait)")
        time.sleep(0.2)
        served.read("complete", unread)
        waiting.join(20)
        assert told[0][1][0]["queue"].startswith("The app is busy: you are next, in about ")
        assert told[-1][1][0]["text"] == served.model.generate("To be", seed=7)


def test_readers_who_never_read_are_given_up_and_cost_nobody_else_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE", 1.0)
    with serving(tiny_model(), Limits(max_per_address=5)) as served:
        events = [served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"] for _ in range(5)]
        wait_until(lambda: len(served.admission.running) == 5)
        assert "5 requests of your network address" in served.refusal("complete", prompt="To be")
        boxes = served.demo._queue.pending_messages_per_session
        assert max(boxes[event].qsize() for event in events) <= listening.MAX_UNREAD + 4
        wait_until(lambda: served.is_idle)
        assert served.last("complete", prompt="To be", max_new_tokens=5)["finish_reason"] == "length"
        what, data = served.read("complete", events[0])[-1]
        assert what == "error" and data["error"].startswith("Nobody reads what is written")


def test_whoever_leaves_frees_their_place(served: Served) -> None:
    event = served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"]
    asked = f"GET /gradio_api/call/v2/complete/{event} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    served.raw(asked).close()
    wait_until(lambda: served.is_idle)


def test_nothing_is_remembered_of_a_visitor_but_a_small_session(served: Served) -> None:
    for _ in range(5):
        served.last("complete", prompt="To be", max_new_tokens=5)
    states = served.demo.app.state_holder
    assert isinstance(states, sessions.Sessions) and states.capacity == sessions.MAX_SESSIONS
    assert all(session.config_values == {} for session in states.session_data.values())
    queue = served.demo._queue
    unread = served.post("complete", prompt="To be", max_new_tokens=1).json()["event_id"]
    idle = sessions.evict_idle_once(queue, set())
    assert served.read("complete", unread)[-1][0] == "complete"  # who comes late is served late
    sessions.evict_idle_once(queue, idle)
    sessions.evict_idle_once(queue, sessions.evict_idle_once(queue, set()))
    assert not queue.pending_event_ids_session and not queue.pending_messages_per_session
    assert len(queue.event_analytics) <= 1 and not served.demo.app.iterators.keys() - {None}
    assert served.last("complete", prompt="To be", max_new_tokens=5)["finish_reason"] == "length"


# --- what cannot be understood -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("call/v2/complete", b"{", 422),
        ("call/v2/complete", b'{"prompt": "To be"', 422),
        ("call/v2/complete", b"\xff\xfe", 422),
        ("call/v2/complete", b"[" * 100_000, 422),
        ("call/v2/complete", b"[]", 422),
        ("call/v2/complete", b"7", 422),
        ("call/v2/complete", b"{}", 422),
        ("call/v2/complete", b'{"prompt": "To be", "lenght": 5}', 422),
        ("call/v2/nothing", b"{}", 422),
        ("call/nothing", b'{"data": []}', 422),
        ("call/complete", b'{"data": "To be"}', 422),
        ("queue/join", b"{}", 422),
        ("queue/join", b'{"data": [], "fn_index": 99999, "session_hash": "x"}', 422),
        ("queue/join", b'{"data": {}, "fn_index": "no", "session_hash": []}', 422),
        ("cancel", b"{}", 422),
    ],
)
def test_a_call_that_makes_no_sense_is_answered(served: Served, path: str, content: bytes, status: int) -> None:
    answer = httpx.post(
        f"{served.url}/gradio_api/{path}", content=content, headers={"content-type": "application/json"}, timeout=20
    )
    assert answer.status_code in (status, 400, 404), answer.text
    assert "Traceback" not in answer.text and answer.headers["content-type"] == "application/json"
    assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"


def test_a_huge_request_is_refused_before_it_is_read(served: Served) -> None:
    answer = served.post("complete", prompt="x" * 10_000_000)
    assert answer.status_code == 413
    assert "The request has 10000013 bytes; expected 1,000,000 at most" in answer.json()["error"]
    with pytest.raises(httpx.HTTPStatusError, match="413"):
        Client(served.url, verbose=False, analytics_enabled=False).predict("x" * 10_000_000, api_name="/complete")


def test_a_huge_request_that_does_not_say_so_is_cut(served: Served) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b" " * 10_000

    try:
        answer = httpx.post(f"{served.url}/gradio_api/call/v2/complete", content=endless(), timeout=20)
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # cut while it was still being sent
    assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"


def test_half_a_request_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(server, "SILENT_SECONDS", 0.5)
    head = b"POST /gradio_api/call/v2/complete HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    with served.raw(head + b'{"prompt"') as slow:
        assert b"408" in slow.recv(1000)
    for begun in (b"", b"GET / HT", head[:60]):
        with served.raw(begun) as silent:
            assert silent.recv(1000) == b""  # closed
    assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"


def test_a_reader_who_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Transport:
        aborted = False

        def get_write_buffer_size(self) -> int:
            return 70_000

        def abort(self) -> None:
            self.aborted = True

        def close(self) -> None:
            raise AssertionError("it is under way")

    class Connection:
        class cycle:  # uvicorn's name
            response_complete = False

        transport = Transport()

    class Watched(server.Server):
        def __init__(self) -> None:
            self._idle, self._stalled = {}, {}
            self.server_state = type("State", (), {"connections": {Connection}})()

    watched = Watched()
    watched.cut(0.0)
    watched.cut(server.STALLED_SECONDS)
    assert not Connection.transport.aborted
    watched.cut(server.STALLED_SECONDS + 1)
    assert Connection.transport.aborted


# --- strangers' pages, and files -----------------------------------------------------------------------------------


def test_another_page_may_neither_read_nor_send(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "host": "chat.example"}
    for path in ("/config", "/gradio_api/info", "/healthz"):
        assert "access-control-allow-origin" not in httpx.get(served.url + path, headers=foreign).headers
    sent = httpx.post(f"{served.url}/gradio_api/call/v2/complete", json={"prompt": ""}, headers=foreign)
    assert sent.status_code == 403 and "HUBCHARLSTM_ALLOW_ORIGINS" in sent.json()["error"]
    asked = {**foreign, "access-control-request-method": "POST"}
    assert (
        "access-control-allow-origin" not in httpx.options(f"{served.url}/gradio_api/queue/join", headers=asked).headers
    )
    own = {"origin": "https://chat.example", "sec-fetch-site": "same-origin", "host": "chat.example"}
    sent = httpx.post(f"{served.url}/gradio_api/call/v2/complete", json={"prompt": ""}, headers=own)
    assert sent.status_code == 200
    served.read("complete", sent.json()["event_id"])
    monkeypatch.setenv("HUBCHARLSTM_ALLOW_ORIGINS", "https://friend.example, https://other.example")
    with serving(tiny_model()) as open_to_one:
        friend = {**foreign, "origin": "https://friend.example"}
        sent = httpx.post(f"{open_to_one.url}/gradio_api/call/v2/complete", json={"prompt": ""}, headers=friend)
        assert sent.headers["access-control-allow-origin"] == "https://friend.example"
        open_to_one.read("complete", sent.json()["event_id"])
        assert "access-control-allow-origin" not in httpx.get(open_to_one.url + "/config", headers=foreign).headers


def test_the_page_may_stand_in_a_frame(served: Served) -> None:
    headers = httpx.get(served.url + "/").headers
    assert "x-frame-options" not in headers and "frame-ancestors" not in headers.get("content-security-policy", "")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=app.py",
        "/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://user-space.hf.space/",
        "/gradio_api/deep_link?session_hash=x",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api//file=/etc/passwd",
        "/static/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/upload_progress?upload_id=x",
    ],
)
def test_no_file_is_read_and_nothing_fetched(served: Served, path: str) -> None:
    answer = httpx.get(served.url + path)
    assert answer.status_code in (403, 404, 405), answer.text[:200]
    assert "root:" not in answer.text


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with serving(tiny_model()) as served:
        upload = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("state.json", b"")})
        assert upload.status_code == 404
        served.last("complete", prompt="To be", max_new_tokens=20)
        served.last("score", text="To be")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# --- behind a proxy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strips", [True, False])
def test_it_works_behind_a_path_prefix(monkeypatch: pytest.MonkeyPatch, strips: bool) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/tools/chat")
    with serving(tiny_model()) as served:
        before = "" if strips else "/tools/chat"
        headers = {"x-forwarded-host": "example.org", "x-forwarded-proto": "https"}
        page = httpx.get(f"{served.url}{before}/", headers=headers)
        assert page.status_code == 200 and '"root":"https://example.org/tools/chat"' in page.text
        assert httpx.get(f"{served.url}{before}/healthz").json()["status"] == "ok"
        call = f"{served.url}{before}/gradio_api/call/v2/complete"
        event = httpx.post(call, json={"prompt": "To be", "max_new_tokens": 5}, headers=headers).json()["event_id"]
        assert '"finish_reason": "length"' in httpx.get(f"{call}/{event}", headers=headers).text


# --- the end -------------------------------------------------------------------------------------------------------


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
        """A message as the page sends it, and all that it is told."""
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


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_at_its_end_every_reader_is_finished_or_told_within_five_seconds(tmp_path: Path, how: signal.Signals) -> None:
    app = App(tmp_path)
    short: list[Any] = []
    long: list[Any] = []
    readers = [
        threading.Thread(target=lambda: short.extend(app.page("ab", 150))),
        threading.Thread(target=lambda: long.extend(app.page("cd", 2_000))),
    ]
    for reader in readers:
        reader.start()
    wait_until(lambda: httpx.get(f"{app.url}/healthz", timeout=SECONDS).json()["readers"] == 2)
    idle = socket.create_connection(("127.0.0.1", app.port))
    page_open = socket.create_connection(("127.0.0.1", app.port))
    page_open.sendall(b"GET /gradio_api/heartbeat/ab HTTP/1.1\r\nhost: x\r\n\r\n")
    time.sleep(0.3)
    asked = time.monotonic()
    app.process.send_signal(how)
    time.sleep(0.3)
    refused = httpx.post(f"{app.url}/gradio_api/call/v2/complete", json={"prompt": "x"}).json()["event_id"]
    answer = httpx.get(f"{app.url}/gradio_api/call/v2/complete/{refused}", timeout=SECONDS).text
    assert "The app is ending" in answer
    assert httpx.get(f"{app.url}/healthz").json()["status"] == "ending"
    output, _ = app.process.communicate(timeout=20)
    assert time.monotonic() - asked < 5
    for reader in readers:
        reader.join(10)
    for told in (short, long):
        assert told[-2]["msg"] == "process_completed" and told[-2]["success"], told[-2:]
    last = [told[-2]["output"]["data"] for told in (short, long)]
    assert "length reached" in str(last[0]) or "length reached" in str(short)
    assert "the app is being restarted" in str(long)
    assert "Traceback" not in output and "ERROR" not in output, output
    idle.close()
    page_open.close()
