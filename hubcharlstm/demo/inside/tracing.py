"""Traces of visitors' texts: one at a time in a thread of low priority, and the last few in memory while a page is
scrubbed, or its text changed."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.threads import compute_threads, lower_priority
from hubcharlstm.inspection.extension import common_length, extended
from hubcharlstm.inspection.trace import SERIES, Trace

MAX_CACHE_BYTES = 64 * 2**20
CACHE_SECONDS = 120.0
"""After which a trace is dropped, whether or not it was used."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Key(NamedTuple):
    """The browser that asks, "" for one without a key; the model; what is read before the text; and the text.

    Each owner has traces of its own: an answer that comes sooner would tell that another visitor has typed the same.
    """

    owner: str
    fingerprint: str
    before: str
    text: str


class Tracer:
    """Computes in a thread of its own, one request at a time, so that writing and the event loop go on beside it."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "hubcharlstm-inspection", initializer=lower_priority)
        self._pending = 0
        self._traces: OrderedDict[Key, Trace] = OrderedDict()
        self._lock = threading.Lock()  # of the traces, which the thread stores and the event loop drops

    @property
    def is_idle(self) -> bool:
        """Whether nothing is computed and nothing waits."""
        return self._pending == 0

    async def run(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """The result of `function`, computed in the thread once it is its turn."""

        def compute() -> Result:
            with compute_threads():
                return function(*args, **kwargs)

        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, compute)
        finally:
            self._pending -= 1

    async def trace(self, served_model: ServedModel, text: str, before: str, owner: str = "") -> Trace:
        """The trace of all layers and units; raises `ValueError` for a text that holds nothing to encode."""
        return await self.answer(served_model, text, before, owner, lambda found: found)

    async def answer(
        self, served_model: ServedModel, text: str, before: str, owner: str, function: Callable[[Trace], Result]
    ) -> Result:
        """What `function` makes of the trace, both computed in the thread.

        Where the owner's last texts begin as this one does, only the rest is computed.
        """
        key = Key(owner, served_model.fingerprint, before, text)

        loop = asyncio.get_running_loop()

        def compute() -> Result:
            found, longest = self._find(key)
            if found is None:
                found = extended(
                    served_model.model, served_model.vocabulary, text, longest,
                    start_text=before or served_model.start_text, fingerprint=served_model.fingerprint,
                    recurrent=served_model.transposed_recurrent,
                )  # fmt: skip
                # Weak, or the timer would hold what `_store` evicts: a text that is typed is traced at each key.
                loop.call_soon_threadsafe(loop.call_later, CACHE_SECONDS, self._drop, key, weakref.ref(found))
            self._store(key, found)  # here, so that the next one in the thread finds it
            return function(found)

        return await self.run(compute)

    def _find(self, key: Key) -> tuple[Trace | None, Trace | None]:
        """The trace itself, and the owner's one whose text has the longest beginning in common with this one."""
        with self._lock:
            others = [other for other in self._traces if key.owner and other[:-1] == key[:-1]]
            longest = max(others, key=lambda other: common_length(other.text, key.text), default=None)
            return self._traces.get(key), None if longest is None else self._traces[longest]

    def _store(self, key: Key, found: Trace) -> None:
        with self._lock:
            self._traces[key] = found
            self._traces.move_to_end(key)
            while len(self._traces) > 1 and sum(map(num_bytes, self._traces.values())) > MAX_CACHE_BYTES:
                self._traces.popitem(last=False)

    def _drop(self, key: Key, found: weakref.ref[Trace]) -> None:
        with self._lock:
            trace = self._traces.get(key)
            if trace is not None and trace is found():
                del self._traces[key]


def num_bytes(found: Trace) -> int:
    """The size of the arrays of a trace."""
    return sum(int(getattr(found, name).nbytes) for name in (*SERIES, "log_probs"))
