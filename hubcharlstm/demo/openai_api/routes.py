"""The routes under `/v1`: completions, the models on offer, and a sentence for everything else."""

from __future__ import annotations

import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.openai_api.completions import CompletionResponse, CompletionService
from hubcharlstm.demo.openai_api.requests import CompletionRequest
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity
from hubcharlstm.demo.serving.openai_errors import PREFIX, error_response

ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class OpenAIRoutes:
    """The handlers of the routes."""

    def __init__(self, service: CompletionService) -> None:
        self._service = service
        self._created = int(time.time())

    async def create_completion(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return error_response(
                f"The content type is {content_type[:40]!r}; expected application/json: send the header with it.", 415
            )
        try:
            completion = CompletionRequest.parse(await request.body())
        except UserError as error:
            return error_response(str(error), 400, param=error.field or None)
        return CompletionResponse(self._service, completion, ClientIdentity.of_http(request))

    async def list_models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": self._models()})

    async def retrieve_model(self, request: Request) -> Response:
        models, name = self._models(), str(request.path_params["model"])
        found = next((model for model in models if model["id"] == name), None)
        if found is None:
            offered = ", ".join(model["id"] for model in models)
            return error_response(
                f"The model {name[:100]!r} is not offered here; expected one of {offered}: choose one.",
                404,
                param="model",
                code="model_not_found",
            )
        return JSONResponse(found)

    async def unknown(self, request: Request) -> Response:
        return error_response(
            f"There is no {request.method} {request.url.path[:100]} here; expected POST {PREFIX}/completions, "
            f"GET {PREFIX}/models or GET {PREFIX}/models/NAME: a model that continues texts has no other.",
            404,
        )

    def _models(self) -> list[dict[str, Any]]:
        """Every model on offer. created: when the app was started, which is since when it is offered."""
        return [
            {"id": model.pop("name"), "object": "model", "created": self._created, "owned_by": "hubcharlstm", **model}
            for model in self._service.registry.describe()
        ]


def add_openai_api(app: FastAPI, registry: ModelRegistry, admission: AdmissionController, pacer: UpdatePacer) -> None:
    """Add the routes to `app`, before anything is mounted at its root."""
    routes = OpenAIRoutes(CompletionService(registry, admission, pacer))
    app.add_route(f"{PREFIX}/completions", routes.create_completion, methods=["POST"])
    app.add_route(f"{PREFIX}/models", routes.list_models, methods=["GET"])
    app.add_route(f"{PREFIX}/models/{{model:path}}", routes.retrieve_model, methods=["GET"])
    for path in (PREFIX, f"{PREFIX}/{{path:path}}"):
        app.add_route(path, routes.unknown, methods=ALL_METHODS)
