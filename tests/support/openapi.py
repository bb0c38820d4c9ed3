"""The app's own HTTP routes as an OpenAPI document, made of the models that validate their bodies."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from hubcharlstm.demo.inside.requests import InsideRequest
from hubcharlstm.demo.openai_api.requests import CompletionRequest
from hubcharlstm.demo.owners import OWNER_HEADER
from tests.support.served import Served

Schema = dict[str, Any]

SENTENCE: Schema = {"type": "string", "minLength": 10}
ERROR: Schema = {
    "type": "object",
    "anyOf": [{"required": ["error"]}, {"required": ["detail"]}],
    "properties": {
        "error": {"anyOf": [SENTENCE, {"type": "object", "required": ["message"], "properties": {"message": SENTENCE}}]}
    },
}
"""Of a refusal; `detail` is FastAPI's own, of a body that Gradio's routes cannot parse as JSON."""
OWNER: Schema = {
    "name": OWNER_HEADER, "in": "header", "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}  # fmt: skip
OBJECT: Schema = {"type": "object"}
INSIDE_ANSWERS = {
    "trace": "application/octet-stream", "report": "text/html", "connectivity": "application/json",
    "scores": "application/json", "copies": "application/json", "write": "application/x-ndjson",
}  # fmt: skip
MAKE_BODIES: dict[str, Schema] = {
    "start": {"type": "object", "properties": {"seconds": {"enum": [30, 60, 180]}, "model": {"type": "string"}}},
    "stop": OBJECT, "again": OBJECT, "forget": OBJECT,
    "publish": {"type": "object", "properties": {
        "name": {"type": "string"}, "license": {"type": "string"}, "private": {"type": "boolean"},
    }},
}  # fmt: skip


def document(served: Served) -> Schema:
    """OpenAPI 3.1 of `served`. Each answer is 2xx of a known type, or 4xx with one sentence."""
    completion, inside = CompletionRequest.model_json_schema(), TypeAdapter(InsideRequest).json_schema()
    completion["properties"]["stream_options"] = completion.pop("$defs")["StreamOptions"]
    inside["properties"].pop("owner")
    paths: dict[str, Schema] = {
        "/healthz": {"get": operation({"200": "application/json"})},
        "/v1/models": {"get": operation({"200": "application/json"})},
        "/v1/models/{model}": {"get": operation({"200": "application/json"}, parameters=[path_parameter("model")])},
        "/v1/completions": {"post": operation({"200": "application/json"}, completion, more="text/event-stream")},
        "/inside/prepare": {"post": operation({"200": "application/octet-stream", "204": ""}, inside)},
        "/make/state": {"get": operation({"200": "application/json"}, parameters=[OWNER])},
        "/make/model.zip": {"get": operation({"200": "application/zip"}, parameters=[OWNER])},
    }
    for name, content_type in INSIDE_ANSWERS.items():
        paths[f"/inside/{name}"] = {"post": operation({"200": content_type}, inside)}
    for name, body in MAKE_BODIES.items():
        paths[f"/make/{name}"] = {"post": operation({"200": "application/json"}, body, parameters=[OWNER])}
    for name in served.tools.names:
        schema = served.tools.input_schema(name)
        paths[f"/gradio_api/call/v2/{name}"] = {"post": operation({"200": "application/json"}, schema)}
    return {"openapi": "3.1.0", "info": {"title": "hubcharlstm", "version": "1"}, "paths": paths}


def operation(
    answers: dict[str, str], body: Schema | None = None, *, parameters: list[Schema] | None = None, more: str = ""
) -> Schema:
    """One route: the content type by status, and the refusals that every route has. more: another type of 200."""
    responses: Schema = {"4XX": {"description": "refused", "content": {"application/json": {"schema": ERROR}}}}
    for status, content_type in answers.items():
        types = [name for name in (content_type, more) if name]
        responses[status] = {"description": "answered", "content": {name: {} for name in types}}
    found: Schema = {"responses": responses, "parameters": parameters or []}
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def path_parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
