"""The routes of the view under `/inside`: traces as bytes, what mattered for a character, a clamped text, a file."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from hubcharlstm import BusyError, TextStream
from hubcharlstm.demo.chat.encoding_warnings import encoding_warnings
from hubcharlstm.demo.chat.pacing import UpdatePacer, follow
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.inside.packing import cell_arrays, map_arrays, menu_cells, pack, trace_arrays
from hubcharlstm.demo.inside.report import report_words
from hubcharlstm.demo.inside.requests import MAX_TEXT, InsideRequest
from hubcharlstm.demo.inside.tracing import Tracer
from hubcharlstm.demo.owners import owner_of
from hubcharlstm.demo.page.theme import STATIC
from hubcharlstm.demo.private_models import PrivateModels
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving.admission import SHUTTING_DOWN, AdmissionController, ClientIdentity
from hubcharlstm.demo.settings import Settings
from hubcharlstm.demo.words.catalogue import FOLDER, INSIDE, Sentence, as_json, sentence
from hubcharlstm.errors import EngineError
from hubcharlstm.hub import training_record
from hubcharlstm.inspection import report_page
from hubcharlstm.inspection.connectivity import connectivity
from hubcharlstm.inspection.trace import Trace
from hubcharlstm.introduction import passage

PREFIX = "/inside"
MAX_PASSAGE = 240
"""Characters of a model's own text."""
MAX_REPLY = 10_000
"""Characters of a reply that are searched for what stands in the training text."""
TURN_SECONDS = 60.0
"""Between two checks whether it is a waiting request's turn; the turn itself wakes it."""

Answer = Callable[[InsideRequest, ServedModel], Awaitable[Response]]
UNCOMPRESSED = {"content-encoding": "identity"}
"""Of float32 and bytes of a picture gzip saves a seventh, in 20 ms of a core."""


class InsideRoutes:
    """The handlers of the routes, over the app's models and a visitor's own, and under the app's limits."""

    def __init__(
        self, models: PrivateModels, admission: AdmissionController, pacer: UpdatePacer, tracer: Tracer
    ) -> None:
        self._models, self._admission, self._pacer, self._tracer = models, admission, pacer, tracer

    def route(self, answer: Answer, max_text: int = MAX_TEXT) -> Callable[[Request], Awaitable[Response]]:
        """The handler that parses a request, waits for its turn and answers it, or refuses it in one sentence."""

        async def handle(request: Request) -> Response:
            try:
                inside = InsideRequest.parse(await request.body(), owner_of(request.headers), max_text=max_text)
                async with self._admitted(request, inside) as served_model:
                    return await answer(inside, served_model)
            except (ValueError, EngineError) as error:
                return refusal(error)

        return handle

    @asynccontextmanager
    async def _admitted(self, request: Request, inside: InsideRequest) -> AsyncIterator[ServedModel]:
        with self._admission.enter(ClientIdentity.of_http(request)) as ticket:
            while not await ticket.wait_for_turn(TURN_SECONDS):
                pass
            async with self._models.acquire(inside.model, inside.owner) as served_model:
                inside.check_cells(served_model.model.config)
                yield served_model

    async def trace(self, inside: InsideRequest, served_model: ServedModel) -> Response:
        """Surprise and guesses of a text, exact values of some cells, and maps of whole layers, as bytes."""
        text = inside.text or passage_of(served_model)
        if not served_model.vocabulary.encode(text).ids:
            raise UserError(sentence("inside.unreadable"))
        packed = await self._tracer.answer(
            served_model, text, inside.before, inside.owner, lambda found: pack_answer(served_model, inside, found)
        )
        return Response(packed, media_type="application/octet-stream", headers=UNCOMPRESSED)

    async def prepare(self, inside: InsideRequest, served_model: ServedModel) -> Response:
        """The answer of `trace` for a text that is being typed; nothing while anybody waits for anything.

        Without maps nothing either, but the text is traced, so that the rest of it is quick.
        """
        is_readable = bool(served_model.vocabulary.encode(inside.text).ids)
        if inside.owner and is_readable and self._tracer.is_idle and not any(served_model.engine.load.values()):
            if inside.maps:
                return await self.trace(inside, served_model)
            await self._tracer.trace(served_model, inside.text, inside.before, inside.owner)
        return Response(status_code=204)

    async def connectivity(self, inside: InsideRequest, served_model: ServedModel) -> Response:
        """How much each earlier character moves the guess at a position."""
        found = await self._tracer.run(
            connectivity, served_model.model, served_model.vocabulary, inside.text, inside.position,
            start_text=inside.before or served_model.start_text, fingerprint=served_model.fingerprint,
        )  # fmt: skip
        norms = [round(float(norm), 5) for norm in found.norms]
        return JSONResponse({"position": found.position, "character": found.character, "norms": norms})

    async def scores(self, inside: InsideRequest, served_model: ServedModel) -> Response:
        """Bits per character of the text by every model in memory, and of each model's own held-out text."""
        registry = self._models.registry
        rows = [await self._score(served_model, inside)]
        for label in [one.label for one in registry.loaded if one.label != served_model.label]:
            async with registry.acquire(label) as other:
                rows.append(await self._score(other, inside))
        return JSONResponse({"rows": rows})

    async def _score(self, served_model: ServedModel, inside: InsideRequest) -> dict[str, Any]:
        bpc = (await self._tracer.run(served_model.score, inside.text, inside.before)).bpc
        return {"model": served_model.label, "bpc": bpc, "held_out": held_out_bpc(served_model)}

    async def copies(self, inside: InsideRequest, served_model: ServedModel) -> Response:
        """The runs of the text that stand in the training text, null without a filter, and how often it is wrong."""
        if served_model.model.ngrams is None:
            return JSONResponse({"runs": None, "errors": {}})
        found = await self._tracer.run(served_model.model.copied_runs, inside.text, before=inside.before)
        runs = [list(run) for run in found.runs] if found.text == inside.text else []
        return JSONResponse({"runs": runs, "errors": dict(found.errors)})

    async def report(self, inside: InsideRequest, served_model: ServedModel) -> Response:
        """The text's surprise and cells as one HTML file to take along."""
        found = await self._tracer.trace(served_model, inside.text, inside.before, inside.owner)
        cells = served_model.model.cells.strongest if served_model.model.cells else ()
        page = await self._tracer.run(
            report_page.page, found, served_model.vocabulary.chars, title=served_model.label, cells=cells,
            words=report_words(inside.language),
        )  # fmt: skip
        return HTMLResponse(page, headers={"content-disposition": 'attachment; filename="inside.html"'})

    async def write(self, request: Request) -> Response:
        """What follows the text as it is, and with one cell held at a value, by the same seed: JSON lines of pieces."""
        try:
            inside = InsideRequest.parse(await request.body(), owner_of(request.headers))
            lines = self._lines(request, inside)
            first = await anext(lines)  # a refusal has a status of its own
        except (ValueError, EngineError) as error:
            return refusal(error)

        async def body() -> AsyncGenerator[str, None]:
            async with aclosing(lines):
                yield first
                async for line in lines:
                    yield line

        return StreamingResponse(body(), media_type="application/x-ndjson", headers={"cache-control": "no-store"})

    async def _lines(self, request: Request, inside: InsideRequest) -> AsyncGenerator[str, None]:
        async with self._admitted(request, inside) as served_model:
            config = served_model.model.generation_config
            settings = Settings.of(config, temperature=inside.temperature, length=inside.length)
            held = tuple((*cell, inside.value) for cell in dict.fromkeys(inside.cells or ()))
            streams: list[TextStream] = []
            try:
                for clamp in ((), held):
                    prompt = inside.before + inside.text
                    streams.append(await served_model.stream(prompt, settings, seed=inside.seed, clamp=clamp))
                yield json.dumps({"seed": inside.seed}) + "\n"
                following = follow(
                    streams, self._pacer, full_speed=True, is_cancelled=lambda: self._admission.must_stop
                )  # fmt: skip
                async with aclosing(following) as pieces:
                    async for texts in pieces:
                        yield json.dumps({"pieces": texts}) + "\n"
            finally:
                for stream in streams:
                    stream.cancel()


