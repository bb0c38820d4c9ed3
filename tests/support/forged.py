"""Forged requests: events of the page with data of all kinds, and Gradio's routes with ids that nobody has got."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, float("nan"), "", "x", "\ud83d", "x" * 500, [], [None] * 3, {}, {"a": {"b": []}},
    ["x"], {"__type__": "update"}, {"path": "/etc/passwd"},
)  # fmt: skip
KEYS = (
    "turn", "typed", "target", "index", "owner", "replies", "query", "model", "models", "settings", "seed", "context",
    "temperatures", "clamp", "opening", "length", "text",
)  # fmt: skip
ROUTES = (
    ("GET", "queue/data?session_hash={id}"), ("GET", "queue/data"), ("GET", "call/complete/{id}"), ("POST", "cancel"),
    ("POST", "reset"), ("GET", "queue/status"), ("POST", "run/predict"), ("POST", "call/{id}"), ("GET", "info"),
    ("POST", "api/{id}"), ("GET", "call/v2/score/{id}"), ("POST", "queue/join"), ("POST", "component_server"),
)  # fmt: skip


def forged_requests(config: dict[str, Any], *, seed: int, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Method, path and body of `count` requests. config: Gradio's."""
    rng = random.Random(seed)
    for number in range(count):
        event = rng.choice(config["dependencies"])
        session = f"forged{number}"
        body = {
            "data": [rng.choice(VALUES) for _ in event["inputs"]][: rng.choice((None, None, None, 1))],
            "fn_index": rng.choice((event["id"], event["id"], event["id"], 10**6, -1, "x")),
            "session_hash": session,
            "event_data": {key: rng.choice(VALUES) for key in rng.sample(KEYS, 4)},
            "trigger_id": rng.choice((None, 10**6, event["targets"][0][0] if event["targets"] else 0)),
        }
        if rng.random() < 0.3:
            body |= {rng.choice(list(body)): rng.choice(VALUES), "event_id": rng.choice(VALUES)}
        content = json.dumps(body).encode()
        if rng.random() < 0.7:
            yield "POST", "/gradio_api/queue/join", content
            yield "GET", f"/gradio_api/queue/data?session_hash={session}", b""
        else:
            method, path = rng.choice(ROUTES)
            yield method, f"/gradio_api/{path.format(id=session)}", content if method == "POST" else b""
