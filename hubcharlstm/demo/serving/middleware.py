"""What stands before Gradio: sizes, slow senders, other people's pages, and routes that nobody needs here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

logger = logging.getLogger(__name__)

MAX_BODY = 1_000_000
"""Bytes of a request; the longest that the page sends, a reply to be continued, has some 600,000."""

BODY_SECONDS = 10.0
"""A request's whole body comes within this time."""

HANDLED_AT_ONCE = 4
"""Requests that begin at one time; the others wait for some milliseconds, so that no moment is long for anyone."""

AT_MOST = 0.25
"""Seconds that one of them keeps others waiting."""

FILES = (
    "upload",
    "deep_link",
    "process_recording",
    "file",
    "proxy=",
    "stream/",
    "component_server",
    "custom_component",
)
"""Routes of Gradio that write or read files or fetch from elsewhere; no part of the page uses one."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that is answered at once."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.response = JSONResponse({"error": sentence}, status, headers={"connection": "close"})


class Guard:
    """ASGI middleware. root: the path that the app is found under behind a proxy, "" for none.

    A proxy may take `root` away before it passes a request on, or leave it there.
    """

    def __init__(
        self, app: App, *, root: str, origins: Collection[str], health: Callable[[], tuple[int, dict[str, Any]]]
    ) -> None:
        self.app, self.root, self.origins, self.health = app, root.rstrip("/"), origins, health
        self._few = asyncio.Semaphore(HANDLED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if self.root and (path + "/").startswith(self.root + "/"):
            path = path[len(self.root) :] or "/"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if path == "/healthz":
            status, told = self.health()
            await JSONResponse(told, status, headers={"cache-control": "no-store"})(scope, receive, send)
            return
        try:
            self.check(scope, path)
            body = await self.read(scope, receive)
        except Refused as refused:
            logger.info("refused %s %s: %s", scope["method"], path, refused)
            await refused.response(scope, receive, send)
            return
        await self.pass_on(scope, body, receive, send)

    def check(self, scope: Scope, path: str) -> None:
        """Raise `Refused` for what is not served here."""
        name = path.removeprefix("/gradio_api/")
        if path.startswith(("/file", "/custom_component", "/monitoring")) or (name != path and name.startswith(FILES)):
            raise Refused(
                404, "There is nothing here; expected a path of the page or of its API: see /gradio_api/info."
            )
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and headers.get(b"sec-fetch-site") == "cross-site":
            origin = headers.get(b"origin", "")
            if origin not in self.origins:
                raise Refused(
                    403,
                    f"The page {origin[:100]!r} may not use this app; expected the app's own or a program: name it in "
                    "HUBCHARLSTM_ALLOW_ORIGINS.",
                )
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise too_large(length)

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body, read whole; raises `Refused` for one that is too long or comes too slowly."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return b""
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "The request broke off.")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > MAX_BODY:
                        raise too_large(f"more than {MAX_BODY:,}")
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(
                408, f"The request did not come within {BODY_SECONDS:.0f} seconds; expected all of it: send it again."
            ) from None

    async def pass_on(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Let the app answer; few begin at one time."""
        told = held = False

        async def whole() -> MutableMapping[str, Any]:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def answer(message: MutableMapping[str, Any]) -> None:
            release()
            await send(message)

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._few.release()

        held = await self._few.acquire()
        timer = asyncio.get_running_loop().call_later(AT_MOST, release)
        try:
            await self.app(scope, whole, answer)
        finally:
            timer.cancel()
            release()


def too_large(size: str) -> Refused:
    return Refused(413, f"The request has {size} bytes; expected {MAX_BODY:,} at most: shorten it.")


async def misunderstood(request: Request, error: Exception) -> JSONResponse:
    """The answer to a call that Gradio cannot make sense of, which it would let fail with a traceback."""
    if not request.url.path.rpartition("/gradio_api/")[2].startswith(("call/", "run/", "api/", "queue/", "cancel")):
        raise error
    logger.info("misunderstood %s: %r", request.url.path, error)
    return JSONResponse(
        {
            "error": f"The call is not understood ({str(error)[:200]}); expected an endpoint, its parameters and their "
            "types as /gradio_api/info lists them: correct it."
        },
        422,
    )
