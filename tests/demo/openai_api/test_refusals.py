"""What `/v1` refuses: each in one sentence and in OpenAI's shape."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")
openai = pytest.importorskip("openai")

from tests.support.openai_client import post
from tests.support.served import Served


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
        ({"best_of": 10**400}, "best_of", "The best_of is 10{39}; expected the same number as n"),
        ({"x" * 9_000: 5}, "x" * 40, "The parameter 'x{40}' is unknown"),  # it was repeated whole
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


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"", b"\xff", b"[" * 15_000, b'{"seed": ' + b"9" * 5_000 + b"}"])
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


def test_half_an_emoji_is_no_parameter(served: Served) -> None:
    """The answer named it as it is, which UTF-8 cannot encode: status 500."""
    body = b'{"prompt": "To be", "\\ud83d": 5}'
    answer = httpx.post(f"{served.url}/v1/completions", content=body, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == r"\ud83d" and "is unknown" in error["message"]


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
