"""The log of a Job is followed to its end, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from hubcharlstm.errors import HubError
from training import job_log
from training.job_log import log_lines

QUIET = 0.02


def serve(monkeypatch: pytest.MonkeyPatch, lines: Iterator[str]) -> None:
    def fetch_job_logs(*, job_id: str, namespace: str, follow: bool) -> Iterator[str]:
        assert (job_id, namespace) == ("1", "user")
        return lines

    monkeypatch.setattr(job_log, "HfApi", lambda: SimpleNamespace(fetch_job_logs=fetch_job_logs))


def endless(released: threading.Event) -> Iterator[str]:
    yield "the first line"
    released.wait()


def test_the_lines_come_in_order_up_to_the_end_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, iter(["one", "two"]))
    assert list(log_lines("1", "user", lambda: False, quiet_seconds=QUIET)) == ["one", "two"]


def test_an_error_of_the_client_is_raised_after_the_lines_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[str]:
        yield "one"
        raise ConnectionError("the network is down")

    serve(monkeypatch, broken())
    lines = log_lines("1", "user", lambda: False, quiet_seconds=QUIET)
    assert next(lines) == "one"
    with pytest.raises(ConnectionError, match="network is down"):
        next(lines)


def test_a_stage_of_another_form_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client took it for a Job that runs, and `job RUN` asked for the log again without end."""
    released = threading.Event()
    serve(monkeypatch, endless(released))

    def has_ended() -> bool:
        raise HubError("something answers in another form than the Hub")

    lines = log_lines("1", "user", has_ended, quiet_seconds=QUIET)
    assert next(lines) == "the first line"
    with pytest.raises(HubError, match="another form"):
        next(lines)
    released.set()


def test_a_job_that_has_ended_ends_a_log_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    released, stages = threading.Event(), iter([False, False, True])
    serve(monkeypatch, endless(released))
    assert list(log_lines("1", "user", lambda: next(stages), quiet_seconds=QUIET)) == ["the first line"]
    assert list(stages) == []
    released.set()
