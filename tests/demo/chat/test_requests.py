"""Talking with somebody out of a text: what the page sends reads as two turns of that text, whatever its form."""

from __future__ import annotations

import re

import pytest

from hubcharlstm import GenerationConfig
from tests.support import talks
from training.data.dialogue import find_dialogue

pytest.importorskip("gradio")

from hubcharlstm.demo.chat import requests
from hubcharlstm.demo.page import welcome
from tests.demo.chat.test_chat import tiny_model


def config_of(kind: str) -> GenerationConfig:
    talk = find_dialogue(talks.TALKS[kind][0]())
    assert talk is not None
    return GenerationConfig(speakers=talk.speakers, turn_template=talk.template, turn_stop=talk.end)


@pytest.mark.parametrize("kind", talks.TALKS)
def test_a_message_and_its_reply_are_two_turns_of_the_text(kind: str) -> None:
    config = config_of(kind)
    _, speakers, head, visitor, end = talks.TALKS[kind]
    name = next(name for name in speakers if name in head)
    prompt, shown = requests.compose(config, "who goes there", name)
    assert re.sub(r"\d+", "0", shown) == head  # stands before the reply on the page
    assert prompt.endswith(f"who goes there{end}{shown}")
    assert not visitor or re.sub(r"\d+", "0", prompt).startswith(f"{visitor}who goes there")
    assert requests.compose(config, " ", name) == (shown, shown)
    longer, _ = requests.compose(config, "and now", name, context=prompt + "nobody\n")
    assert longer.startswith(f"{prompt}nobody{end}") and longer.endswith(f"and now{end}{shown}")


def test_a_message_of_several_lines_stays_one_turn() -> None:
    """In a chat of one line each the second line was read as somebody's without a name."""
    prompt, _ = requests.compose(config_of("chat"), "one\n\ntwo\nthree\n", "bob")
    assert prompt == "stranger: one two three\nbob: "
    prompt, _ = requests.compose(config_of("interview"), "one\n\n\ntwo\nthree\n", "ANNA")
    assert prompt == "INTERVIEWER: one\ntwo\nthree\n\nANNA: "


def test_the_page_asks_for_such_a_turn_and_stops_at_its_end() -> None:
    config = config_of("irc")
    model = tiny_model(speakers=config.speakers, turn_template=config.turn_template, turn_stop=config.turn_stop)
    data = {"turn": "0123456789abcdef", "typed": "hi", "speaker": "BOB: "}
    wish = requests.ChatRequest.read(data, {"temperature": 0.8, "length": 40}, model.generation_config)
    assert wish.speaker == "bob" and wish.settings.stop == "\n"
    assert welcome.name_line(model, "bob") in welcome.intro(model, "tiny")["pool"]
    assert re.fullmatch(r"\[12:\d\d\] <bob> ", welcome.name_line(model, "bob"))
