"""Any request to the app is answered with 2xx, or with 4xx and one sentence; none makes our own code fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("gradio")

from tests.support.any_requests import (
    COMPLETION,
    INSIDE,
    PARAMETERS,
    any_object,
    bodies,
    check_alive,
    check_answer,
    clamps,
    events_of,
    lengths,
)
from tests.support.anything import check_sentence, examples, json_numbers, json_values, some_of, texts
from tests.support.chat_doubles import TALK, TURN, tiny_model
from tests.support.served import SECONDS, Served, serving

pytestmark = pytest.mark.slow
ANN = "a" * 32
JSON = {"content-type": "application/json"}
MCP = {**JSON, "accept": "application/json, text/event-stream"}
EVENT = {
    "turn": st.just(TURN), "typed": texts, "query": texts, "model": st.sampled_from(["tiny", "other", ""]),
    "models": st.lists(texts, max_size=5), "owner": st.just(ANN), "seed": json_numbers, "context": texts,
    "replies": st.lists(st.one_of(st.just(TURN), texts), max_size=3), "index": json_numbers, "clamp": clamps,
    "temperatures": st.lists(json_numbers, max_size=5), "opening": texts, "length": lengths, "speaker": texts,
    "settings": any_object({"temperature": json_numbers, "length": lengths, "stop": texts}), "text": texts,
    "target": any_object({"id": texts, "turn": texts, "text": texts, "model": texts, "settings": json_values}),
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model(examples=("To be, ",), max_new_tokens=5, **TALK)) as running:
        yield running
        check_alive(running)


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=SECONDS) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_failure(served: Served, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Our own code logs no failure meanwhile."""
    yield
    check_alive(served)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def post(client: httpx.Client, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(path, content=content, headers={**JSON, **headers})
    check_answer(answer)
    return answer


@examples(40)
@given(any_object(COMPLETION))
def test_completions(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = post(client, "/v1/completions", body)
    if answer.status_code == 200 and body.get("stream"):
        assert answer.text.endswith("data: [DONE]\n\n")
    elif answer.status_code == 200:
        assert answer.json()["choices"]


@examples(25)
@given(bodies, texts, st.sampled_from(["application/json", "text/plain", "application/json; charset=x", ""]))
def test_bodies_and_paths(client: httpx.Client, body: bytes, name: str, content_type: str) -> None:
    for path in ("/v1/completions", "/inside/trace", "/inside/write", "/make/start", "/make/publish"):
        post(client, path, body, **{"content-type": content_type, "x-hubcharlstm-owner": ANN})
    part = quote(name.encode("utf-8", "surrogatepass"), safe="")
    for method in ("GET", "POST", "DELETE"):
        for path in (f"/v1/models/{part}", f"/v1/{part}"):
            check_answer(client.request(method, path, content=body if method == "POST" else None))


@examples(8)
@given(any_object(INSIDE))
def test_look_inside(client: httpx.Client, body: dict[str, Any]) -> None:
    for name in ("trace", "prepare", "connectivity", "scores", "report", "copies", "write"):
        post(client, f"/inside/{name}", body)


@examples(15)
@given(
    body=any_object(
        {"seconds": json_numbers, "model": texts, "name": texts, "license": texts, "private": st.booleans()}
    ),
    text=st.binary(max_size=60),
    title=texts,
    owner=st.one_of(st.just(ANN), st.text("0123456789abcdef", max_size=40)),
)
def test_make_your_own(client: httpx.Client, body: dict[str, Any], text: bytes, title: str, owner: str) -> None:
    key = {"x-hubcharlstm-owner": owner}
    for name in ("start", "publish"):
        post(client, f"/make/{name}", body, **key)
    for name in ("stop", "again", "forget"):
        post(client, f"/make/{name}", text, **key)
    query = quote(title.encode("utf-8", "surrogatepass"))
    check_answer(client.post(f"/make/text?title={query}", content=text, headers=key))
    for name in ("state", "publish", "model.zip"):
        check_answer(client.get(f"/make/{name}", headers=key))
    post(client, "/make/forget", b"", **key)


@examples(12)
@given(st.data())
def test_endpoints(client: httpx.Client, data: st.DataObject) -> None:
    for name, fields in PARAMETERS.items():
        body = data.draw(any_object(fields), label=name)
        answer = post(client, f"/gradio_api/call/v2/{name}", body)
        if answer.status_code == 200 and "event_id" in answer.json():
            last = events_of(client, f"/gradio_api/call/v2/{name}/{answer.json()['event_id']}")[-1]
            if isinstance(last, dict) and last.get("error"):
                check_sentence(last["error"])


@examples(12)
@given(st.data())
def test_tools_of_assistants(client: httpx.Client, data: st.DataObject) -> None:
    pytest.importorskip("mcp")
    for name in ("complete", "score", "alternatives", "models", data.draw(texts, label="name")):
        arguments = data.draw(st.one_of(any_object(PARAMETERS.get(name, {})), json_values), label=name)
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        answer = client.post("/gradio_api/mcp/", content=json.dumps(call).encode(), headers=MCP)
        check_tool(answer)
    rpc = data.draw(
        some_of({"jsonrpc": st.just("2.0"), "id": json_values, "method": texts, "params": json_values}, json_values)
    )
    check_tool(client.post("/gradio_api/mcp/", content=json.dumps(rpc).encode(), headers=MCP))
    check_tool(client.post("/gradio_api/mcp/", content=data.draw(bodies), headers=MCP))


def check_tool(answer: httpx.Response) -> None:
    """A result, or an error in one sentence of ours or of the protocol's own code."""
    assert answer.status_code < 500, answer.text[:500]
    if answer.status_code == 200:
        text = answer.text.partition("data: ")[2] or answer.text
        result = json.loads(text).get("result", {})
        if result.get("isError"):
            check_sentence(result["content"][0]["text"])


@pytest.fixture(scope="module")
def config(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get("/config").json())


@examples(25)
@given(st.data())
def test_events_of_the_page(client: httpx.Client, config: dict[str, Any], data: st.DataObject) -> None:
    """Each event of the page's queue ends, whatever its values, its data and its session say."""
    event = data.draw(st.sampled_from(config["dependencies"]), label="event")
    defaults = [
        next(part for part in config["components"] if part["id"] == one)["props"].get("value")
        for one in event["inputs"]
    ]
    session = data.draw(st.text("abcdef0123456789", min_size=8, max_size=12), label="session")
    body = {
        "data": data.draw(
            st.one_of(st.just(defaults), st.lists(json_values, max_size=len(defaults) + 1)), label="values"
        ),
        "fn_index": event["id"],
        "session_hash": session,
        "event_data": data.draw(st.one_of(any_object(EVENT), any_object(EVENT), json_values), label="event_data"),
        "trigger_id": event["targets"][0][0] if event["targets"] else None,
    }
    answer = post(client, "/gradio_api/queue/join", body)
    if answer.status_code == 200:
        messages = events_of(client, f"/gradio_api/queue/data?session_hash={session}")
        assert {"process_completed", "close_stream"} & {message["msg"] for message in messages}
        json.dumps(messages, ensure_ascii=False)


def test_the_app_still_answers(served: Served) -> None:
    assert served.last("complete", prompt="To be", max_new_tokens=3, seed=1)["finish_reason"] == "length"
    assert served.is_idle
