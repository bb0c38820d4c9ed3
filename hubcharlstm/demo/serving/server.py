"""The Uvicorn server: timeouts for silent connections, and a graceful shutdown that answers every request."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr
import uvicorn

from hubcharlstm.demo.serving.admission import AdmissionController
from hubcharlstm.demo.serving.failures import LineBudget
from hubcharlstm.demo.serving.gradio_compat import end_heartbeats, evict_idle_sessions
from hubcharlstm.demo.serving.runtime import collect_garbage, tune_runtime
from hubcharlstm.demo.serving.uvicorn_compat import Connection, open_connections

logger = logging.getLogger(__name__)

FINISH_SECONDS, STOP_SECONDS, CLOSE_SECONDS = 2.5, 0.7, 1.0
"""At shutdown: for running requests to finish, for the others to be stopped and answered, for connections to close."""

IDLE_TIMEOUT = 15.0
"""Seconds without a request after which a connection is closed."""

WRITE_TIMEOUT = 60.0
"""Seconds in which a client takes nothing of what is sent, after which its connection is aborted."""


class Server(uvicorn.Server):
    """Uvicorn for one app. on_startup: called once it listens."""

    def __init__(
        self,
        app: Any,
        demo: gr.Blocks,
        admission: AdmissionController,
        host: str,
        port: int,
        on_startup: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                lifespan="on",
                ws="none",
                proxy_headers=False,  # `ClientIdentity` decides which of them to trust
                server_header=False,
                timeout_graceful_shutdown=max(1, round(CLOSE_SECONDS)),
            )
        )
        logging.getLogger("uvicorn.error").addFilter(LineBudget())  # after `Config`, which sets its loggers up
        self.demo, self.admission, self.on_startup = demo, admission, on_startup
        self.on_shutdown: Callable[[], Awaitable[None]] | None = None
        """Awaited when it shuts down, after its requests have ended."""
        self._watchdog = ConnectionWatchdog()
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._tasks = [
            asyncio.create_task(evict_idle_sessions(self.demo)),
            asyncio.create_task(collect_garbage(self.admission)),
        ]
        tune_runtime()
        self.on_startup()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._watchdog.check(open_connections(self), time.monotonic())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        await self.admission.shut_down(FINISH_SECONDS, STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self.on_shutdown is not None:
            await self.on_shutdown()
        await asyncio.sleep(0.05)  # in which the last messages are sent
        end_heartbeats(self.demo)
        await super().shutdown(sockets)

    # --- in a thread, for tests and notebooks ---------------------------------------------------------------------

    def run_in_thread(self) -> None:
        """Serve in a thread of its own; raises `RuntimeError` if it does not start."""
        self._thread = threading.Thread(target=self.run, name="hubcharlstm-server", daemon=True)
        self._thread.start()
        while not self.started:
            if not self._thread.is_alive():
                raise RuntimeError("The server did not start; expected it to: see the log above.")
            time.sleep(0.01)

    def close(self) -> None:
        """Shut down as a signal would."""
        self.should_exit = True
        self._thread.join(10)


class ConnectionWatchdog:
    """Closes connections that send no request, and aborts those whose client reads nothing."""

    def __init__(self) -> None:
        self._idle_since: dict[Connection, float] = {}
        self._stalled: dict[Connection, tuple[int, float]] = {}
        """Unsent bytes, and since when there are that many."""

    def check(self, connections: list[Connection], now: float) -> None:
        """Apply both timeouts. now: monotonic seconds."""
        idle = [connection for connection in connections if connection.is_idle]
        self._idle_since = {connection: self._idle_since.get(connection, now) for connection in idle}
        for connection, since in self._idle_since.items():
            if now - since > IDLE_TIMEOUT:
                connection.close()
        stalled: dict[Connection, tuple[int, float]] = {}
        for connection in connections:
            if size := connection.unsent_bytes:
                before, since = self._stalled.get(connection, (0, now))
                stalled[connection] = (size, since if before == size else now)
        self._stalled = stalled
        for connection, (_, since) in stalled.items():
            if now - since > WRITE_TIMEOUT:
                logger.info("aborted a connection whose client has read nothing for %.0f seconds", WRITE_TIMEOUT)
                connection.abort()
