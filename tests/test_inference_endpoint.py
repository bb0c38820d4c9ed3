"""The handler of an Inference Endpoint: the Hub's text-generation request, its bounds, and its refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import InferenceClient

from hubcharlstm import CharLSTM
from hubcharlstm.inference_endpoint import (
    MAX_INPUT_CHARS,
    MAX_INPUTS,
    MAX_NEW_TOKENS,
    MAX_STOPS,
    EndpointHandler,
    EndpointRequest,
)

SETTINGS = {"max_new_tokens": 30, "temperature": 0.9, "seed": 3}


@pytest.fixture
def handler(model_folder: Path) -> Iterator[EndpointHandler]:
    made = EndpointHandler(str(model_folder))
    yield made
    made.engine.close()


def texts(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["generated_text"] for answer in answers]


def test_a_request_is_answered_with_the_text_of_generate(handler: EndpointHandler, model: CharLSTM) -> None:
    expected = model.generate("To be", max_new_tokens=30, temperature=0.9, top_k=5, top_p=0.9, seed=3)
    parameters = {**SETTINGS, "top_k": 5, "top_p": 0.9}
    assert handler({"inputs": "To be", "parameters": parameters}) == [{"generated_text": expected}]
    parameters["return_full_text"] = True
    assert texts(handler({"inputs": "To be", "parameters": parameters})) == ["To be" + expected]


def test_a_list_is_answered_text_by_text(handler: EndpointHandler, model: CharLSTM) -> None:
    prompts = ["To be", "FIRST:\n", "que"]
    expected = [model.generate(prompt, max_new_tokens=30, temperature=0.9, seed=3) for prompt in prompts]
    assert texts(handler({"inputs": prompts, "parameters": SETTINGS})) == expected


def test_the_rest_of_the_documented_parameters(handler: EndpointHandler, model: CharLSTM) -> None:
    greedy = model.generate("To be", max_new_tokens=30, temperature=0)
    assert texts(handler({"inputs": "To be", "parameters": {"max_new_tokens": 30, "do_sample": False}})) == [greedy]
    stop = greedy[5:8]
    [answer] = handler(
        {"inputs": "To be", "parameters": {"do_sample": False, "stop": [stop], "details": True, "top_k": None}}
    )
    assert answer["generated_text"] == greedy[: greedy.index(stop)]
    assert answer["details"]["finish_reason"] == "stop_sequence"
    assert answer["details"]["prefill"] == answer["details"]["tokens"] == []
    [answer] = handler({"inputs": "To be", "parameters": {"details": True}})
    assert answer["details"]["finish_reason"] == "length" and answer["details"]["generated_tokens"] == 40
    seed = answer["details"]["seed"]  # drawn, and enough to repeat the text
    assert texts(handler({"inputs": "To be", "parameters": {"seed": seed}})) == [answer["generated_text"]]


def test_what_the_model_cannot_read_is_told(handler: EndpointHandler) -> None:
    [answer] = handler({"inputs": "To be 漢", "parameters": SETTINGS})
    assert any("漢" in warning for warning in answer["warnings"])


def test_the_client_of_the_hub_gets_its_answers(handler: EndpointHandler) -> None:
    """huggingface_hub's own request over HTTP, answered as the service does: 400 with the sentence of a refusal."""

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, answer = 200, handler(body)
            except ValueError as error:
                status, answer = 400, {"error": str(error)}  # type: ignore[assignment]
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        client = InferenceClient(f"http://127.0.0.1:{server.server_port}", token="none")
        try:
            text = client.text_generation("To be", stop=["\n\n"], top_p=0.9, **SETTINGS)
            full = client.text_generation("To be", details=True, return_full_text=True, **SETTINGS)
            with pytest.raises(Exception, match="max_new_tokens is 0; expected a whole number from 1"):
                client.text_generation("To be", max_new_tokens=0)
        finally:
            server.shutdown()
    assert texts(handler({"inputs": "To be", "parameters": {**SETTINGS, "stop": ["\n\n"], "top_p": 0.9}})) == [text]
    assert full.generated_text.startswith("To be") and full.details is not None
    assert (full.details.finish_reason, full.details.seed) == ("length", 3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("To be", 'The body is \'To be\'; expected an object such as {"inputs": "To be"}'),
        ({"prompt": "To be"}, "The body is {'prompt'"),
        ({"inputs": "a", "temperature": 1}, "The body has 'temperature'; expected nothing but inputs, parameters"),
        ({"inputs": "a", "stream": True}, "stream is set; expected an answer at once"),
        ({"inputs": "a", "parameters": [1]}, r"parameters is \[1\]; expected an object"),
        ({"inputs": "a", "parameters": {"max_length": 9}}, "parameters has 'max_length'; expected nothing but"),
        ({"inputs": 5}, "inputs is 5; expected a text or a list of texts"),
        ({"inputs": []}, r"inputs is \[\]; expected a text"),
        ({"inputs": ["a", None]}, r"inputs is \['a', None\]; expected a text"),
        ({"inputs": "\ud800"}, "inputs is .*; expected a text"),
        ({"inputs": ["a"] * (MAX_INPUTS + 1)}, f"inputs has 17 texts; expected at most {MAX_INPUTS}"),
        ({"inputs": "a" * (MAX_INPUT_CHARS + 1)}, "a text of 10,001 characters; expected at most 10,000"),
    ],
)
def test_a_body_out_of_bounds_is_refused_in_one_sentence(body: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        EndpointRequest.parse(body, default_length=200)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1), ("temperature", "0.8"), ("temperature", float("nan")), ("top_k", 2.5), ("top_k", -1),
        ("top_p", 0), ("top_p", 2), ("min_p", 1), ("seed", -1), ("seed", 2**63), ("seed", True),
        ("max_new_tokens", 0), ("max_new_tokens", MAX_NEW_TOKENS + 1), ("max_new_tokens", True), ("stop", 5),
        ("stop", [""]), ("stop", [5]), ("stop", {"a": 1}), ("stop", ["a"] * (MAX_STOPS + 1)), ("stop", "a" * 201),
        ("do_sample", 1), ("details", "yes"), ("return_full_text", 0), ("repetition_penalty", 1.3),
        ("grammar", {"type": "json"}), ("best_of", 2), ("watermark", True), ("truncate", 5),
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused_in_one_sentence(handler: EndpointHandler, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="; expected ") as refusal:
        handler({"inputs": "To be", "parameters": {name: value}})
    message = str(refusal.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 400
    assert name.partition("_")[0] in message.lower()


def test_parameters_that_ask_for_nothing_are_taken(handler: EndpointHandler) -> None:
    nothing = {"repetition_penalty": 1.0, "watermark": False, "best_of": 1, "grammar": None, "frequency_penalty": 0}
    body = {"inputs": "To be", "parameters": {**SETTINGS, **nothing}, "stream": False, "options": {"use_cache": False}}
    assert handler(body) == handler({"inputs": "To be", "parameters": SETTINGS})
    assert len(texts(handler({"inputs": "", "parameters": None}))[0]) == 40  # after the model's own start text


def test_a_handler_needs_the_folder_of_a_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no folder .*; expected that of the model's repository"):
        EndpointHandler("user/model")
    with pytest.raises(ValueError, match="expected a hubcharlstm model"):
        EndpointHandler(str(tmp_path))
