"""Refusals under `/v1` in the JSON shape that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

PREFIX = "/v1"
"""The path below which OpenAI's clients look for everything."""

CODES = {401: "invalid_api_key", 404: "not_found", 413: "request_too_large", 429: "rate_limit_exceeded"}
"""The code of a refusal by its status, where it has one."""


def is_openai_path(path: str) -> bool:
    return path == PREFIX or path.startswith(PREFIX + "/")


def error_body(sentence: str, status: int, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The object `error` of a refusal. param: the parameter at fault. code: by default that of the status."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return {"error": {"message": sentence, "type": kind, "param": param, "code": code or CODES.get(status)}}


def error_response(
    sentence: str,
    status: int,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal with its status."""
    return JSONResponse(error_body(sentence, status, param=param, code=code), status, headers)
