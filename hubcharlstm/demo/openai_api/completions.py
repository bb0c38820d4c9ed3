"""One request of `/v1/completions` while it runs: its texts, their places in the queue, and what is sent."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hubcharlstm import BusyError, TextStream
from hubcharlstm.decoding.sampling import new_seed
from hubcharlstm.demo.chat.pacing import UpdatePacer, follow
from hubcharlstm.demo.chat.replies import MAX_BUFFERED_TOKENS_AT_FULL_SPEED
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.openai_api.log_probs import LogProbReader, LogProbs
from hubcharlstm.demo.openai_api.requests import CompletionRequest
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving.admission import SHUTTING_DOWN, AdmissionController, ClientIdentity, QueueTicket
from hubcharlstm.demo.serving.backpressure import CLIENT_TIMEOUT
from hubcharlstm.demo.serving.openai_errors import error_body, error_response
from hubcharlstm.demo.settings import Settings
from hubcharlstm.errors import EngineError

logger = logging.getLogger(__name__)

TURN_SECONDS = 60.0
"""Between two looks at whether it is a waiting request's turn; the turn itself wakes it."""


@dataclass(frozen=True)
class CompletionService:
    """What requests share. reading: held while log-probabilities are computed, which takes a core or two."""

    registry: ModelRegistry
    admission: AdmissionController
    pacer: UpdatePacer
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


@dataclass
class Choice:
    """One of the texts of a request. place: its ticket, which is given back once the text has ended."""

    index: int
    prompt: str
    seed: int
    place: ExitStack
    ticket: QueueTicket
    text: str = ""
    log_probs: LogProbs | None = None
    finish_reason: str | None = None
    warnings: list[str] = field(default_factory=list)
    num_prompt: int = 0
    """Characters of the prompt as the model read it."""
    num_written: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "text": self.text,
            "logprobs": None if self.log_probs is None else self.log_probs.to_dict(),
            "finish_reason": self.finish_reason,
            "seed": self.seed,
            "warnings": self.warnings,
        }

    def chunk(self, text: str, log_probs: LogProbs | None) -> dict[str, Any]:
        """This choice in one chunk of a stream. text, log_probs: what is new."""
        new = {"text": text, "logprobs": None if log_probs is None else log_probs.to_dict()}
        return self.to_dict() | new


