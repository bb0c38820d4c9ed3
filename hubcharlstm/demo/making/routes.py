"""The routes under `/make`, which the page's view "Make your own" calls. An owner is named by a header."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import HTTPConnection

from hubcharlstm import BusyError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.making.archive import zip_model
from hubcharlstm.demo.making.job import TrainingJob
from hubcharlstm.demo.making.limits import MAX_BODY_BYTES, check_seconds, check_title, file_stem
from hubcharlstm.demo.making.manager import TrainingManager
from hubcharlstm.demo.making.publishing import (
    HOME,
    LICENSES,
    Account,
    check_license,
    check_name,
    is_at_home,
    public_parts,
    publish,
)
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.owners import OWNER_HEADER, check_owner
from hubcharlstm.demo.serving.admission import ClientIdentity
from hubcharlstm.demo.serving.gradio_oauth import find_sign_in
from hubcharlstm.demo.serving.middleware import LocalizedHTTPException, Scope
from hubcharlstm.demo.threads import wait_in_daemon_thread
from hubcharlstm.demo.words.catalogue import Sentence, as_json, said_by, sentence
from hubcharlstm.hub.model_id import parse_model_id

PREFIX = "/make"
TEXT_PATH = f"{PREFIX}/text"
MAX_UPLOADS = 4
"""Texts that are received at one time."""
UPLOAD_SECONDS = 60.0
MAX_PUSHES = 4
"""Models that are pushed at one time, each of which is loaded once more."""
SIGN_IN_FAILED = "/#make=sign-in-failed"
"""Where a failed sign-in leads; the view says it."""

Handler = Callable[[Request], Awaitable[Response]]


class TextUpload:
    """What the middleware lets pass beyond its own limit: the text, once its sender is admitted."""

    path, max_bytes, seconds = TEXT_PATH, MAX_BODY_BYTES, UPLOAD_SECONDS

    def __init__(self, manager: TrainingManager) -> None:
        self._manager = manager
        self._uploading = 0

    @contextlib.contextmanager
    def admit(self, scope: Scope) -> Iterator[None]:
        """Hold a place for one upload; raises `LocalizedHTTPException` before any of its body is received."""
        connection = HTTPConnection(scope)
        try:
            owner = check_owner(connection.headers.get(OWNER_HEADER))
            self._manager.check_admission(owner, ClientIdentity.of_http(connection).address)
        except ValueError as error:
            status = 429 if isinstance(error, BusyError) else 400
            raise LocalizedHTTPException(status, said_by(error)) from error
        if self._uploading >= MAX_UPLOADS:
            raise LocalizedHTTPException(429, sentence("make.uploads_full"))
        self._uploading += 1
        try:
            yield
        finally:
            self._uploading -= 1


class MakingRoutes:
    """The handlers of the routes. demo: the page, which knows who has signed in."""

    def __init__(self, manager: TrainingManager, registry: ModelRegistry, demo: gr.Blocks) -> None:
        self._manager, self._registry, self._demo = manager, registry, demo
        self._pushing = asyncio.Semaphore(MAX_PUSHES)

    async def submit(self, request: Request) -> Any:
        """A text as the body; `title` in the query."""
        try:
            text = (await request.body()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(sentence("make.no_utf8", byte=error.start)) from error
        title = check_title(request.query_params.get("title", ""))
        owner = self._owner(request)
        await self._manager.submit(owner, ClientIdentity.of_http(request).address, title, text)
        return self._manager.state(owner)

    async def start(self, request: Request) -> Any:
        """{"seconds": 30, 60 or 180, "model": the label of the model to begin with, "" for none}."""
        wanted = await json_object(request)
        if not isinstance(wanted.get("model", ""), str):
            raise UserError(sentence("make.no_choice"))
        owner, seconds = self._owner(request), check_seconds(wanted.get("seconds"))
        label = wanted.get("model", "")
        self._manager.start(owner, seconds, self._source_of(label) if label else "")
        return self._manager.state(owner)

    async def stop(self, request: Request) -> Any:
        self._manager.stop(owner := self._owner(request))
        return self._manager.state(owner)

    async def forget(self, request: Request) -> Any:
        await self._manager.forget(owner := self._owner(request))
        return self._manager.state(owner)

    async def again(self, request: Request) -> Any:
        await self._manager.again(owner := self._owner(request))
        return self._manager.state(owner)

    async def state(self, request: Request) -> Any:
        account = await self._account(request)
        publishing = {
            "may_publish": account is not None,
            "may_sign_in": self._demo.expects_oauth,
            "account": account.name if account is not None else "",
        }
        return {**self._manager.state(self._owner(request)), **publishing}

    async def archive(self, request: Request) -> Any:
        """The finished model as a zip archive."""
        job = self._manager.finished(self._owner(request))
        name = file_stem(job.title)
        content = await asyncio.to_thread(zip_model, job.model_folder, f"charlstm-{name}")
        headers = {"content-disposition": f'attachment; filename="charlstm-{name}.zip"', "cache-control": "no-store"}
        return Response(content, media_type="application/zip", headers=headers)

    async def public_parts(self, request: Request) -> Any:
        """What of the text would become public; only for who may publish."""
        job, _ = await self._publishable(request)
        text = await asyncio.to_thread(job.text_file.read_text, encoding="utf-8")
        parts = await asyncio.to_thread(public_parts, job.model_folder, text)
        return {**parts, "name": f"charlstm-{file_stem(job.title)}", "licenses": list(LICENSES)}

    async def publish(self, request: Request) -> Any:
        """{"name": of the new model, "license": one of `LICENSES`, "private": true unless it is to be public}."""
        _, account = await self._publishable(request)
        wanted = await json_object(request)
        name, license_name = check_name(wanted.get("name")), check_license(wanted.get("license", ""))
        async with self._pushing:
            job = self._manager.finished(self._owner(request))  # which may have gone meanwhile
            return await wait_in_daemon_thread(
                publish, job.model_folder, name, account, license_name=license_name,
                private=wanted.get("private") is not False,
            )  # fmt: skip

    def _source_of(self, label: str) -> str:
        """What the trainer, in another folder and without the Hub, loads the very model of a label from."""
        source = self._registry.source_of(label) or "pretrained"
        if Path(source).is_dir():
            return str(Path(source).resolve())
        revisions = [one.model.revision for one in self._registry.loaded if one.label == label]
        return f"{parse_model_id(source)[0]}@{revisions[0]}" if revisions and revisions[0] else source

    async def _account(self, request: Request) -> Account | None:
        """Where a model of this browser may go."""
        if is_at_home(request, os.environ):
            return HOME
        signed_in = await find_sign_in(self._demo, request) if self._demo.expects_oauth else None
        return Account(signed_in.name, signed_in.token) if signed_in is not None else None

    async def _publishable(self, request: Request) -> tuple[TrainingJob, Account]:
        account = await self._account(request)
        if account is None:
            raise UserError(
                sentence("make.not_signed_in") if self._demo.expects_oauth else sentence("make.publish_elsewhere")
            )
        return self._manager.finished(self._owner(request)), account

    def _owner(self, request: Request) -> str:
        return check_owner(request.headers.get(OWNER_HEADER))


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of a body; raises `UserError` for anything else."""
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError(sentence("make.no_choice"))
    return value


