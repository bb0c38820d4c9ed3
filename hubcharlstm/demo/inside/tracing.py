"""Traces of visitors' texts: one at a time in a worker thread, and the last few in memory while a page is scrubbed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hubcharlstm.demo.models import ServedModel, compute_threads
from hubcharlstm.inspection.trace import SERIES, Trace, trace

MAX_CACHE_BYTES = 64 * 2**20
CACHE_SECONDS = 120.0
"""After which a trace is dropped, whether or not it was used."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Key = tuple[str, str, str]
"""The model's fingerprint, what is read before the text, and the text."""


class Tracer:
    """Computes in a worker thread, one request at a time, so that writing and the event loop go on beside it."""

    def __init__(self) -> None:
        self._computing = asyncio.Semaphore(1)
        self._traces: OrderedDict[Key, Trace] = OrderedDict()

    async def run(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """The result of `function`, computed in a worker thread once it is its turn."""

        def compute() -> Result:
            with compute_threads():
                return function(*args, **kwargs)

        async with self._computing:
            return await asyncio.to_thread(compute)

    async def trace(self, served_model: ServedModel, text: str, before: str) -> Trace:
        """The trace of all layers and units; raises `ValueError` for a text that holds nothing to encode."""
        key = (served_model.fingerprint, before, text)
        if key in self._traces:
            self._traces.move_to_end(key)
            return self._traces[key]
        found = await self.run(
            trace, served_model.model, served_model.vocabulary, text,
            start_text=before or served_model.start_text, fingerprint=served_model.fingerprint,
        )  # fmt: skip
        self._traces[key] = found
        asyncio.get_running_loop().call_later(CACHE_SECONDS, self._traces.pop, key, None)
        while len(self._traces) > 1 and sum(map(num_bytes, self._traces.values())) > MAX_CACHE_BYTES:
            self._traces.popitem(last=False)
        return found


def num_bytes(found: Trace) -> int:
    """The size of the arrays of a trace."""
    return sum(int(getattr(found, name).nbytes) for name in (*SERIES, "log_probs"))