class CompletionResponse(Response):
    """The answer to one request, an ASGI application: JSON, or server-sent events if the request asks for them.

    Every text takes a place of its own under the app's limits. If the client disconnects, all texts are cancelled.
    """

    def __init__(self, service: CompletionService, request: CompletionRequest, client: ClientIdentity) -> None:
        super().__init__()
        self._service, self._request, self._client = service, request, client
        self._id = f"cmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._sending = asyncio.Lock()  # the texts of one stream send their chunks one after another
        self._is_started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._respond(scope, receive, send))
        departure = asyncio.create_task(wait_for_disconnect(receive))
        try:
            await asyncio.wait({work, departure}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            departure.cancel()
            result, _ = await asyncio.gather(work, departure, return_exceptions=True)
        if isinstance(result, Exception):
            raise result

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            choices, served_model = await self._write_all(send)
            await self._finish(choices, served_model, scope, receive, send)
        except TimeoutError:
            logger.info("gave up a completion whose client has read nothing for %.0f seconds", CLIENT_TIMEOUT)
            await wait_for_disconnect(receive)
        except (ValueError, EngineError) as error:
            status, code = status_of(error)
            param = error.field or None if isinstance(error, UserError) else None
            if self._is_started:
                await self._send_event(send, error_body(str(error), status, param=param, code=code))
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await error_response(str(error), status, param=param, code=code)(scope, receive, send)

    async def _finish(
        self, choices: list[Choice], served_model: ServedModel, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send the whole answer, or the end of the stream."""
        usage = self._usage(choices)
        if not self._request.stream:
            answer = self._head(served_model) | {"choices": [choice.to_dict() for choice in choices], "usage": usage}
            await JSONResponse(answer)(scope, receive, send)
            return
        if self._includes_usage:
            await self._send_event(send, self._head(served_model) | {"choices": [], "usage": usage})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    async def _write_all(self, send: Send) -> tuple[list[Choice], ServedModel]:
        """Write all texts, and send their chunks if it is a stream; raises the first error."""
        request, admission = self._request, self._service.admission
        first_seed = request.seed
        if first_seed is None:
            first_seed = new_seed() % (2**53 - request.num_samples)  # JavaScript holds up to 2**53 exactly
        with ExitStack() as places:
            choices: list[Choice] = []
            for prompt in request.prompt:
                for sample in range(request.num_samples):
                    place = places.enter_context(ExitStack())
                    ticket = place.enter_context(admission.enter(self._client))
                    choices.append(Choice(len(choices), prompt, first_seed + sample, place, ticket))
            await wait_for_turn(choices[0].ticket)
            try:
                return choices, await self._acquire_and_write(choices, send)
            except ExceptionGroup as group:
                raise first_of(group) from None

    async def _acquire_and_write(self, choices: list[Choice], send: Send) -> ServedModel:
        request = self._request
        async with self._service.registry.acquire(request.model) as served_model:
            settings = Settings.of(
                served_model.model.generation_config,
                temperature=request.temperature,
                length=request.max_tokens,
                top_k=request.top_k,
                top_p=request.top_p,
                min_p=request.min_p,
            )
            async with asyncio.TaskGroup() as group:
                for choice in choices:
                    group.create_task(self._write(choice, settings, served_model, send))
        return served_model

    async def _write(self, choice: Choice, settings: Settings, served_model: ServedModel, send: Send) -> None:
        """Write one text in its turn."""
        service, request = self._service, self._request
        await wait_for_turn(choice.ticket)
        stream = await served_model.stream(
            choice.prompt,
            settings,
            seed=choice.seed,
            stop=request.stop,
            max_buffered_tokens=MAX_BUFFERED_TOKENS_AT_FULL_SPEED,
        )
        following = follow([stream], service.pacer, full_speed=True, is_cancelled=lambda: service.admission.must_stop)
        async with aclosing(following) as pieces:
            choice.warnings, choice.num_prompt = list(stream.warnings), len(stream.prompt.text)
            reader = await self._open_reader(stream, served_model)
            if request.echo and stream.prompt.text:
                await self._emit(choice, stream.prompt.text, reader, served_model, send)
            async for (piece,) in pieces:
                choice.num_written += len(piece)
                await self._emit(choice, piece, reader, served_model, send)
        if stream.finish_reason not in ("length", "stop"):
            raise BusyError(SHUTTING_DOWN)
        if rest := stream.text[choice.num_written :]:  # of a text that ended as the server stopped
            choice.num_written += len(rest)
            await self._emit(choice, rest, reader, served_model, send)
        choice.finish_reason = stream.finish_reason
        choice.place.close()
        if request.stream:
            await self._send_chunk(choice.chunk("", None), served_model, send)

    async def _open_reader(self, stream: TextStream, served_model: ServedModel) -> LogProbReader | None:
        """The reader of a text's log-probabilities, at its beginning; None if nobody asked for them."""
        request = self._request
        if request.logprobs is None:
            return None
        reader = LogProbReader(served_model.model, request.logprobs)
        before = "" if request.echo else stream.prompt.text
        if not stream.prompt.text:
            vocabulary = served_model.vocabulary
            before = vocabulary.encode(served_model.start_text).text or vocabulary.chars[0]  # what it starts from
        if before:
            async with self._service.reading:
                await asyncio.to_thread(reader.skip, before)
        return reader

    async def _emit(
        self, choice: Choice, piece: str, reader: LogProbReader | None, served_model: ServedModel, send: Send
    ) -> None:
        """Add a piece to a text, and send it if it is a stream."""
        new: LogProbs | None = None
        if reader is not None:
            async with self._service.reading:
                new = await asyncio.to_thread(reader.report, piece)
            choice.log_probs = choice.log_probs or LogProbs()
            choice.log_probs.extend(new)
        choice.text += piece
        if self._request.stream:
            await self._send_chunk(choice.chunk(piece, new), served_model, send)

    # --- what is sent -----------------------------------------------------------------------------------------------

    def _head(self, served_model: ServedModel) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": served_model.label,
            "system_fingerprint": f"{served_model.fingerprint[:16]}-{served_model.decoder.precision}",
        }

    def _usage(self, choices: list[Choice]) -> dict[str, int]:
        """Characters: each prompt once, as the model read it, and all that was written."""
        before = sum(choice.num_prompt for choice in choices[:: self._request.num_samples])
        written = sum(choice.num_written for choice in choices)
        return {"prompt_tokens": before, "completion_tokens": written, "total_tokens": before + written}

    @property
    def _includes_usage(self) -> bool:
        options = self._request.stream_options
        return options is not None and options.include_usage

    async def _send_chunk(self, choice: dict[str, Any], served_model: ServedModel, send: Send) -> None:
        usage = {"usage": None} if self._includes_usage else {}
        await self._send_event(send, self._head(served_model) | {"choices": [choice]} | usage)

    async def _send_event(self, send: Send, data: dict[str, Any]) -> None:
        """Send one server-sent event; raises `TimeoutError` if the client reads nothing for `CLIENT_TIMEOUT`."""
        body = f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
        async with self._sending, asyncio.timeout(CLIENT_TIMEOUT):
            if not self._is_started:
                self._is_started = True
                headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def wait_for_turn(ticket: QueueTicket) -> None:
    """Wait in the queue; raises `BusyError` at shutdown."""
    while not await ticket.wait_for_turn(TURN_SECONDS):
        pass


async def wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def first_of(group: BaseExceptionGroup[Any]) -> Exception:
    """The first error of a group that may hold groups."""
    error: Any = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


def status_of(error: Exception) -> tuple[int, str | None]:
    """The HTTP status of a refusal, and its code where the status does not say it."""
    if isinstance(error, BusyError):
        return (503, None) if str(error) == str(SHUTTING_DOWN) else (429, None)
    if isinstance(error, EngineError):
        return 500, None
    if isinstance(error, UserError) and error.field == "model":
        return 404, "model_not_found"
    return 400, None
