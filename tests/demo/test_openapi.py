"""The OpenAPI document that schemathesis is run with (`benchmarks/http_schema.py`) describes the app's routes."""

from __future__ import annotations

import httpx
import pytest

pytest.importorskip("gradio")

from tests.support.chat_doubles import tiny_model
from tests.support.openapi import document
from tests.support.served import serving


def test_every_route_of_ours_is_described_and_answers_as_it_says() -> None:
    with serving(tiny_model()) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        paths = document(served)["paths"]
        assert {f"/gradio_api/call/v2/{name}" for name in served.tools.names} < set(paths)
        for path, methods in paths.items():
            for method, operation in methods.items():
                url = path.replace("{model}", "none")
                body = b"[" if method == "post" else None
                answer = client.request(method, url, content=body, headers={"content-type": "application/json"})
                assert str(answer.status_code) in operation["responses"] or 400 <= answer.status_code < 500, path
                if body is not None and not path.endswith(("/stop", "/again", "/forget")):
                    refused = answer.json()
                    assert 400 <= answer.status_code < 500 and set(refused) & {"error", "detail"}, path
