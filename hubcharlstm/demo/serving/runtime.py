"""The Python runtime of a serving process: garbage collection and switch interval."""

from __future__ import annotations

import asyncio
import gc
import sys
import time

from hubcharlstm.demo.serving.admission import AdmissionController

GC_SECONDS, MAX_GC_SECONDS = 30.0, 600.0
"""Between two full collections: each waits until no request runs, but no longer than the second."""

GC_THRESHOLDS = (5_000, 4, 10**9)
"""New objects before a collection of the youngest generation, and of those before one of the middle generation; the
oldest is never collected automatically: 500 visitors allocate 280,000 objects, whose full collection took 0.14 s each
time and freed almost nothing."""

SWITCH_INTERVAL = 0.0005
"""Seconds that the engine thread and the event loop hold the GIL against each other, a tenth of Python's default."""


def tune_runtime() -> None:
    """Set the process up to serve, once everything is loaded."""
    gc.collect()
    gc.freeze()  # a full collection of the loaded libraries took 0.3 s, in which no client got a character
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL)


async def collect_garbage(admission: AdmissionController) -> None:
    """Run a full collection every `GC_SECONDS`, while no request runs. Runs until it is cancelled."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(GC_SECONDS)
        if not admission.running or time.monotonic() - last > MAX_GC_SECONDS:
            gc.collect()
            last = time.monotonic()