def pack_answer(served_model: ServedModel, inside: InsideRequest, found: Trace) -> bytes:
    """The answer of `/inside/trace`. Without `cells` it also tells which cells have a name, with their values."""
    model = served_model.model
    header: dict[str, Any] = {"text": found.text, "model": served_model.label}
    arrays: dict[str, Any] = {}
    if inside.cells is None:
        encoding = served_model.vocabulary.encode(inside.text or found.text)
        header["warnings"] = [warning.as_json() for warning in encoding_warnings(served_model, "", encoding)]
        header["menu"] = menu_cells(model, found)
        header["sizes"] = [model.config.num_layers, model.config.hidden_size]
        header["characters"] = list(served_model.vocabulary.chars)
        header["held_out"] = held_out_bpc(served_model)
        arrays |= trace_arrays(found)
    cells = [(cell["layer"], cell["unit"]) for cell in header["menu"]] if inside.cells is None else list(inside.cells)
    header["cells"] = cells
    arrays |= cell_arrays(model, found, cells) | map_arrays(found, inside.maps)
    return pack(header, arrays)


def passage_of(served_model: ServedModel) -> str:
    """A text of the model's own, for a page that opens the view without one."""
    model = served_model.model
    if model.cells is not None and model.cells.passage:
        return model.cells.passage
    sample = passage(training_record.valid_record(model.record))
    if sample:
        return f"{sample['prompt']}{sample['text']}"[:MAX_PASSAGE]
    examples = model.generation_config.examples
    return examples[0] if examples else served_model.vocabulary.chars[0]


def held_out_bpc(served_model: ServedModel) -> float | None:
    """Bits per character on the model's own held-out text, where its record knows them."""
    value = served_model.model.record.get("val_bpc")
    return float(value) if isinstance(value, (int, float)) else None


def refusal(error: Exception) -> JSONResponse:
    """One sentence with its status: English for programs, and for the page by its key, where it has one."""
    status = 500 if isinstance(error, EngineError) else 400
    if isinstance(error, BusyError):
        status = 503 if str(error) == str(SHUTTING_DOWN) else 429
    message = error.args[0] if error.args and isinstance(error.args[0], Sentence) else None
    return JSONResponse({"error": str(error), "sentence": as_json(message)}, status)


def add_inside(
    app: FastAPI, models: PrivateModels, admission: AdmissionController, pacer: UpdatePacer, tracer: Tracer
) -> None:
    """Add the view's routes and its scripts to `app`, before anything is mounted at its root."""
    routes = InsideRoutes(models, admission, pacer, tracer)
    for answer in (routes.trace, routes.prepare, routes.connectivity, routes.scores, routes.report):
        app.add_route(f"{PREFIX}/{answer.__name__}", routes.route(answer), methods=["POST"])
    app.add_route(f"{PREFIX}/copies", routes.route(routes.copies, MAX_REPLY), methods=["POST"])
    app.add_route(f"{PREFIX}/write", routes.write, methods=["POST"])
    app.mount(f"{PREFIX}/words", StaticFiles(directory=FOLDER / INSIDE))
    app.mount(PREFIX, StaticFiles(directory=STATIC / "inside"))
