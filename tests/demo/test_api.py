"""The endpoints as programs use them: with Gradio's client and over plain HTTP."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from gradio_client import Client
from gradio_client.exceptions import AppError

from hubcharlstm.demo import api
from hubcharlstm.demo.errors import UserError
from tests.support.chat_doubles import broken_off, tiny_model
from tests.support.served import Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model(examples=("To be, ",)), sources=["user/other"]) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False, analytics_enabled=False)


# --- what is offered ------------------------------------------------------------------------------------------------


def test_the_endpoints_are_offered_described_and_typed(client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert isinstance(offered, dict)
    endpoints = offered["named_endpoints"]
    names = {"/complete", "/score", "/models", "/alternatives", "/trace"}
    assert set(endpoints) == names and not offered["unnamed_endpoints"]
    parameters = {one["parameter_name"]: one for one in endpoints["/complete"]["parameters"]}
    assert list(parameters) == [
        "prompt", "max_new_tokens", "temperature", "seed", "top_k", "top_p", "min_p", "stop", "model"
    ]  # fmt: skip
    assert [name for name, one in parameters.items() if not one["parameter_has_default"]] == ["prompt"]
    assert parameters["prompt"]["python_type"]["type"] == "str"
    assert parameters["max_new_tokens"]["python_type"]["type"] == "None | int"
    assert parameters["temperature"]["python_type"]["type"] == "None | float"
    for name, endpoint in endpoints.items():
        assert len(endpoint["description"]) > 100, name
        for one in endpoint["parameters"]:
            assert one["parameter_name"] in endpoint["description"]
        assert endpoint["returns"][0]["python_type"]["type"].lower().startswith(("dict", "list"))


@pytest.mark.parametrize("name", ["score", "alternatives"])
def test_no_request_waits_for_the_model_of_another(served: Served, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One is computed at a time, and each waited for as long as the Hub took to deliver the model of one of them."""
    loading, is_loaded = threading.Event(), threading.Event()

    async def load(source: str) -> Any:
        loading.set()
        for _ in range(500):
            if is_loaded.is_set():
                break
            await asyncio.sleep(0.02)
        raise UserError("It does not load.", "model")

    monkeypatch.setattr(served.registry, "_load", load)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(served.refusal, name, text="To be", model="other")
        assert loading.wait(20)
        assert served.last(name, text="To be")["model"] == "tiny"
        assert not waiting.done()
        is_loaded.set()
        assert waiting.result() == "It does not load."


def test_models_are_listed(client: Client, served: Served) -> None:
    first, other, *rest = client.predict(api_name="/models")
    assert (first["name"], first["default"], first["loaded"]) == ("tiny", True, True)
    assert first["characters"] == len(served.model.vocabulary) and first["examples"] == ["To be, "]
    assert other == {"name": "other", "default": False, "loaded": False} and not rest


# --- complete -------------------------------------------------------------------------------------------------------


def test_the_client_gets_the_librarys_text(client: Client, served: Served) -> None:
    done = client.predict(prompt="To be", max_new_tokens=40, seed=7, api_name="/complete")
    assert done == {
        "text": served.model.generate("To be", max_new_tokens=40, seed=7),
        "prompt": "To be",
        "seed": 7,
        "finish_reason": "length",
        "model": "tiny",
        "warnings": [],
    }
    filtered: dict[str, Any] = {"temperature": 1.3, "top_k": 5, "top_p": 0.9, "min_p": 0.02}
    done = client.predict("To be", 300, 1.3, 7, 5, 0.9, 0.02, "e", "tiny", api_name="/complete")
    assert done["text"] == served.model.generate("To be", max_new_tokens=300, seed=7, stop="e", **filtered)
    assert done["finish_reason"] == "stop"


def test_stop_takes_a_list_as_in_python(client: Client, served: Served) -> None:
    for stop in (["q!", "e"], ["", "e"], [], "e", "", None):
        done = client.predict("To be", 300, seed=7, stop=stop, api_name="/complete")
        used = [stop] if isinstance(stop, str) else stop or []
        expected = served.model.complete("To be", max_new_tokens=300, seed=7, stop=[text for text in used if text])
        assert (done["text"], done["finish_reason"]) == (expected.text, expected.finish_reason)


