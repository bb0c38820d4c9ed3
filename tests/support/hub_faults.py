"""Faults between a client and the Hub, injected on command."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal["status", "slow", "cut", "flip", "reset", "lost", "drop", "stall", "headers", "page"]
PAGE = b"<!doctype html><title>Sign in</title><p>Welcome to the network of this hotel."


@dataclass
class Fault:
    """The next `times` requests of `method` to a path in which `pattern` is found go wrong.

    kind: "status" answers with `status`; "slow" answers after `seconds`; "cut" sends half of the body and closes;
    "flip" changes one bit of the body; "reset" breaks the connection after half of the body; "lost" does what was
    asked and closes without an answer; "drop" closes without doing it; "stall" sends half of the body and then nothing
    for `seconds`; "headers" sends `headers` instead of the right ones; "page" answers with a page of HTML, as the
    sign-in of a hotel does. skip: how many such requests go well first.
    """

    method: str
    pattern: str
    kind: Kind = "status"
    times: int = 1
    skip: int = 0
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "on command"
    happened: int = 0

    def meets(self, method: str, path: str) -> bool:
        """Whether this request fails; counts it if so."""
        if method != self.method or not re.search(self.pattern, path) or self.happened >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.happened += 1
        return True

    def happen(self, handler: Any, answer: Callable[[], Any]) -> None:
        """Fail a request. answer: executes it and returns the response that would have been sent."""
        from tests.support.hub_requests import Response, as_json

        if self.kind == "status":
            message = {"X-Error-Message": self.message}
            handler.send(as_json({"error": self.message}, self.status, message | self.headers))
            return
        if self.kind == "slow":
            time.sleep(self.seconds)
            handler.send(answer())
            return
        if self.kind == "page":
            handler.send(Response(200, PAGE, {"Content-Type": "text/html"}))
            return
        if self.kind == "drop":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        response = answer()
        if self.kind == "headers":
            handler.send(replace(response, headers=response.headers | self.headers))
            return
        half = response.body[: len(response.body) // 2]
        if self.kind == "flip" and not response.body:
            handler.send(response)
            return
        if self.kind == "flip":
            handler.send(response, half + bytes([response.body[len(half)] ^ 1]) + response.body[len(half) + 1 :])
            return
        if self.kind in ("cut", "reset", "stall"):
            handler.send(response, half)
            handler.wfile.flush()
        if self.kind == "stall":
            time.sleep(self.seconds)
        handler.close_connection = True
        if self.kind == "reset":
            time.sleep(0.1)  # what was sent before arrives first
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
        else:
            handler.connection.shutdown(socket.SHUT_RDWR)
