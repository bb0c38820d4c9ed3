"""The endpoints as tools of an assistant, over the Model Context Protocol."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hubcharlstm import CharLSTM

pytest.importorskip("gradio")

from hubcharlstm.decoding.sampling import next_ids
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving, wait_until


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model(examples=("To be, ",)), sources=["user/other"]) as running:
        yield running


async def with_session(url: str, use: Any) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with streamable_http_client(url) as (incoming, outgoing, _), ClientSession(incoming, outgoing) as session:
        await session.initialize()
        return await use(session)


def tool_call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def test_it_is_a_tool_of_assistants(served: Served) -> None:
    """The client itself checks every result against the tool's output schema."""
    pytest.importorskip("mcp")

    async def use(session: Any) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {"complete", "score", "models", "alternatives"}

        async def complete(seed: int) -> Any:
            params = {"prompt": "To be", "max_new_tokens": 40, "seed": seed, "stop": ["q!"]}
            return await session.call_tool("complete", params)

        for seed, done in enumerate(await asyncio.gather(*(complete(seed) for seed in range(6)))):
            assert not done.isError
            answer = done.structuredContent
            assert answer == json.loads(done.content[0].text)
            assert answer["text"] == served.model.generate("To be", max_new_tokens=40, seed=seed, stop=["q!"])
        done = await session.call_tool("score", {"text": "To be"})
        assert done.structuredContent["bpc"] == pytest.approx(served.model.score("To be").bpc)
        listed = await session.call_tool("models", {})
        assert [one["name"] for one in listed.structuredContent["models"]] == ["tiny", "other"]
        for arguments, sentence in (
            ({"prompt": "To be", "temperature": 9}, "The temperature is 9; expected 0 to 2: choose another."),
            ({"prompt": "To be", "temperature": "0.8"}, "The temperature is the text '0.8'; expected a number from"),
            ({"prompt": "To be", "lenght": 9}, "The parameter 'lenght' is unknown; expected prompt, max_new_tokens"),
            ({"prompt": "To be", "request": {}}, "The parameter 'request' is unknown"),
            ({}, "The prompt is missing; expected a text: add it."),
        ):
            wrong = await session.call_tool("complete", arguments)
            assert wrong.isError and wrong.content[0].text.startswith(sentence)
        wrong = await session.call_tool("models", {"all": True})
        assert wrong.isError and "'all' is unknown; expected none" in wrong.content[0].text
        wrong = await session.call_tool("upload", {})
        assert wrong.isError and "There is no tool 'upload' here; expected one of complete" in wrong.content[0].text

    asyncio.run(with_session(f"{served.url}/gradio_api/mcp/", use))


def test_a_tool_says_what_it_takes_and_gives(served: Served) -> None:
    pytest.importorskip("mcp")
    import jsonschema

    async def use(session: Any) -> Any:
        return (await session.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(with_session(f"{served.url}/gradio_api/mcp/", use))}
    config = served.model.generation_config
    for name, tool in tools.items():
        for schema in (tool.inputSchema, tool.outputSchema):
            jsonschema.Draft202012Validator.check_schema(schema)
        assert not re.search(r"stream|update|endpoint|/models|`", tool.description), "of tools, not of streams"
        assert len(tool.description) > 80 and tool.inputSchema["additionalProperties"] is False
        for parameter, schema in tool.inputSchema["properties"].items():
            assert len(schema["description"]) > 10, (name, parameter)
            assert parameter in ("prompt", "text", "seed", "position") or "default" in schema, (name, parameter)
    properties = tools["complete"].inputSchema["properties"]
    assert tools["complete"].inputSchema["required"] == ["prompt"]
    assert properties["temperature"]["default"] == config.temperature
    assert (properties["temperature"]["minimum"], properties["temperature"]["maximum"]) == (0, 2)
    assert (properties["max_new_tokens"]["minimum"], properties["max_new_tokens"]["maximum"]) == (1, 2_000)
    assert properties["model"]["enum"] == ["tiny", "other"] and properties["model"]["default"] == "tiny"
    hub = {tool["name"]: tool for tool in httpx.get(f"{served.url}/gradio_api/mcp/schema").json()}
    assert hub["complete"]["inputSchema"] == tools["complete"].inputSchema
    assert hub["score"]["description"] == tools["score"].description


