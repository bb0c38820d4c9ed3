"""How OpenAI's client and plain HTTP reach `/v1` of a served app."""

from __future__ import annotations

from typing import Any

import httpx
import openai

from tests.support.served import Served


def client_of(served: Served, **options: Any) -> Any:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, **options)


def post(served: Served, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/completions", json=body, headers=headers, timeout=60)
