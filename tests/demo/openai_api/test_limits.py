"""Places, clients that leave or do not read, and the shutdown, under `/v1`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")
openai = pytest.importorskip("openai")

from hubcharlstm.decoding.sampling import next_ids
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.openai_api import completions
from hubcharlstm.demo.openai_api.completions import CompletionResponse, CompletionService
from hubcharlstm.demo.openai_api.requests import CompletionRequest
from hubcharlstm.demo.serving.admission import ClientIdentity, Limits
from tests.support.chat_doubles import broken_off, tiny_model
from tests.support.openai_client import client_of
from tests.support.served import Served, serving, wait_until


def test_every_text_takes_a_place_and_waits_for_it() -> None:
    with serving(tiny_model(), Limits(max_concurrent=1, max_queued=3)) as one_by_one:
        client = client_of(one_by_one)
        done = client.completions.create(model="tiny", prompt="To be", n=3, max_tokens=20, seed=5)
        assert [choice.text for choice in done.choices] == one_by_one.model.generate(
            "To be", num_samples=3, max_new_tokens=20, seed=5
        )
        with pytest.raises(openai.RateLimitError, match="The app is busy") as refused:
            client.completions.create(model="tiny", prompt="To be", n=5)
        assert refused.value.code == "rate_limit_exceeded"
        assert one_by_one.is_idle
    with serving(tiny_model(), Limits(max_per_address=2)) as narrow:
        with pytest.raises(openai.RateLimitError, match="2 requests of your network address are under way"):
            client_of(narrow).completions.create(model="tiny", prompt="To be", n=3)
        assert narrow.is_idle


@pytest.mark.parametrize("streaming", [False, True])
def test_a_client_that_disconnects_frees_its_row(monkeypatch: pytest.MonkeyPatch, streaming: bool) -> None:
    def slowly(*args: Any) -> Any:
        time.sleep(0.01)
        return next_ids(*args)

    monkeypatch.setattr("hubcharlstm.engine.model_runner.next_ids", slowly)  # 20 seconds for a text
    with serving(tiny_model()) as served:
        body = {"prompt": "To be", "max_tokens": 2_000, "n": 4, "stream": streaming}
        with httpx.Client(timeout=60) as client:
            if streaming:
                with client.stream("POST", f"{served.url}/v1/completions", json=body) as answer:
                    lines = answer.iter_lines()
                    assert next(lines).startswith("data: ")
                    assert len(served.admission.running) == 4
            else:
                with pytest.raises(httpx.ReadTimeout):
                    client.post(f"{served.url}/v1/completions", json=body, timeout=0.5)
        wait_until(lambda: served.is_idle, 10)


def test_a_client_that_reads_nothing_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not over HTTP, where the buffers of two kernels would take all that one request may ask for."""
    monkeypatch.setattr(completions, "CLIENT_TIMEOUT", 0.2)
    request = CompletionRequest.parse(b'{"prompt": "To be", "max_tokens": 2000, "stream": true}')

    async def run() -> None:
        service = CompletionService(served.registry, served.admission, UpdatePacer())
        gone = asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            await asyncio.Event().wait()

        response = CompletionResponse(service, request, ClientIdentity("", "1.2.3.4"))
        task = asyncio.create_task(response({"type": "http"}, receive, send))
        while not served.admission.running:
            await asyncio.sleep(0.01)
        while not served.is_idle:
            await asyncio.sleep(0.01)
        assert not task.done(), "the connection is left to the watchdog"
        gone.set()
        await task

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_shutdown_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tiny_model()) as served:
        served.admission.is_shutting_down = True
        with pytest.raises(openai.InternalServerError, match="Shutting down; retry in a minute") as refused:
            client_of(served).completions.create(model="tiny", prompt="To be")
        assert refused.value.status_code == 503
        served.admission.is_shutting_down = False
        served.admission.must_stop = True
        with pytest.raises(openai.APIError, match="Shutting down; retry in a minute"):
            list(client_of(served).completions.create(model="tiny", prompt="To be", echo=True, stream=True))


def test_a_text_that_ends_as_the_server_stops_is_whole(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended between two updates, and what had been sent by then was said to be all of it."""
    monkeypatch.setattr(completions, "follow", broken_off)
    client, options = client_of(served), {"model": "tiny", "prompt": "To be", "max_tokens": 40, "seed": 7}
    expected = served.model.generate("To be", max_new_tokens=40, seed=7)
    done = client.completions.create(**options, logprobs=1)
    assert done.choices[0].text == "".join(done.choices[0].logprobs.tokens) == expected
    assert done.usage.completion_tokens == 40
    assert "".join(chunk.choices[0].text for chunk in client.completions.create(**options, stream=True)) == expected
