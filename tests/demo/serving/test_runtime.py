"""Garbage collection while the app serves."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.serving import runtime
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity, Limits


def test_garbage_is_collected_while_no_request_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's automatic full collections stalled every request, for 0.14 s with 500 of them."""
    monkeypatch.setattr(runtime, "GC_SECONDS", 0.01)
    admission = AdmissionController(Limits())

    def garbage() -> weakref.ref[Any]:
        cycle = Limits()
        object.__setattr__(cycle, "itself", cycle)
        return weakref.ref(cycle)

    async def run() -> None:
        task = asyncio.create_task(runtime.collect_garbage(admission))
        ticket = admission.enter(ClientIdentity("", ""))
        with ticket:
            garbage_ref = garbage()
            await asyncio.sleep(0.1)
            assert garbage_ref() is not None
        await asyncio.sleep(0.1)
        assert garbage_ref() is None
        with ticket:
            garbage_ref = garbage()
            monkeypatch.setattr(runtime, "MAX_GC_SECONDS", 0.0)
            await asyncio.sleep(0.1)
            assert garbage_ref() is None
        task.cancel()

    thresholds = gc.get_threshold()
    try:
        runtime.tune_runtime()
        assert gc.get_threshold()[2] > 1_000_000
        asyncio.run(run())
    finally:
        gc.set_threshold(*thresholds)