def test_it_streams_and_every_update_goes_on_from_the_one_before(client: Client) -> None:
    updates = list(client.submit(prompt="To be", max_new_tokens=2_000, seed=7, api_name="/complete"))
    texts = [update["text"] for update in updates]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert len(texts[-1]) == 2_000 and updates[-1]["finish_reason"] == "length"
    assert {update["finish_reason"] for update in updates[:-1]} == {None}


def test_a_seed_that_is_drawn_repeats_the_text_in_any_language(client: Client) -> None:
    done = client.predict("To be", api_name="/complete")
    assert 0 <= done["seed"] < 2**53  # larger ones are rounded by JavaScript
    again = client.predict("To be", seed=done["seed"], api_name="/complete")
    assert again["text"] == done["text"]
    assert client.predict("To be", seed=str(2**63 - 1), api_name="/complete")["seed"] == 2**63 - 1


def test_substitutions_are_warned_of(client: Client) -> None:
    done = client.predict("É😀", 5, api_name="/complete")
    assert done["prompt"] == "E" and done["warnings"] == ["É read as E; 😀 skipped"]
    done = client.predict("", 5, api_name="/complete")
    assert len(done["text"]) == 5 and "nothing to start from" in done["warnings"][0]


def test_plain_http_takes_names_and_streams(served: Served) -> None:
    updates = served.call("complete", prompt="To be", max_new_tokens=40, seed=7)
    assert {kind for kind, _ in updates[:-1]} == {"generating"} and updates[-1][0] == "complete"
    assert updates[-1][1][0]["text"] == served.model.generate("To be", max_new_tokens=40, seed=7)
    assert served.last("complete", prompt="To be")["finish_reason"] == "length"


