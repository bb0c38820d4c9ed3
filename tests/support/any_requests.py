"""Requests from anybody to a served app, and what each answer must be: 2xx, or 4xx with one sentence."""

from __future__ import annotations

import json
from typing import Any

import httpx
from hypothesis import strategies as st

from tests.support.anything import check_sentence, json_numbers, json_values, some_of, texts
from tests.support.served import SECONDS, Served

lists_of_texts = st.lists(texts, max_size=3)
lengths = st.one_of(st.integers(1, 5), json_numbers)
cells = st.lists(st.one_of(st.lists(st.integers(-1, 33), min_size=2, max_size=2), json_values), max_size=3)
clamps = st.lists(st.lists(json_numbers, min_size=3, max_size=3), max_size=2)
models = st.sampled_from(["tiny", "", "other"])
SAMPLING = dict.fromkeys(("temperature", "top_k", "top_p", "min_p"), json_numbers)
PARAMETERS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "complete": {
        "prompt": texts, **SAMPLING, "max_new_tokens": lengths, "seed": json_numbers,
        "stop": st.one_of(texts, lists_of_texts), "model": models,
    },
    "score": {"text": texts, "prompt": texts, "model": models},
    "alternatives": {
        "text": texts, "position": lengths, "prompt": texts, "k": lengths, **SAMPLING, "clamp": clamps, "model": models,
    },
    "trace": {"text": texts, "layers": st.lists(lengths, max_size=2), "units": st.lists(lengths, max_size=2)},
    "models": {},
}  # fmt: skip
"""What the endpoints take, and the tools of assistants but `trace`, which is none."""
COMPLETION = {
    "prompt": st.one_of(texts, lists_of_texts), **SAMPLING, "max_tokens": lengths, "model": models,
    "seed": json_numbers, "stop": st.one_of(texts, lists_of_texts), "n": lengths, "best_of": lengths,
    "logprobs": lengths, "echo": st.booleans(), "stream": st.booleans(),
    "stream_options": some_of({"include_usage": st.booleans()}, json_values), "suffix": texts, "user": texts,
    "logit_bias": st.just({}), "presence_penalty": json_numbers, "frequency_penalty": json_numbers,
}  # fmt: skip
INSIDE = {
    "text": texts, "before": texts, "model": models, "cells": cells, "position": lengths, "value": json_numbers,
    "maps": st.lists(st.tuples(st.sampled_from(["cell", "hidden", "x"]), lengths), max_size=2), "seed": json_numbers,
    "length": lengths, "temperature": json_numbers, "language": st.sampled_from(["en", "de", "x"]),
}  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.integers(1, 19_000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(1, 9_000).map(lambda depth: b'{"a":' * depth),
    st.integers(1, 100_000).map(lambda digits: b'{"seed": ' + b"7" * digits + b"}"),
)
"""Bodies of all kinds, JSON or not."""


def any_object(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A JSON object with some of `fields`, and now and then another key."""
    return st.builds(
        lambda known, more: known | more,
        some_of(fields, json_values),
        st.one_of(st.just({}), st.just({}), st.dictionaries(texts, json_values, max_size=1)),
    )


def check_answer(answer: httpx.Response) -> None:
    """Status 2xx, or 4xx with one sentence in the shape of the route."""
    assert 200 <= answer.status_code < 300 or 400 <= answer.status_code < 500, (answer.status_code, answer.text[:500])
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return
    content = answer.json()
    error = content.get("error", content.get("detail"))
    check_sentence(str(error["message"]) if isinstance(error, dict) else str(error))


def check_alive(served: Served) -> None:
    """Nothing runs, and the app is as well as before."""
    answer = httpx.get(f"{served.url}/healthz", timeout=SECONDS)
    assert answer.status_code == 200, answer.text


def events_of(client: httpx.Client, path: str) -> list[Any]:
    """The messages of a stream of server-sent events, to its end."""
    with client.stream("GET", path) as answer:
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
