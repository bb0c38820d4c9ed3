"""ASGI middleware: password, body limit, read timeout, cross-site check, blocked file routes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hubcharlstm.demo.serving.authentication import Authenticator
from hubcharlstm.demo.serving.gradio_compat import endpoint_parameters, wrong_argument
from hubcharlstm.demo.serving.openai_errors import error_response, is_openai_path
from hubcharlstm.demo.settings import unknown_parameter
from hubcharlstm.demo.words.catalogue import Sentence, as_json

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
"""The largest request of the page, which continues a reply, has some 600,000."""

MAX_VALUES = 20_000
"""Values of a JSON body: the page's largest evicts 5,000 replies. A text costs next to nothing to parse, copy and
compare, but 100,000 small values 0.5 s of the event loop."""

TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A text in JSON, which ends with the body where its end is missing."""

BODY_TIMEOUT = 10.0
"""Seconds within which a request's whole body must arrive."""

MAX_CONCURRENT_STARTS = 4
"""Requests that Gradio begins to handle at one time; others wait for some milliseconds, so that the event loop never
spends long on a burst of them."""

MAX_START_SECONDS = 0.25
"""After which a request no longer counts as beginning, whether or not it has sent anything."""

BLOCKED_ROUTES = (
    "upload",
    "deep_link",
    "process_recording",
    "file",
    "proxy=",
    "stream/",
    "component_server",
    "custom_component",
)
"""Gradio's routes that read or write files or fetch other URLs; no part of the page uses one."""

TOOLS_ROUTE = "mcp"
"""Where assistants send JSON."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods without a body and without effect."""

CALL_ROUTES = ("call/", "run/", "api/", "queue/", "cancel")
"""Gradio's routes for events and endpoints."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class LocalizedHTTPException(HTTPException):
    """A refusal whose sentence the page shows in its visitor's language."""

    def __init__(self, status_code: int, said: str | Sentence) -> None:
        super().__init__(status_code, str(said))
        self.sentence = as_json(said)


class Upload(Protocol):
    """A route whose bodies may be larger. admit: raises `HTTPException` before any of a body is received."""

    path: str
    max_bytes: int
    seconds: float

    def admit(self, scope: Scope) -> AbstractContextManager[None]: ...


