"""Tabs as the server sees them: by the heartbeat that Gradio's page keeps open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

pytest.importorskip("gradio")

from tests.support.served import SECONDS, wait_until

if TYPE_CHECKING:
    from tests.support.served import Served

KEY = "0123456789abcdef" * 2


def test_a_tab_is_there_while_its_heartbeat_is_open(served: Served) -> None:
    """`PresenceMiddleware` knows Gradio's route by its path; another path would make every owner absent for good."""
    owners = served.private.owners
    with httpx.stream("GET", f"{served.url}/gradio_api/heartbeat/tab12345", timeout=SECONDS) as heartbeat:
        lines = heartbeat.iter_lines()
        assert next(lines) == "data: ALIVE"
        served.identify("tab12345", KEY)
        assert owners.of("tab12345") == KEY and owners.absent_seconds(KEY) == 0
    wait_until(lambda: owners.absent_seconds(KEY) > 0)
    assert owners.of("tab12345") == KEY and owners.of("another1") == ""


def test_a_tab_without_models_costs_nothing_once_it_has_gone(served: Served) -> None:
    before = len(served.private.owners._tabs)
    with httpx.stream("GET", f"{served.url}/gradio_api/heartbeat/nobody12", timeout=SECONDS) as heartbeat:
        lines = heartbeat.iter_lines()
        next(lines)
        assert len(served.private.owners._tabs) == before + 1
    wait_until(lambda: len(served.private.owners._tabs) == before)
