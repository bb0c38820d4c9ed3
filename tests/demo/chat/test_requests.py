"""Chat requests: what the page sends is checked like a stranger's, and fills the template of any kind of text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hubcharlstm import GenerationConfig
from tests.support import talks
from training.data.dialogue import find_dialogue

pytest.importorskip("gradio")

from hubcharlstm.demo.chat.requests import ChatRequest, compose
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.page import welcome
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import parse_seed
from tests.support.chat_doubles import CONTROLS, TURN, chat_request, tiny_model

# --- templates of turns ---------------------------------------------------------------------------------------------


def config_of(kind: str) -> GenerationConfig:
    talk = find_dialogue(talks.TALKS[kind][0]())
    assert talk is not None
    return GenerationConfig(speakers=talk.speakers, turn_template=talk.template, turn_stop=talk.end)


@pytest.mark.parametrize("kind", talks.TALKS)
def test_a_message_and_its_reply_are_two_turns_of_the_text(kind: str) -> None:
    config = config_of(kind)
    _, speakers, head, own_head, end = talks.TALKS[kind]
    name = next(name for name in speakers if name in head)
    prompt, shown = compose(config, "who goes there", name)
    assert re.sub(r"\d+", "0", shown) == head  # stands before the reply on the page
    assert prompt.endswith(f"who goes there{end}{shown}")
    assert not own_head or re.sub(r"\d+", "0", prompt).startswith(f"{own_head}who goes there")
    assert compose(config, " ", name) == (shown, shown)
    longer, _ = compose(config, "and now", name, context=prompt + "nobody\n")
    assert longer.startswith(f"{prompt}nobody{end}") and longer.endswith(f"and now{end}{shown}")


def test_a_message_of_several_lines_stays_one_turn() -> None:
    """In a chat of one line each the second line was read as somebody's without a name."""
    prompt, _ = compose(config_of("chat"), "one\n\ntwo\nthree\n", "bob")
    assert prompt == "stranger: one two three\nbob: "
    prompt, _ = compose(config_of("interview"), "one\n\n\ntwo\nthree\n", "ANNA")
    assert prompt == "INTERVIEWER: one\ntwo\nthree\n\nANNA: "


def test_the_page_asks_for_such_a_turn_and_stops_at_its_end() -> None:
    config = config_of("irc")
    model = tiny_model(speakers=config.speakers, turn_template=config.turn_template, turn_stop=config.turn_stop)
    data = {"turn": "0123456789abcdef", "typed": "hi", "speaker": "BOB: "}
    request = ChatRequest.parse(data, {"temperature": 0.8, "length": 40}, model.generation_config)
    assert request.speaker == "bob" and request.settings.stop == "\n"
    assert welcome.name_line(model, "bob") in welcome.intro(model, "tiny")["pool"]
    assert re.fullmatch(r"\[12:\d\d\] <bob> ", welcome.name_line(model, "bob"))


def test_the_prompt_of_a_talk_is_the_models_template(served_model: ServedModel) -> None:
    config = served_model.model.generation_config
    assert compose(config, "Good {speaker}\n", "JULIET") == (
        "STRANGER:\nGood {speaker}\n\nJULIET:\n",
        "JULIET:\n",
    )
    assert compose(config, " ", "JULIET") == ("JULIET:\n", "JULIET:\n")
    assert compose(config, "Who?", "ROMEO", "Said.\n") == (
        "Said.\n\nSTRANGER:\nWho?\n\nROMEO:\n",
        "ROMEO:\n",
    )
    assert compose(GenerationConfig(), "Who?", "ROMEO", "Said.") == ("Said.Who?", "Who?")


