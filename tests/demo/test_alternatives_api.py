"""The endpoint `/alternatives`: what the library says of a place, within bounds, for programs and assistants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.owners import OWNER_HEADER
from hubcharlstm.demo.private_models import MADE_HERE
from hubcharlstm.demo.serving.admission import Limits
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model()) as running:
        yield running


def test_it_answers_what_the_library_does(served: Served) -> None:
    sampling = {"temperature": 0.7, "top_k": 5}
    done = served.last("alternatives", text="or not", position=3, prompt="To be, ", k=12, **sampling)
    found = served.model.alternatives("or not", 3, start_text="To be, ", k=12, **sampling)
    assert [choice["character"] for choice in done["choices"]] == [choice.character for choice in found.choices]
    for given, own in zip([*done["choices"], done["actual"]], [*found.choices, found.actual], strict=True):
        assert own is not None and (given["character"], given["rank"]) == (own.character, own.rank)
        assert given["probability"] == pytest.approx(own.probability)
        assert given["sampling_probability"] == pytest.approx(own.sampling_probability)
    assert (done["text"], done["position"], done["temperature"], done["top_k"]) == ("or not", 3, 0.7, 5)
    assert [choice["sampling_probability"] > 0 for choice in done["choices"]] == [True] * 5 + [False] * 7


def test_without_a_position_it_is_the_end_and_without_a_prompt_the_models_start_text(served: Served) -> None:
    done = served.last("alternatives", text="To 😀be")
    found = served.model.alternatives("To be", 5)
    assert (done["position"], done["actual"], len(done["choices"])) == (5, None, 10)
    assert done["choices"][0]["probability"] == pytest.approx(found.choices[0].probability)
    assert done["warnings"] == ["😀 skipped"]


def test_a_clamp_is_heeded(served: Served) -> None:
    done = served.last("alternatives", text="To be", position=2, clamp=[[0, 3, 2.5]])
    found = served.model.alternatives("To be", 2, clamp={(0, 3): 2.5})
    assert done["choices"][0]["probability"] == pytest.approx(found.choices[0].probability)
    assert done["choices"] != served.last("alternatives", text="To be", position=2)["choices"]


def test_a_private_model_answers_to_its_owner_alone(served: Served) -> None:
    """The page asks with its browser's key; without it the model's name is none of the app's."""
    label = asyncio.run(served.private.add("a" * 32, f"diary, {MADE_HERE}", tiny_model()))
    for name, arguments in (("alternatives", {"text": "To be"}), ("score", {"text": "To be"})):
        ends = []
        for headers in ({OWNER_HEADER: "a" * 32}, {OWNER_HEADER: "b" * 32}, {}):
            url = f"{served.url}/gradio_api/call/v2/{name}"
            event = httpx.post(url, json={**arguments, "model": label}, headers=headers).json()["event_id"]
            ends.append([kind for kind, _ in served.receive(name, event)][-1])
        assert ends == ["complete", "error", "error"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"text": "x" * 20_001}, "The text has 20,001 characters; expected 20,000 at most"),
        ({"text": "x", "prompt": "x" * 30_001}, "The prompt has 30,001 characters; expected 30,000 at most"),
        (
            {"text": "To", "position": 3},
            "The position is 3; expected a whole number from 0 to 2 characters: choose another.",
        ),
        ({"text": "To", "position": -1}, "The position is -1"),
        ({"text": "😀", "position": 1}, "position is 1; expected a whole number from 0 to 0"),
        ({"text": "To", "k": 0}, "The k is 0; expected a whole number from 1 to 100"),
        ({"text": "To", "k": 101}, "The k is 101"),
        ({"text": "To", "temperature": 3}, "The temperature is 3; expected 0 to 2"),
        ({"text": "To", "clamp": [[0, 1]]}, "The clamp holds [0, 1]"),
        ({"text": "To", "clamp": [[0, 99, 1]]}, "a unit from 0 to 31: correct it"),
        ({"text": "To", "model": "other"}, "is not offered here"),
    ],
)
def test_what_exceeds_the_bounds_is_told_in_one_sentence(
    served: Served, arguments: dict[str, Any], sentence: str
) -> None:
    assert sentence in served.refusal("alternatives", **arguments)


def test_it_counts_under_the_limits_of_the_app() -> None:
    with serving(tiny_model(), limits=Limits(max_concurrent=1, max_queued=0)) as served:
        ticket = served.admission.enter(_nobody())
        with ticket:
            assert "The app is busy" in served.refusal("alternatives", text="To be")
        assert served.last("alternatives", text="To be")["position"] == 5


def _nobody() -> Any:
    from hubcharlstm.demo.serving.admission import ClientIdentity

    return ClientIdentity()


def test_a_score_after_a_prompt_scores_the_text_alone(served: Served) -> None:
    done = served.last("score", text="or not", prompt="To be, ")
    own = served.model.score("or not", start_text="To be, ")
    assert done["characters"] == 6 and done["log_probs"] == pytest.approx(own.log_probs.tolist(), abs=1e-5)
    whole = served.model.score("To be, or not").log_probs[-6:]
    assert done["log_probs"][-1] != pytest.approx(served.model.score("or not").log_probs[-1], abs=1e-7)
    assert len(whole) == 6
    assert "The prompt has 10,001" in served.refusal("score", text="x", prompt="x" * 10_001)


def test_it_is_a_tool_of_assistants(served: Served) -> None:
    pytest.importorskip("mcp")
    import asyncio

    answer = asyncio.run(served.tools.call("alternatives", {"text": "To be", "position": 2}, None))
    assert answer == served.last("alternatives", text="To be", position=2)
    properties = served.tools.input_schema("alternatives")["properties"]
    assert properties["k"]["maximum"] == 100 and properties["text"]["maxLength"] == 20_000
