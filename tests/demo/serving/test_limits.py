"""Limits and backpressure through the whole app: who is refused, who waits, what a session leaves behind."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")

from gradio_client import Client

from hubcharlstm.demo import models
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving import backpressure, gradio_compat
from hubcharlstm.demo.serving.admission import Limits
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving, wait_until


def test_a_session_has_four_concurrent_requests(served: Served) -> None:
    held = threading.Event()
    stream = served.registry.first.engine.submit

    def slow(*args: Any, **kwargs: Any) -> Any:
        held.wait(10)
        return stream(*args, **kwargs)

    client = Client(served.url, verbose=False, analytics_enabled=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served.registry.first.engine, "submit", slow)
        patch.setattr("hubcharlstm.demo.served_model.MAX_INLINE_PROMPT", 0)  # in a thread, so that the loop goes on
        jobs = [client.submit("To be", 5, api_name="/complete") for _ in range(5)]
        wait_until(lambda: any(job.done() for job in jobs))
        held.set()
        failed = [str(job.exception(20)) for job in jobs if job.exception(20)]
    assert len(failed) == 1 and failed[0].startswith("You have 4 requests under way")
    assert client.predict("To be", 5, api_name="/complete")["finish_reason"] == "length"


def test_a_program_gets_its_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubcharlstm.demo.api.QUEUE_UPDATE_SECONDS", 0.05)
    with serving(tiny_model(), Limits(max_concurrent=1, max_queued=1)) as served:
        event = served.post("complete", prompt="To be", max_new_tokens=5).json()["event_id"]
        wait_until(lambda: len(served.admission.running) == 1)
        answers: list[Any] = []
        waiting = threading.Thread(target=lambda: answers.extend(served.call("complete", prompt="To be", seed=7)))
        waiting.start()
        wait_until(lambda: len(served.admission.waiting) == 1)
        assert served.refusal("complete", prompt="To be").startswith("The app is busy (2 requests are written or wait)")
        time.sleep(0.2)
        served.receive("complete", event)
        waiting.join(20)
        assert answers[0][1][0]["queue"].startswith("The app is busy: you are next, in about ")
        assert answers[-1][1][0]["text"] == served.model.generate("To be", seed=7)


def test_a_client_that_never_reads_is_dropped_and_costs_nobody_else_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpressure, "CLIENT_TIMEOUT", 1.0)
    with serving(tiny_model(), Limits(max_per_address=5)) as served:
        events = [served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"] for _ in range(5)]
        wait_until(lambda: len(served.admission.running) == 5)
        assert "5 requests of your network address" in served.refusal("complete", prompt="To be")
        queues = served.demo._queue.pending_messages_per_session
        assert max(queues[event].qsize() for event in events) <= backpressure.MAX_PENDING_MESSAGES + 4
        wait_until(lambda: served.is_idle)
        assert served.last("complete", prompt="To be", max_new_tokens=5)["finish_reason"] == "length"
        kind, data = served.receive("complete", events[0])[-1]
        assert kind == "error" and data["error"].startswith("Nobody reads what is written")


def test_a_client_that_disconnects_frees_its_row(served: Served) -> None:
    event = served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"]
    asked = f"GET /gradio_api/call/v2/complete/{event} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    served.raw(asked).close()
    wait_until(lambda: served.is_idle)


def test_a_session_is_light_and_idle_queues_are_evicted(served: Served) -> None:
    for _ in range(5):
        served.last("complete", prompt="To be", max_new_tokens=5)
    states = served.demo.app.state_holder
    assert isinstance(states, gradio_compat.LightSessions) and states.capacity == gradio_compat.MAX_SESSIONS
    assert all(session.config_values == {} for session in states.session_data.values())
    queue = served.demo._queue
    event = served.post("complete", prompt="To be", max_new_tokens=1).json()["event_id"]
    idle = gradio_compat.evict_once(served.demo, set())
    assert served.receive("complete", event)[-1][0] == "complete"  # a client may come late
    gradio_compat.evict_once(served.demo, idle)
    wait_until(lambda: not queue.event_ids_to_events)  # Gradio forgets an event a moment after its last message
    gradio_compat.evict_once(served.demo, gradio_compat.evict_once(served.demo, set()))
    assert not queue.pending_event_ids_session and not queue.pending_messages_per_session
    assert len(queue.event_analytics) <= 1 and not served.demo.app.iterators.keys() - {None}
    assert served.last("complete", prompt="To be", max_new_tokens=5)["finish_reason"] == "length"


def test_a_model_is_not_evicted_under_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose model was evicted before its stream was open got "The engine is closed"."""
    arrived, goes_on = threading.Event(), threading.Event()
    original = ServedModel.stream

    async def stream(served_model: ServedModel, *args: Any, **options: Any) -> Any:
        if served_model.label == "a":
            arrived.set()
            await asyncio.to_thread(goes_on.wait, 20)
        return await original(served_model, *args, **options)

    monkeypatch.setattr(models, "MAX_LOADED", 1)
    monkeypatch.setattr(ServedModel, "stream", stream)
    for name in ("a", "b"):
        tiny_model().save_pretrained(tmp_path / name)
    with serving(tiny_model(), open_to_all=True) as served, ThreadPoolExecutor() as pool:
        call = pool.submit(served.last, "complete", prompt="To be", seed=7, model=str(tmp_path / "a"))
        assert arrived.wait(20)
        assert served.last("complete", prompt="To be", max_new_tokens=5, model=str(tmp_path / "b"))["model"] == "b"
        assert [served_model.label for served_model in served.registry.loaded] == ["tiny", "a"]
        goes_on.set()
        assert call.result(20)["text"] == served.model.generate("To be", seed=7)
        wait_until(lambda: [served_model.label for served_model in served.registry.loaded] == ["tiny"])
