"""`/v1` as OpenAI's own client uses it, and over plain HTTP where that client would not send such a thing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
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
from hubcharlstm.inspection.scoring import token_log_probs
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving, wait_until


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model(), sources=["user/other"]) as running:
        yield running


def client_of(served: Served, **options: Any) -> Any:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, **options)


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    return client_of(served)


def post(served: Served, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/completions", json=body, headers=headers, timeout=60)


# --- models -----------------------------------------------------------------------------------------------------------


def test_models_are_listed_and_found(client: Any, served: Served) -> None:
    first, other = client.models.list()
    assert (first.id, first.object, other.id) == ("tiny", "model", "other")
    assert first.default and first.loaded and first.characters == len(served.model.vocabulary)
    assert client.models.retrieve("other").id == "other"
    with pytest.raises(openai.NotFoundError, match="'nobody/here' is not offered here; expected one of tiny, other"):
        client.models.retrieve("nobody/here")


# --- completions ------------------------------------------------------------------------------------------------------


def test_a_completion_is_the_librarys_text(client: Any, served: Served) -> None:
    done = client.completions.create(model="tiny", prompt="To be", max_tokens=40, seed=7)
    (choice,) = done.choices
    assert choice.text == served.model.generate("To be", max_new_tokens=40, seed=7)
    assert (choice.index, choice.finish_reason, choice.logprobs, choice.seed) == (0, "length", None, 7)
    assert (done.object, done.model, done.id[:5]) == ("text_completion", "tiny", "cmpl-")
    assert done.system_fingerprint.startswith(served.model.fingerprint[:16])
    usage = done.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 40, 45)


def test_every_setting_reaches_the_model(client: Any, served: Served) -> None:
    filters = {"top_k": 5, "min_p": 0.02}
    done = client.completions.create(
        model="tiny", prompt="To be", max_tokens=300, temperature=1.3, top_p=0.9, seed=7, stop=["q!", "e"],
        extra_body=filters,
    )  # fmt: skip
    expected = served.model.complete(
        "To be", max_new_tokens=300, temperature=1.3, top_p=0.9, seed=7, stop=["q!", "e"], **filters
    )
    assert (done.choices[0].text, done.choices[0].finish_reason) == (expected.text, "stop")


def test_a_seed_that_is_drawn_repeats_the_text(client: Any) -> None:
    done = client.completions.create(model="tiny", prompt="To be")
    again = client.completions.create(model="tiny", prompt="To be", seed=done.choices[0].seed)
    assert again.choices[0].text == done.choices[0].text and done.choices[0].seed < 2**53


def test_several_prompts_and_samples_come_in_order(client: Any, served: Served) -> None:
    done = client.completions.create(model="tiny", prompt=["To be", "Or not"], n=2, best_of=2, max_tokens=30, seed=3)
    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    assert [choice.text for choice in done.choices] == [
        served.model.generate(prompt, max_new_tokens=30, seed=seed) for prompt in ("To be", "Or not") for seed in (3, 4)
    ]
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (11, 120)


def test_a_prompt_that_is_read_otherwise_is_warned_of_and_echoed_as_read(client: Any) -> None:
    done = client.completions.create(model="tiny", prompt="É😀", max_tokens=5, echo=True, seed=1)
    assert done.choices[0].warnings == ["É read as E; 😀 skipped"]
    assert done.choices[0].text.startswith("E") and len(done.choices[0].text) == 6
    assert "nothing to start from" in client.completions.create(model="tiny", prompt="").choices[0].warnings[0]


def test_a_stream_sends_what_the_answer_would_hold(client: Any, served: Served) -> None:
    chunks = list(
        client.completions.create(
            model="tiny", prompt="To be", max_tokens=2_000, seed=7, n=2, stream=True,
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    *written, last = chunks
    assert last.choices == [] and last.usage.completion_tokens == 4_000
    assert len({chunk.id for chunk in chunks}) == 1 and all(chunk.usage is None for chunk in written)
    for index in (0, 1):
        own = [chunk.choices[0] for chunk in written if chunk.choices[0].index == index]
        assert len(own) > 2, "it came in pieces"
        expected = served.model.generate("To be", max_new_tokens=2_000, seed=7 + index)
        assert "".join(choice.text for choice in own) == expected
        assert [choice.finish_reason for choice in own] == [None] * (len(own) - 1) + ["length"]


def test_a_stream_ends_with_done(served: Served) -> None:
    answer = post(served, {"prompt": "To be", "max_tokens": 5, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line for line in answer.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]" and all(event.startswith("data: ") for event in events)
    assert json.loads(events[0][6:])["choices"][0]["index"] == 0


def test_log_probs_are_the_models(client: Any, served: Served) -> None:
    model = served.model
    for options in ({"stream": False}, {"stream": True}):
        done = client.completions.create(
            model="tiny", prompt="To be", max_tokens=600, seed=7, logprobs=3, echo=True, **options
        )
        choices = [chunk.choices[0] for chunk in done] if options["stream"] else [done.choices[0]]
        found = [choice.logprobs for choice in choices if choice.logprobs is not None]
        tokens = [token for one in found for token in one.tokens]
        log_probs = [value for one in found for value in one.token_logprobs]
        tops = [top for one in found for top in one.top_logprobs]
        text = "To be" + model.generate("To be", max_new_tokens=600, seed=7)
        assert "".join(tokens) == text
        assert [offset for one in found for offset in one.text_offset] == list(range(605))
        assert log_probs[0] is None and tops[0] is None, "nothing comes before the first"
        expected = token_log_probs(model, model.vocabulary.encode(text).ids)
        assert log_probs[1:] == pytest.approx(expected.tolist(), abs=1e-4)
        for token, log_prob, top in zip(tokens[1:], log_probs[1:], tops[1:], strict=True):
            assert top[token] == log_prob and 3 <= len(top) <= 4
            assert sorted(top.values(), reverse=True)[0] >= log_prob


def test_log_probs_without_echo_begin_after_the_prompt(client: Any, served: Served) -> None:
    whole = client.completions.create(model="tiny", prompt="To be", max_tokens=20, seed=7, logprobs=0, echo=True)
    part = client.completions.create(model="tiny", prompt="To be", max_tokens=20, seed=7, logprobs=0)
    assert part.choices[0].logprobs.token_logprobs == pytest.approx(whole.choices[0].logprobs.token_logprobs[5:])
    assert part.choices[0].logprobs.text_offset[0] == 0
    empty = client.completions.create(model="tiny", prompt="", max_tokens=20, seed=7, logprobs=1)
    assert None not in empty.choices[0].logprobs.token_logprobs, "it starts from the model's start text"


def test_many_at_once_get_each_their_own(served: Served, client: Any) -> None:
    def one(seed: int) -> str:
        done = client.completions.create(model="tiny", prompt="To be", max_tokens=60 + seed, seed=seed)
        return str(done.choices[0].text)

    with ThreadPoolExecutor(12) as pool:
        texts = list(pool.map(one, range(24)))
    assert texts == [served.model.generate("To be", max_new_tokens=60 + seed, seed=seed) for seed in range(24)]


def test_the_asynchronous_client(served: Served) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
            stream = await client.completions.create(model="tiny", prompt="To be", max_tokens=40, seed=7, stream=True)
            return [chunk.choices[0].text async for chunk in stream]

    assert "".join(asyncio.run(run())) == served.model.generate("To be", max_new_tokens=40, seed=7)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "param", "sentence"),
    [
        ({"prompt": "x" * 10_001}, "prompt", "The prompt has 10,001 characters; expected 10,000 at most"),
        ({"prompt": [1, 2]}, "prompt", r"The prompt is \[1, 2\]; expected a text or a list of texts"),
        ({"prompt": []}, "prompt", "expected a text or a list of texts"),
        ({"prompt": None}, "prompt", "The prompt is None; expected a text"),
        ({"max_tokens": 2_001}, "max_tokens", "The max_tokens is 2,001; expected a whole number of characters from 1"),
        ({"max_tokens": "40"}, "max_tokens", "The max_tokens is the text '40'; .*: send it without quotes"),
        ({"max_tokens": 1.5}, "max_tokens", "The max_tokens is 1.5; expected a whole number"),
        ({"temperature": "0.8"}, "temperature", "is the text '0.8'; expected a number from 0 to 2: send it without"),
        ({"temperature": "hot"}, "temperature", "The temperature is 'hot'; expected a number from 0 to 2: correct it"),
        ({"temperature": True}, "temperature", "The temperature is True; expected a number"),
        ({"temperature": 2.5}, "temperature", "The temperature is 2.5; expected a number from 0 to 2"),
        ({"top_p": 0}, "top_p", "The top_p is 0; expected a number from 0.01 to 1"),
        ({"seed": -1}, "seed", "The seed is -1; expected a whole number from 0"),
        ({"seed": 2**63 - 1, "n": 2}, "seed", "choose a smaller seed"),
        ({"n": 17}, "n", "The n is 17; expected a whole number from 1 to 16"),
        ({"n": 9, "prompt": ["a", "b"]}, "n", "2 prompts with n = 9 are 18 texts; expected 16 at most"),
        ({"best_of": 3}, "best_of", "The best_of is 3; expected the same number as n"),
        ({"logprobs": 6}, "logprobs", "The logprobs is 6; expected a whole number from 0 to 5"),
        ({"stop": 5}, "stop", "The stop is 5; expected a text or a list of texts"),
        ({"stop": ["x"] * 17}, "stop", "more than 16 texts"),
        ({"stream": "yes"}, "stream", "The stream is 'yes'; expected true or false"),
        ({"stream_options": {"padding": 1}}, "stream_options.padding", "'stream_options.padding' is unknown"),
        ({"stream_options": 3}, "stream_options", "expected an object such as"),
        ({"presence_penalty": 0.5}, "presence_penalty", "The value 0.5 has no effect here, for the model knows no pen"),
        ({"frequency_penalty": 1}, "frequency_penalty", "has no effect here"),
        ({"logit_bias": {"50256": -100}}, "logit_bias", "has no effect here"),
        ({"suffix": "end"}, "suffix", "The value 'end' has no effect here, for the model reads what comes before"),
        ({"user": 7}, "user", "has no effect here"),
        ({"lenght": 5}, "lenght", "The parameter 'lenght' is unknown; expected prompt, model, max_tokens, temperature"),
    ],
)
def test_a_wrong_parameter_is_named_in_one_sentence(
    client: Any, wrong: dict[str, Any], param: str, sentence: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="tiny", prompt="To be", extra_body=wrong)
    error = refused.value
    assert (error.type, error.param) == ("invalid_request_error", param)
    assert re.search(sentence, error.body["message"]) and "\n" not in error.body["message"]


def test_what_changes_nothing_is_accepted(client: Any) -> None:
    done = client.completions.create(
        model="tiny", prompt="To be", max_tokens=3, best_of=1, presence_penalty=0, frequency_penalty=0.0, logit_bias={},
        suffix="", user="somebody", stop=[], logprobs=None, n=None, stream_options={"include_obfuscation": False},
    )  # fmt: skip
    assert len(done.choices[0].text) == 3


def test_a_model_that_is_not_offered_is_not_opened(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="The model '/etc' is not offered here; expected one of") as refused:
        client.completions.create(model="/etc", prompt="To be")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"", b"\xff", b"[" * 100_000, b'{"seed": ' + b"9" * 5_000 + b"}"])
def test_a_body_that_is_no_object_is_refused(served: Served, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{served.url}/v1/completions", content=body, headers=headers, timeout=20)
    assert answer.status_code == 400 and "The body is no JSON object" in answer.json()["error"]["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_outside_json_are_refused(served: Served, number: str) -> None:
    body = f'{{"prompt": "To be", "temperature": {number}}}'
    answer = httpx.post(f"{served.url}/v1/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400 and "expected a number from 0 to 2" in answer.json()["error"]["message"]


def test_half_an_emoji_is_read_as_nothing(served: Served) -> None:
    body = b'{"prompt": "To be\\ud83d", "max_tokens": 3, "stop": "\\ud83d"}'
    answer = httpx.post(f"{served.url}/v1/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and "U+D83D skipped" in answer.json()["choices"][0]["warnings"][0]


def test_other_content_paths_and_methods_are_refused_in_the_same_shape(served: Served, client: Any) -> None:
    answer = httpx.post(f"{served.url}/v1/completions", data={"prompt": "To be"})
    assert answer.status_code == 415 and "expected application/json" in answer.json()["error"]["message"]
    with pytest.raises(
        openai.NotFoundError, match="There is no POST /v1/chat/completions here; expected POST /v1/comp"
    ):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hi"}])
    for path in ("/v1", "/v1/completions", "/v1/files"):
        assert httpx.get(served.url + path).json()["error"]["code"] == "not_found"
    with pytest.raises(openai.APIStatusError, match="expected 1,000,000 at most") as refused:
        client.completions.create(model="tiny", prompt="x" * 2_000_000)
    assert refused.value.status_code == 413


def test_pages_of_other_sites_may_not_send(served: Served) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    answer = post(served, {"prompt": "To be"}, **foreign)
    assert answer.status_code == 403 and "HUBCHARLSTM_ALLOW_ORIGINS" in answer.json()["error"]["message"]
    listed = httpx.get(f"{served.url}/v1/models", headers=foreign)
    assert "access-control-allow-origin" not in listed.headers


# --- limits -----------------------------------------------------------------------------------------------------------


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
