"""The server itself: connections that say nothing are closed, and an end in which every reader is told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import gradio as gr
import uvicorn

from hubcharlstm.demo.serving.admission import AdmissionController
from hubcharlstm.demo.serving.gradio_compat import evict_idle
from hubcharlstm.demo.serving.runtime import collect, tune_runtime

logger = logging.getLogger(__name__)

FINISH, STOP, CLOSE = 2.5, 0.7, 1.0
"""Seconds at the end: for those who write to finish, for the others to be told, for connections to close."""

SILENT_SECONDS = 15.0
"""A connection that asks for nothing for so long is closed."""

STALLED_SECONDS = 60.0
"""A connection whose reader takes nothing for so long is cut."""


class Server(uvicorn.Server):
    """Uvicorn for one app. opened: called once it listens."""

    def __init__(
        self,
        app: Any,
        demo: gr.Blocks,
        admission: AdmissionController,
        host: str,
        port: int,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                lifespan="on",
                ws="none",
                proxy_headers=False,  # whom to believe is for `Visitor` to say
                server_header=False,
                timeout_graceful_shutdown=max(1, round(CLOSE)),
            )
        )
        self.demo, self.admission, self.opened = demo, admission, opened
        self._idle: dict[Any, float] = {}
        self._stalled: dict[Any, tuple[int, float]] = {}
        self._cleaners: list[asyncio.Task[None]] = []

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._cleaners = [asyncio.create_task(evict_idle(self.demo)), asyncio.create_task(collect(self.admission))]
        tune_runtime()
        self.opened()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self.cut(time.monotonic())
        return await super().on_tick(counter)

    def cut(self, now: float) -> None:
        """Close the connections that ask for nothing, and cut those whose readers do not read."""
        connections = [one for one in self.server_state.connections if getattr(one, "transport", None) is not None]
        idle = [one for one in connections if one.cycle is None or one.cycle.response_complete]  # type: ignore[union-attr]
        self._idle = {one: self._idle.get(one, now) for one in idle}
        for one, since in self._idle.items():
            if now - since > SILENT_SECONDS:
                one.transport.close()
        kept = {one: one.transport.get_write_buffer_size() for one in connections}
        self._stalled = {
            one: (size, self._stalled[one][1] if self._stalled.get(one, (0, 0))[0] == size else now)
            for one, size in kept.items()
            if size
        }
        for one, (_, since) in self._stalled.items():
            if now - since > STALLED_SECONDS:
                logger.info("cut a connection whose reader has taken nothing for %.0f seconds", STALLED_SECONDS)
                one.transport.abort()

    async def shutdown(self, sockets: Any = None) -> None:
        await self.admission.end(FINISH, STOP)
        for task in self._cleaners:
            task.cancel()
        await asyncio.sleep(0.05)  # in which the last words are sent
        self.demo.app.stop_event.set()  # ends the streams that tell pages that the server is there
        self.demo.is_running = False
        await super().shutdown(sockets)

    # --- for who does something else beside it ----------------------------------------------------------------

    def run_in_thread(self) -> None:
        """Serve from now on; raises `RuntimeError` if it does not come up."""
        self._thread = threading.Thread(target=self.run, name="hubcharlstm-server", daemon=True)
        self._thread.start()
        while not self.started:
            if not self._thread.is_alive():
                raise RuntimeError("The server did not start; expected it to: see the log above.")
            time.sleep(0.01)

    def close(self) -> None:
        """End it as a signal would."""
        self.should_exit = True
        self._thread.join(10)
