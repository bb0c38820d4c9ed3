"""One of several processes of the app behind a reverse proxy: its name in a cookie, and an id unlike that of others.

A visitor's events live in one process, so that the proxy has to send all of them there: it reads the cookie. Requests
under `/v1` carry their whole context and set no cookie.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubcharlstm.demo.serving.openai_errors import is_openai_path

REPLICA_VARIABLE = "HUBCHARLSTM_REPLICA"
COOKIE = "hubcharlstm_replica"

INSTANCE = secrets.token_hex(8)
"""Tells the page whether the process that answers it now is the one that it began with."""


def replica_name(environment: Mapping[str, str]) -> str:
    """The name of this replica, "" for an app alone; raises `ValueError` for one that no cookie can hold."""
    name = environment.get(REPLICA_VARIABLE, "").strip()
    if name and not re.fullmatch(r"[\w-]{1,32}", name, re.ASCII):
        raise ValueError(
            f"{REPLICA_VARIABLE} is {name[:100]!r}; expected up to 32 letters, digits, - and _: correct it, or unset "
            "it."
        )
    return name


class ReplicaMiddleware:
    """Sets the cookie for visitors who come without it, or with that of a replica that does not answer any more."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app, self.name = app, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_openai_path(scope["path"]) or self._is_known(scope):
            await self.app(scope, receive, send)
            return

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{COOKIE}={self.name}; Path=/; HttpOnly; SameSite=Lax"
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_named)

    def _is_known(self, scope: Scope) -> bool:
        return HTTPConnection(scope).cookies.get(COOKIE) == self.name
