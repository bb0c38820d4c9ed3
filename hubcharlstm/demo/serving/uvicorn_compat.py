"""The private names of Uvicorn: it has no timeout for connections that send or read nothing.

`tests/demo/serving/test_uvicorn_compat.py` holds a contract test for each name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass(frozen=True)
class Connection:
    """An open connection. protocol: Uvicorn's object, which is the connection's identity between two looks."""

    protocol: Any

    @property
    def is_idle(self) -> bool:
        """True between two requests, and before the first one is complete.

        `cycle` is Uvicorn's request under way, None before the first; it has no public counterpart.
        """
        cycle = self.protocol.cycle
        return cycle is None or bool(cycle.response_complete)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        return int(self.protocol.transport.get_write_buffer_size())

    def close(self) -> None:
        """Close it once everything is sent."""
        self.protocol.transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self.protocol.transport.abort()


def open_connections(server: uvicorn.Server) -> list[Connection]:
    """The open connections of a running server; `server_state` is the only list of them."""
    protocols = server.server_state.connections
    return [Connection(protocol) for protocol in protocols if getattr(protocol, "transport", None) is not None]