def test_a_message_goes_on_from_the_text_so_far_only_if_wanted(served_model: ServedModel) -> None:
    assert chat_request(served_model, "x", context="before").context == ""
    assert chat_request(served_model, "x", context="before", controls={"go_on": True}).context == "before"
    long = chat_request(served_model, "x" * 9_990, context="y" * 50 + "0123456789", controls={"go_on": True})
    assert long.context == "0123456789" and "only the last 10 characters" in str(long.warning)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("controls", "data", "field", "sentence"),
    [
        ({"temperature": -0.1}, {}, "temperature", "The temperature is -0.1; expected 0 to 2"),
        ({"temperature": 2.01}, {}, "temperature", "The temperature is 2.01; expected 0 to 2"),
        ({"temperature": float("nan")}, {}, "temperature", "The temperature is nan; expected 0 to 2"),
        ({"temperature": "hot"}, {}, "temperature", "The temperature is 'hot'; expected 0 to 2"),
        ({"length": 0}, {}, "length", "The length is 0; expected a whole number from 1 to 2,000"),
        ({"length": 2_001}, {}, "length", "The length is 2,001; expected"),
        ({"length": 10.5}, {}, "length", "The length is 10.5; expected a whole number"),
        ({"top_k": -1}, {}, "top-k", "The top_k is -1|The top-k is -1"),
        ({"top_p": 0}, {}, "top-p", "The top-p is 0; expected 0.01 to 1"),
        ({"min_p": 1}, {}, "min-p", "The min-p is 1; expected 0 to 0.99"),
        ({"stop": "x" * 201}, {}, "stop", "The text to stop at"),
        ({"speaker": "a\nb"}, {}, "speaker", "The name is no text of up to 60"),
        ({"seed": "seven"}, {}, "seed", "The seed is 'seven'; expected a whole number"),
        ({"seed": "9" * 20}, {}, "seed", "expected a whole number from 0 to"),
        ({"seed": str(2**63)}, {}, "seed", "expected a whole number from 0 to"),
        ({}, {"seed": -1}, "seed", "The seed is '-1'"),
        ({}, {"seed": True}, "seed", "expected a whole number"),
        ({}, {"typed": "x" * 10_001}, "message", "The message has 10,001 characters; expected 10,000 at most"),
        ({}, {"typed": None}, "message", "expected text"),
        ({}, {"temperatures": [1] * 5}, "message", "5 replies were asked for; expected 4 at most"),
        ({}, {"temperatures": [3]}, "temperature", "The temperature is 3; expected 0 to 2"),
        ({}, {"turn": "<b>"}, "message", "without its id"),
        ({}, {"settings": {"length": 1e9}}, "length", "expected a whole number from 1 to 2,000"),
    ],
)
def test_a_request_out_of_range_is_refused(
    served_model: ServedModel, controls: dict[str, Any], data: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        ChatRequest.parse(
            {"turn": TURN, "typed": "To be", **data}, CONTROLS | controls, served_model.model.generation_config
        )
    assert caught.value.field == field


@pytest.mark.parametrize(("text", "seed"), [("", None), (None, None), ("  ", None), (" 42 ", 42), ("0", 0), (7, 7)])
def test_a_seed_is_parsed(text: Any, seed: int | None) -> None:
    assert parse_seed(text) == seed


@pytest.mark.parametrize("data", [None, [], "To be", 7, {}])
def test_an_event_without_a_message_is_refused(data: Any) -> None:
    with pytest.raises(UserError) as caught:
        ChatRequest.parse(data, CONTROLS, GenerationConfig())
    expected = "a message without its id" if data == {} else "no message"
    assert str(caught.value) == f"The page sent {expected}; expected one: load the page again."


def test_keys_of_the_wrong_type_that_may_be_missing_are_missing(served_model: ServedModel) -> None:
    odd = {"context": 7, "settings": "hot", "temperatures": "warm", "expected": [1], "retry": "yes", "later": None}
    assert chat_request(served_model, **odd) == chat_request(served_model)


def test_half_an_emoji_is_a_message(served_model: ServedModel) -> None:
    """JavaScript cuts strings between the halves of a character, which is no valid Unicode, and JSON carries it."""
    assert chat_request(served_model, "To be \ud83d", context="\ude00", retry=True).typed == "To be \ud83d"


def test_numbers_keep_their_type(served_model: ServedModel) -> None:
    """The Python lines of a permalink name temperature 1 as the page sent it."""
    request = chat_request(served_model, temperatures=[1, 0.5])
    assert [repr(temperature) for temperature in request.temperatures] == ["1", "0.5"]
