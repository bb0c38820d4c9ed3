"""The Python runtime of a serving process: garbage collection, switch interval, threads."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time

import torch

from hubcharlstm.demo.serving.admission import AdmissionController

COLLECT_SECONDS, COLLECT_AT_LATEST = 30.0, 600.0
"""Between two searches for cycles among all objects, which wait until nobody is served, no longer than the second."""


YOUNG = (5_000, 4, 10**9)
"""Objects that are new before they are searched, and searches before the survivors are; of all there is none by itself:
500 visitors bring 280,000 objects, which took 0.14 s again and again, and hardly one was ever garbage."""


SWITCH_SECONDS = 0.0005
"""How long the engine and the page's events wait for one another at most, a tenth of what Python has it be."""


def tune_runtime() -> None:
    """Set the process up to serve, once all is loaded."""
    gc.collect()
    gc.freeze()  # a full collection took 0.3 s, in which nobody got a letter
    gc.set_threshold(*YOUNG)
    sys.setswitchinterval(SWITCH_SECONDS)


async def collect(admission: AdmissionController) -> None:
    """Search all objects for cycles, again and again, while nobody is served."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(COLLECT_SECONDS)
        if not admission.running or time.monotonic() - last > COLLECT_AT_LATEST:
            gc.collect()
            last = time.monotonic()


def leave_a_core() -> None:
    """Let PyTorch keep one core free for the page, unless OMP_NUM_THREADS says otherwise."""
    if not os.environ.get("OMP_NUM_THREADS"):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores - 1))