def test_the_bounds_of_a_tool_are_the_bounds_of_its_endpoint(served: Served) -> None:
    properties = served.tools.input_schema("complete")["properties"]
    for name, schema in properties.items():
        for bound, beyond in (("minimum", -1), ("maximum", 1)):
            if bound in schema:
                assert served.last("complete", prompt="To be", **{"max_new_tokens": 2, name: schema[bound]})
                step = beyond if schema["type"] == "integer" else beyond / 1000
                refused = {"max_new_tokens": 2, name: schema[bound] + step * (1 if schema[bound] < 2**60 else 1024)}
                assert "expected" in served.refusal("complete", prompt="To be", **refused)


def test_prompts_and_resources_are_not_offered(served: Served) -> None:
    pytest.importorskip("mcp")
    from mcp.shared.exceptions import McpError

    async def use(session: Any) -> None:
        for ask in (session.list_resources, session.list_prompts):
            with pytest.raises(McpError, match="Method not found"):
                await ask()

    asyncio.run(with_session(f"{served.url}/gradio_api/mcp/", use))


def test_tools_call_nothing_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio would call the host that the first request claims to have been sent to."""
    pytest.importorskip("mcp")
    monkeypatch.setenv("HUBCHARLSTM_ALLOWED_HOSTS", "elsewhere.invalid")
    with serving(tiny_model()) as served:
        answer = httpx.post(
            f"{served.url}/gradio_api/mcp/",
            json=tool_call("complete", prompt="To be", max_new_tokens=5),
            headers={"host": "elsewhere.invalid", "accept": "application/json, text/event-stream"},
            timeout=30,
        )
        assert answer.status_code == 200 and "finish_reason" in answer.text
        assert served.demo.mcp_server_obj._client_instance is None


@pytest.mark.parametrize(
    "body", [b"\xff", b"\0" * 9, b"[" * 9_000, b"{", b'{"id": 1' + b"0" * 5_000 + b"}"], ids=range(5)
)
def test_what_is_no_json_is_refused(served: Served, body: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """The package mcp answered some of them with status 500 and a traceback of a hundred lines for each."""
    answer = httpx.post(
        f"{served.url}/gradio_api/mcp/", content=body, headers={"accept": "application/json, text/event-stream"}
    )
    assert answer.status_code == 400 and "no JSON in UTF-8; expected a message" in answer.json()["error"]
    assert "Traceback" not in capfd.readouterr().err


def test_an_assistant_that_disconnects_frees_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mcp")

    def slowly(*args: Any) -> Any:
        time.sleep(0.01)
        return next_ids(*args)

    monkeypatch.setattr("hubcharlstm.engine.model_runner.next_ids", slowly)
    with serving(tiny_model()) as served:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{served.url}/gradio_api/mcp/",
                json=tool_call("complete", prompt="To be", max_new_tokens=2_000),
                headers={"accept": "application/json, text/event-stream"},
                timeout=0.5,
            )
        wait_until(lambda: served.is_idle, 10)


def test_without_the_package_the_app_is_no_tool_and_works(monkeypatch: pytest.MonkeyPatch, model: CharLSTM) -> None:
    monkeypatch.setattr("hubcharlstm.demo.serving.gradio_compat.has_mcp", lambda: False)
    with serving(tiny_model()) as served:
        assert httpx.post(f"{served.url}/gradio_api/mcp/", json={}).status_code in (404, 405)
        assert len(served.last("complete", prompt="To be", max_new_tokens=5)["text"]) == 5
