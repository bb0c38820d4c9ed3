"""Contract tests: the private names of Uvicorn are what `uvicorn_compat` takes them for."""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import Any

import pytest

pytest.importorskip("gradio")

import uvicorn

from hubcharlstm.demo.serving.uvicorn_compat import open_connections
from tests.support.served import Served, wait_until


def test_the_server_lists_its_connections(served: Served) -> None:
    """`server_state.connections` holds protocols with `transport`, and `cycle` with `response_complete`."""
    before = len(open_connections(served.server))
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        wait_until(lambda: len(open_connections(served.server)) > before)
        [opened] = [one for one in open_connections(served.server) if is_from(one.protocol, client)]
        assert opened.is_idle and opened.protocol.cycle is None and opened.unsent_bytes == 0
        client.sendall(b"GET /gradio_api/heartbeat/contract HTTP/1.1\r\nhost: localhost\r\n\r\n")
        wait_until(lambda: opened.protocol.cycle is not None)
        assert not opened.is_idle, "Uvicorn's cycle.response_complete is true while the response streams"
        assert b"200" in client.recv(1_000)
        served.server.servers[0].get_loop().call_soon_threadsafe(opened.abort)
        while client.recv(1_000):
            pass
    wait_until(lambda: opened not in open_connections(served.server))


def is_from(protocol: Any, client: socket.socket) -> bool:
    return bool(protocol.client[1] == client.getsockname()[1])


@pytest.mark.parametrize("name", ["startup", "shutdown", "on_tick"])
def test_the_server_has_the_hooks_that_it_is_extended_by(name: str) -> None:
    hook = getattr(uvicorn.Server, name, None)
    assert asyncio.iscoroutinefunction(hook), f"uvicorn.Server.{name} is no coroutine any more; `Server` overrides it"
    expected = {"startup": ["self", "sockets"], "shutdown": ["self", "sockets"], "on_tick": ["self", "counter"]}[name]
    assert list(inspect.signature(hook).parameters) == expected, f"uvicorn.Server.{name} takes other arguments"
