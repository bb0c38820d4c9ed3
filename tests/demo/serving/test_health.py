"""`/healthz`: the status, the load of every engine, and an engine that died."""

from __future__ import annotations

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.serving import backpressure
from hubcharlstm.demo.serving.admission import Limits
from tests.support.chat_doubles import tiny_model
from tests.support.served import serving, wait_until


def test_health_reports_status_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tiny_model(), Limits(max_concurrent=1)) as served:
        answer = httpx.get(f"{served.url}/healthz")
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
        idle = {"state": "ready", "running": 0, "prefilling": 0, "waiting": 0, "paused": 0}
        assert answer.json()["engines"] == {"tiny": idle} and answer.json()["model"] == "tiny"
        monkeypatch.setattr(backpressure, "MAX_PENDING_MESSAGES", 0)  # so that no request ends before its client reads
        events = [served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"] for _ in range(3)]
        wait_until(lambda: httpx.get(f"{served.url}/healthz").json()["queued"] == 2)
        assert httpx.get(f"{served.url}/healthz").json()["running"] == 1
        engine = served.registry.first.engine
        monkeypatch.setattr(type(engine), "is_stuck", property(lambda _: True))
        answer = httpx.get(f"{served.url}/healthz")
        assert (answer.status_code, answer.json()["status"]) == (503, "stuck")
        monkeypatch.undo()
        for event in events:
            assert served.receive("complete", event)[-1][0] == "complete"
        wait_until(lambda: served.is_idle)


def test_a_dead_engine_fails_its_requests_and_serves_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tiny_model()) as served:
        with monkeypatch.context() as patch:
            patch.setattr("hubcharlstm.engine.model_runner.next_ids", lambda *_: 1 / 0)
            sentence = served.refusal("complete", prompt="To be", max_new_tokens=2_000)
        assert "The engine failed during this request" in sentence and "send the request again" in sentence
        assert httpx.get(f"{served.url}/healthz").json()["status"] == "ok"
        assert len(served.last("complete", prompt="To be", max_new_tokens=50)["text"]) == 50