def test_a_text_that_ends_as_the_server_stops_is_whole(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended between two updates, and what had been sent by then was said to be all of it."""
    monkeypatch.setattr(api, "follow", broken_off)
    done = served.last("complete", prompt="To be", max_new_tokens=40, seed=7)
    expected = served.model.generate("To be", max_new_tokens=40, seed=7)
    assert (done["text"], done["finish_reason"]) == (expected, "length")


def test_many_at_once_get_each_their_own(served: Served) -> None:
    def one(seed: int) -> str:
        return str(served.last("complete", prompt="To be", max_new_tokens=60 + seed, seed=seed)["text"])

    with ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(one, range(40)))
    assert texts == [served.model.generate("To be", max_new_tokens=60 + seed, seed=seed) for seed in range(40)]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"prompt": "x" * 10_001}, "The prompt has 10,001 characters; expected 10,000 at most: shorten it"),
        ({"prompt": 7}, "The prompt is of type int; expected text"),
        ({"prompt": None}, "The prompt is of type NoneType; expected text"),
        ({"max_new_tokens": 2_001}, "The max_new_tokens is 2,001; expected a whole number from 1 to 2,000 characters"),
        ({"max_new_tokens": "many"}, "The max_new_tokens is 'many'; expected a whole number"),
        ({"max_new_tokens": True}, "The max_new_tokens is True; expected a whole number"),
        ({"temperature": -1}, "The temperature is -1; expected 0 to 2"),
        ({"temperature": [1]}, r"The temperature is \[1\]; expected 0 to 2"),
        ({"seed": -1}, "The seed is '-1'; expected a whole number from 0"),
        ({"seed": 1e300}, "expected a whole number from 0"),
        ({"top_k": 1.5}, "The top-k is 1.5; expected a whole number"),
        ({"top_p": 0}, "The top-p is 0; expected 0.01 to 1"),
        ({"min_p": {}}, "The min-p is {}; expected 0 to 0.99"),
        ({"stop": 5}, "The stop is 5; expected a text or a list of texts"),
        ({"stop": ["e", 5]}, "expected a text or a list of texts"),
        ({"stop": ["e"] * 17}, "The stop holds more than 16 texts"),
        ({"stop": "x" * 201}, "one of more than 200 characters"),
        ({"temperature": "0.8"}, "The temperature is the text '0.8'; expected a number from 0 to 2: send it without"),
        ({"max_new_tokens": "40"}, "is the text '40'; expected a whole number from 1 to 2,000 characters: send it"),
        ({"model": "/etc/passwd"}, "The model '/etc/passwd' is not offered here; expected one of tiny, other"),
        ({"model": "someone/else"}, "is not offered here"),
        ({"model": ["tiny"]}, "The model's name is no text"),
    ],
)
def test_an_argument_out_of_range_gets_one_sentence(served: Served, wrong: dict[str, Any], sentence: str) -> None:
    assert re.search(sentence, served.refusal("complete", **{"prompt": "To be", **wrong}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_outside_json_are_refused(served: Served, number: str) -> None:
    answer = httpx.post(
        f"{served.url}/gradio_api/call/v2/complete",
        content=f'{{"prompt": "To be", "temperature": {number}}}',
        headers={"content-type": "application/json"},
    )
    kind, data = served.receive("complete", answer.json()["event_id"])[-1]
    assert kind == "error" and "expected 0 to 2" in data["error"]


def test_the_client_raises_the_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="The temperature is 9; expected 0 to 2"):
        client.predict("To be", temperature=9, api_name="/complete")


def test_a_model_whose_folder_is_here_is_not_opened_by_name(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "secret")
    with serving(model) as hosted:
        assert "is not offered here" in hosted.refusal("complete", prompt="", model=str(tmp_path / "secret"))
        assert "is not offered here" in hosted.refusal("score", text="To be", model=str(tmp_path / "secret"))
    with serving(model, open_to_all=True) as home:
        assert len(home.last("complete", prompt="", max_new_tokens=9, model=str(tmp_path / "secret"))["text"]) == 9


def test_an_unknown_parameter_names_the_known_ones(served: Served) -> None:
    refused = served.post("complete", prompt="To be", lenght=5)
    assert refused.status_code == 422
    assert refused.json()["error"] == (
        "The parameter 'lenght' is unknown; expected prompt, max_new_tokens, temperature, seed, top_k, top_p, min_p, "
        "stop, model: correct its name, or leave it out."
    )
    missing = served.post("complete", temperature=0.5)
    assert missing.status_code == 422 and "The parameter 'prompt' is missing" in missing.json()["error"]
    unknown = served.post("nothing", prompt="To be")
    assert unknown.status_code == 422
    assert "There is no endpoint '/nothing'; expected /complete, /score, /models" in unknown.json()["error"]


def test_an_unknown_event_is_answered_and_not_logged(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """It used to be a hundred lines of traceback, and an answer that broke off."""
    for path in ("call/v2/complete/none", "call/complete/none"):
        answer = httpx.get(f"{served.url}/gradio_api/{path}")
        assert answer.status_code == 404
        assert "There is no event 'none' here; expected the event_id of a call" in answer.json()["error"]
    page = httpx.get(f"{served.url}/gradio_api/queue/data?session_hash=nobody")
    assert page.status_code == 200 and '"session_not_found":true' in page.text
    assert capfd.readouterr().err == ""


def test_an_answer_whose_session_is_evicted_while_it_is_awaited_ends(
    served: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = served.post("complete", prompt="To be", max_new_tokens=3).json()["event_id"]
    assert served.receive("complete", event)[-1][0] == "complete"
    assert event in served.demo._queue.pending_messages_per_session, "a second reader waits for what never comes"
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(httpx.get, f"{served.url}/gradio_api/call/v2/complete/{event}", timeout=60)
        time.sleep(1)
        served.demo._queue.pending_messages_per_session.pop(event)
        assert "event: error" in second.result().text
    assert capfd.readouterr().err == ""


# --- score ----------------------------------------------------------------------------------------------------------


def test_a_score_is_the_librarys(client: Client, served: Served) -> None:
    done, own = client.predict("To be or 😀not", api_name="/score"), served.model.score("To be or 😀not")
    assert done["bpc"] == pytest.approx(own.bpc) and done["perplexity"] == pytest.approx(own.perplexity)
    assert (done["text"], done["characters"], done["warnings"]) == (own.text, len(own.text), list(own.warnings))
    assert done["log_probs"] == pytest.approx(own.log_probs.tolist(), abs=1e-5)
    assert "10,001 characters" in served.refusal("score", text="x" * 10_001)
    assert "nothing that the model can read" in served.refusal("score", text="😀")