def refusal(said: str | Sentence, status: int) -> Response:
    """The answer that refuses a request: in English for programs, and as the page takes it."""
    return JSONResponse({"error": str(said), "sentence": as_json(said)}, status)


def answer(handler: Callable[[Request], Awaitable[Any]]) -> Handler:
    """A handler whose value is answered as JSON, and whose `ValueError` as a `refusal` with status 400."""

    async def handle(request: Request) -> Response:
        try:
            value = await handler(request)
        except ValueError as error:
            return refusal(said_by(error), 400)
        except OSError as error:
            return refusal(sentence("make.no_storage", reason=error.strerror), 507)
        return value if isinstance(value, Response) else JSONResponse(value, headers={"cache-control": "no-store"})

    return handle


def add_making(app: FastAPI, manager: TrainingManager, registry: ModelRegistry, demo: gr.Blocks) -> None:
    """Add the routes to `app`, before anything is mounted at its root."""
    routes = MakingRoutes(manager, registry, demo)
    app.add_route(TEXT_PATH, answer(routes.submit), methods=["POST"])
    for name in ("start", "stop", "again", "forget"):
        app.add_route(f"{PREFIX}/{name}", answer(getattr(routes, name)), methods=["POST"])
    app.add_route(f"{PREFIX}/state", answer(routes.state), methods=["GET"])
    app.add_route(f"{PREFIX}/publish", answer(routes.public_parts), methods=["GET"])
    app.add_route(f"{PREFIX}/publish", answer(routes.publish), methods=["POST"])
    app.add_route(f"{PREFIX}/model.zip", answer(routes.archive), methods=["GET"])
