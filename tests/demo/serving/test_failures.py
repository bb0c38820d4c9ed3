"""What forged requests leave in the log, and what a failure of our own leaves."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from gradio import queueing, route_utils, routes

from hubcharlstm.demo.serving import failures
from hubcharlstm.demo.serving.failures import Budget, FailureLog, LineBudget
from tests.support.chat_doubles import TALK, tiny_model
from tests.support.clock import ManualClock
from tests.support.forged import forged_requests
from tests.support.served import serving


def test_forged_events_and_unknown_ids_leave_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """2,032 forged events left 1,120 lines in the log, with which a stranger filled a Space's."""
    with serving(tiny_model(**TALK)) as served, httpx.Client(base_url=served.url, timeout=30) as client:
        statuses: list[int] = []
        for method, path, body in forged_requests(client.get("/config").json(), seed=1, count=120):
            with client.stream(method, path, content=body, headers={"content-type": "application/json"}) as answer:
                statuses.append(answer.status_code)
        assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"
    captured = capfd.readouterr()
    assert len(statuses) > 150 and "Traceback" not in captured.err + captured.out, captured.err[-3000:]
    assert captured.err.count("\n") < 20


def test_a_failure_of_our_own_is_logged_with_its_traceback_but_not_without_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "OWN_CODE", __file__)
    log, caught = FailureLog(), 0
    for _ in range(failures.MAX_TRACEBACKS + 5):
        try:
            raise KeyError("x")
        except KeyError:
            log.log()
            caught += 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == failures.MAX_TRACEBACKS < caught and errors[0].exc_info is not None


def test_a_budget_is_for_an_hour() -> None:
    clock = ManualClock()
    budget = Budget(2, clock)
    assert [budget.admit() for _ in range(3)] == [True, True, False]
    clock.now += 3_601
    assert budget.admit()


def test_warnings_about_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_LINES", 3)
    lines, record = LineBudget(), logging.makeLogRecord({"msg": "Invalid HTTP request received."})
    assert [lines.filter(record) for _ in range(5)] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("module", [queueing, routes, route_utils])
def test_gradio_prints_failures_by_the_name_that_is_replaced(module: Any) -> None:
    assert hasattr(module, "traceback") and hasattr(module.traceback, "print_exc")