class HardeningMiddleware:
    """Answers `/healthz`, refuses what the app does not serve, and reads each body whole before Gradio sees it.

    root: the path prefix behind a reverse proxy, "" for none; a proxy may strip it or pass it on. origins: those of
    other sites' pages that may call the app. health: the status and body of `/healthz`, which needs no password.
    authenticator: None if the app asks for no password. upload: the one route with larger bodies, None for none.
    """

    def __init__(
        self,
        app: App,
        *,
        root: str,
        origins: Collection[str],
        health: Callable[[], tuple[int, dict[str, Any]]],
        authenticator: Authenticator | None = None,
        upload: Upload | None = None,
    ) -> None:
        self.upload = upload
        self.app, self.root, self.origins, self.health = app, root.rstrip("/"), origins, health
        self.authenticator = authenticator
        self._starts = asyncio.Semaphore(MAX_CONCURRENT_STARTS)
        self._checking = asyncio.Lock()  # one body in each turn of the event loop

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
            status, body = self.health()
            await JSONResponse(body, status, headers={"cache-control": "no-store"})(scope, receive, send)
            return
        try:
            self._check(scope, path)
            if self.authenticator is not None:
                scope = self.authenticator.admit(scope, path)
            if self.upload is not None and path == self.upload.path:
                with self.upload.admit(scope):
                    request_body = await receive_body(scope, receive, self.upload.max_bytes, self.upload.seconds)
            else:
                request_body = await receive_body(scope, receive)
                if len(request_body) > MAX_VALUES:
                    async with self._checking:
                        check_values(request_body)
                        await asyncio.sleep(0)
                if request_body and path.removeprefix("/gradio_api/").split("/")[0] == TOOLS_ROUTE:
                    check_json(request_body)
        except HTTPException as error:
            logger.info("refused %s %s: %s", scope["method"], path, error.detail)
            await refusal(path, error)(scope, receive, send)
            return
        await self._forward(scope, request_body, receive, send)

    def _check(self, scope: Scope, path: str) -> None:
        """Raise `HTTPException` for a blocked route, a cross-site request or too large a body."""
        route = path.removeprefix("/gradio_api/")
        is_api = route != path
        if path.startswith(("/file", "/custom_component", "/monitoring")) or (
            is_api and route.startswith(BLOCKED_ROUTES)
        ):
            raise HTTPException(
                404, "There is nothing here; expected a path of the page or of its API: see /gradio_api/info."
            )
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        if scope["method"] not in SAFE_METHODS and headers.get(b"sec-fetch-site") == "cross-site":
            origin = headers.get(b"origin", "")
            if origin not in self.origins:
                raise HTTPException(
                    403,
                    f"The page {origin[:100]!r} may not use this app; expected the app's own or a program: name it in "
                    "HUBCHARLSTM_ALLOW_ORIGINS.",
                )
        length = headers.get(b"content-length", "0")
        is_upload = self.upload is not None and path == self.upload.path
        max_bytes = self.upload.max_bytes if self.upload is not None and is_upload else MAX_BODY_BYTES
        if not length.isdecimal() or int(length) > max_bytes:
            raise too_large(length, max_bytes)

    async def _forward(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Pass the request on to the app, one of `MAX_CONCURRENT_STARTS` until it sends something."""
        body_sent = is_starting = False

        async def receive_buffered() -> Message:
            nonlocal body_sent
            if body_sent:
                return await receive()
            body_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_started(message: Message) -> None:
            release()
            await send(message)

        def release() -> None:
            nonlocal is_starting
            if is_starting:
                is_starting = False
                self._starts.release()

        is_starting = await self._starts.acquire()
        timer = asyncio.get_running_loop().call_later(MAX_START_SECONDS, release)
        try:
            await self.app(scope, receive_buffered, send_started)
        finally:
            timer.cancel()
            release()


async def receive_body(
    scope: Scope, receive: Receive, max_bytes: int = MAX_BODY_BYTES, seconds: float | None = None
) -> bytes:
    """The whole body; raises `HTTPException` for one that is too large, too slow or incomplete."""
    if scope["method"] in SAFE_METHODS:
        return b""
    seconds = BODY_TIMEOUT if seconds is None else seconds
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(400, "The request broke off.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > max_bytes:
                    raise too_large(f"more than {max_bytes:,}", max_bytes)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise HTTPException(
            408, f"The request did not come within {seconds:.0f} seconds; expected all of it: send it again."
        ) from None


def check_values(body: bytes) -> None:
    """Raise `HTTPException` for a JSON body of more than `MAX_VALUES` values."""
    structure = TEXT.sub(b"", body)
    values = sum(structure.count(mark) for mark in (b",", b"[", b"{"))
    if values > MAX_VALUES:
        raise HTTPException(
            413, f"The request holds {values:,} values; expected {MAX_VALUES:,} at most: send less in one request."
        )


def check_json(body: bytes) -> None:
    """Raise `HTTPException` for a body that is no JSON. The package mcp answers some with 500 and a traceback."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(
            400, "The body is no JSON in UTF-8; expected a message of the Model Context Protocol: correct it."
        ) from None


def refusal(path: str, error: HTTPException) -> JSONResponse:
    """The answer that refuses a request, in the shape that clients of `path` read; its connection is closed."""
    headers = {**(error.headers or {}), "connection": "close"}
    if is_openai_path(path):
        return error_response(error.detail, error.status_code, headers=headers)
    said = {"sentence": error.sentence} if isinstance(error, LocalizedHTTPException) else {}
    return JSONResponse({"error": error.detail, **said}, error.status_code, headers)


def too_large(size: str, max_bytes: int) -> HTTPException:
    return HTTPException(413, f"The request has {size} bytes; expected {max_bytes:,} at most: shorten it.")


def malformed_call_handler(demo: gr.Blocks) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    """FastAPI exception handler: 422 for a call that Gradio cannot parse, instead of a traceback and a 500."""

    async def handler(request: Request, error: Exception) -> JSONResponse:
        route = request.url.path.rpartition("/gradio_api/")[2]
        if not route.startswith(CALL_ROUTES):
            raise error
        logger.info("malformed call of %s: %r", request.url.path, error)
        return JSONResponse({"error": explain_call(route, error, endpoint_parameters(demo))}, 422)

    return handler


def explain_call(route: str, error: Exception, endpoints: Mapping[str, Sequence[str]]) -> str:
    """The sentence for a call that cannot be parsed. endpoints: the parameters of each, by its path."""
    path = "/" + route.removeprefix("call/").removeprefix("v2/").rstrip("/")
    if route.startswith("call/") and path not in endpoints:
        return f"There is no endpoint {path[:40]!r}; expected {', '.join(endpoints)}: correct the path."
    if (wrong := wrong_argument(error)) is not None and path in endpoints:
        name, is_missing = wrong
        if not is_missing:
            return unknown_parameter(name, endpoints[path])
        return f"The parameter {name!r} is missing; expected it beside any other: add it."
    return (
        f"The call is not understood ({str(error)[:200]}); expected an endpoint, its parameters and their types as "
        "/gradio_api/info lists them: correct it."
    )
