"""Replies whose beginning the visitor chose: the model writes on from there, exactly and repeatably."""

from __future__ import annotations

import ast
from typing import Any

import pytest

pytest.importorskip("gradio")

from hubcharlstm.cli_options import parser
from hubcharlstm.demo.chat import permalinks
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.replies import Delivery, ReplyWriter
from hubcharlstm.demo.chat.stored_turns import parse_continue_target
from hubcharlstm.demo.chat.turns import Reply, Turn
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.served_model import ServedModel
from tests.support.chat_doubles import TURN, chat_request, collect, in_english, reply_updates

pytestmark = pytest.mark.usefixtures("fast_pacing")

SETTINGS = {"temperature": 0.8, "length": 30, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "stop": ""}


def version(served_model: ServedModel, typed: str = "To be", **data: Any) -> Reply:
    return reply_updates(served_model, typed, settings=SETTINGS, seed="7", **data)[-1]["replies"][0]


def test_the_model_writes_on_after_the_beginning(served_model: ServedModel) -> None:
    updates = reply_updates(served_model, settings=SETTINGS, seed="7", opening=", or X")
    reply = updates[-1]["replies"][0]
    assert all(update["replies"][0]["text"].startswith(", or X") for update in updates)
    assert updates[-1]["prompt"] == "To be" and updates[-1]["shown"] == "To be"
    assert reply["text"] == ", or X" + served_model.model.generate("To be, or X", max_new_tokens=30, seed=7)
    assert reply["opening"] == ", or X"


def test_after_an_empty_message_the_start_text_stands_before_the_beginning(served_model: ServedModel) -> None:
    start = served_model.start_text
    turn = reply_updates(served_model, "", settings=SETTINGS, seed="7", opening="Ay")[-1]
    assert start and (turn["prompt"], turn["shown"]) == (start, "")
    assert turn["replies"][0]["text"] == "Ay" + served_model.model.generate(f"{start}Ay", max_new_tokens=30, seed=7)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("clamp", [[], [[0, 3, 2.5]]])
def test_continue_goes_on_exactly(served_model: ServedModel, cached: bool, clamp: list[list[float]]) -> None:
    writer = ReplyWriter(UpdatePacer(), max_states=10 if cached else 0)
    request = chat_request(served_model, settings=SETTINGS, seed="7", opening=", or X", clamp=clamp)
    turn: Turn = collect(writer.reply(request, served_model, Delivery(full_speed=True)))[-1]
    target = parse_continue_target({"target": turn, "index": 0})
    reply = collect(writer.continue_reply(target, TURN, 25, served_model, Delivery(full_speed=True)))[-1]["replies"][0]
    cells = {(layer, unit): value for layer, unit, value in clamp}
    whole = served_model.model.generate("To be, or X", max_new_tokens=55, seed=7, clamp=cells)
    assert reply["text"] == f", or X{whole}" and "length=55" in reply["link"]


def test_a_reply_that_was_stopped_before_its_first_new_character_goes_on(served_model: ServedModel) -> None:
    turn = reply_updates(served_model, settings=SETTINGS, seed="7", opening=", or X")[0]
    turn["replies"][0]["writing"] = False
    target = parse_continue_target({"target": turn, "index": 0})
    updates = ReplyWriter(UpdatePacer()).continue_reply(target, TURN, 30, served_model, Delivery(full_speed=True))
    reply = collect(updates)[-1]["replies"][0]
    assert reply["text"] == ", or X" + served_model.model.generate("To be, or X", max_new_tokens=30, seed=7)


@pytest.mark.parametrize(("typed", "speaker"), [("To be", ""), ("", ""), ("Who?", "JULIET")])
def test_the_link_gives_the_same_text_again(served_model: ServedModel, typed: str, speaker: str) -> None:
    reply = version(served_model, typed, speaker=speaker, opening="Ay, X\n")
    link = permalinks.parse_link(reply["link"])
    assert link is not None and link.opening == "Ay, X\n" and link.speaker == speaker
    data = {"settings": link.settings, "seed": str(link.seed), "opening": link.opening, "speaker": link.speaker}
    turn = reply_updates(served_model, link.typed, **data, expected=link.expected.model_dump())[-1]
    assert turn["replies"][0]["text"] == reply["text"] and in_english(turn["replies"][0]["replay_check"]) == "same text"


def test_python_and_the_command_give_it_too(served_model: ServedModel) -> None:
    reply = version(served_model, opening=", or 'X'\n")
    prompt, printed = reply["python"].splitlines()[4], reply["python"].splitlines()[-1]
    assert ast.literal_eval(prompt.strip().removesuffix(",")) == "To be, or 'X'\n"
    assert printed == "print(\", or 'X'\\n\" + text)"
    import shlex

    assert parser().parse_args(shlex.split(reply["command"])[1:]).prompt == "To be, or 'X'\n"


def test_in_a_talk_it_is_a_turn_that_ends_at_the_models_stop(served_model: ServedModel) -> None:
    settings = {**SETTINGS, "stop": "\n\n", "length": 40}
    request = chat_request(served_model, "Who?", speaker="JULIET", settings=settings, seed="7", opening="I, ")
    assert request.is_turn and request.settings.stop == "\n\n" and request.settings.length == 40
    expected = {"hash": "0" * 16, "precision": "int8"}
    link = chat_request(served_model, "Who?", speaker="JULIET", settings=settings, opening="I, ", expected=expected)
    assert not link.is_turn


def test_characters_that_the_model_cannot_read_are_not_part_of_the_text(served_model: ServedModel) -> None:
    reply = version(served_model, opening="A😀b")
    assert reply["opening"] == "Ab" and reply["text"].startswith("Ab")


@pytest.mark.parametrize("opening", [7, None, ["a"], "x" * 20_000])
def test_a_beginning_out_of_range_is_refused(served_model: ServedModel, opening: Any) -> None:
    with pytest.raises(UserError, match="fewer than 20,000 characters: choose an earlier place"):
        chat_request(served_model, opening=opening)


def test_the_length_leaves_room_within_the_bound_of_a_reply(served_model: ServedModel) -> None:
    assert chat_request(served_model, settings=SETTINGS, opening="x" * 19_990).settings.length == 10


def test_a_stored_reply_that_does_not_begin_so_is_refused(served_model: ServedModel) -> None:
    turn = reply_updates(served_model, settings=SETTINGS, seed="7", opening="Ay")[-1]
    turn["replies"][0]["opening"] = "No"
    with pytest.raises(UserError, match="kept in a form"):
        parse_continue_target({"target": turn, "index": 0})
