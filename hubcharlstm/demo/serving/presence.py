"""ASGI middleware that sees tabs open and close, by the heartbeat that Gradio's page keeps open."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from hubcharlstm.demo.owners import Owners

HEARTBEAT = "/gradio_api/heartbeat/"


class PresenceMiddleware:
    """Tells `owners` when a tab's heartbeat begins and ends.

    Gradio's `unload` event tells of its end alone, and not of a tab whose connection broke and came back.
    """

    def __init__(self, app: ASGIApp, owners: Owners) -> None:
        self.app, self.owners = app, owners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(HEARTBEAT):
            await self.app(scope, receive, send)
            return
        session = path.removeprefix(HEARTBEAT)[:64]
        self.owners.connect(session)
        try:
            await self.app(scope, receive, send)
        finally:
            self.owners.disconnect(session)
