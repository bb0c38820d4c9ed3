"""Continuing a reply: exactly where it stopped, from its state or by a replay."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.replies import Delivery, ReplyWriter
from hubcharlstm.demo.chat.state_cache import StateCache
from hubcharlstm.demo.chat.stored_turns import parse_continue_target
from hubcharlstm.demo.chat.turns import Turn
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.served_model import ServedModel
from tests.support.chat_doubles import TURN, chat_request, collect, reply_updates

pytestmark = pytest.mark.usefixtures("fast_pacing")


def continued(writer: ReplyWriter, turn: Turn, served_model: ServedModel, length: int = 40) -> Turn:
    target = parse_continue_target({"target": turn, "index": 0})
    return collect(writer.continue_reply(target, TURN, length, served_model, Delivery(full_speed=True)))[-1]


@pytest.mark.parametrize("cached", [True, False])
def test_a_continued_reply_is_what_one_longer_reply_is(served_model: ServedModel, cached: bool) -> None:
    writer = ReplyWriter(UpdatePacer(), max_states=10 if cached else 0)
    turn = collect(writer.reply(chat_request(served_model), served_model, Delivery(full_speed=True)))[-1]
    assert writer.num_states == cached
    turn = continued(writer, continued(writer, turn, served_model), served_model, 20)
    assert turn["replies"][0]["text"] == served_model.model.generate("To be", max_new_tokens=100, seed=7)
    assert "length=100" in turn["replies"][0]["link"]


@pytest.mark.parametrize("cached", [True, False])
def test_continuing_behind_a_stop_string_puts_it_back(served_model: ServedModel, cached: bool) -> None:
    whole = served_model.model.generate("To be", max_new_tokens=60, seed=7)
    stop = whole[10:12]
    first = whole.index(stop)
    writer = ReplyWriter(UpdatePacer(), max_states=10 if cached else 0)
    request = chat_request(served_model, controls={"stop": stop})
    turn = collect(writer.reply(request, served_model, Delivery(full_speed=True)))[-1]
    assert turn["replies"][0]["text"] == whole[:first] and turn["replies"][0]["ending"] == "ended by itself"
    reply = continued(writer, turn, served_model, 30)["replies"][0]
    assert len(reply["text"]) > first + 2 and whole.startswith(reply["text"]) and "stop=" not in reply["link"]


def test_a_replay_that_differs_is_reported(served_model: ServedModel) -> None:
    turn = reply_updates(served_model)[-1]
    turn["replies"][0]["text"] = "something else"
    with pytest.raises(UserError, match="a replay of it differs on this hardware or model"):
        continued(ReplyWriter(UpdatePacer()), turn, served_model)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda turn: turn.pop("prompt"),
        lambda turn: turn.update(replies=[]),
        lambda turn: turn.update(warnings=[7]),
        lambda turn: turn["replies"][0].update(text=None),
        lambda turn: turn["replies"][0].update(temperature=99),
        lambda turn: turn["replies"][0].update(seed="many"),
        lambda turn: turn["replies"][0].update(text="x" * 20_000),
        lambda turn: turn["replies"][0].update(id="../../etc"),
        lambda turn: turn["replies"][0].pop("model"),
        lambda turn: turn["replies"].append(None),
        lambda turn: turn.update(replies=turn["replies"] * 5),
        lambda turn: turn.update(prompt="x" * 30_001),
        lambda turn: turn["replies"][0].update(top_k="5"),
    ],
)
def test_a_damaged_stored_turn_is_refused(served_model: ServedModel, spoil: Any) -> None:
    turn = reply_updates(served_model)[-1]
    spoil(turn)
    with pytest.raises(UserError):
        parse_continue_target({"target": turn, "index": 0})


def test_cached_states_are_bounded_and_belong_to_one_text(served_model: ServedModel) -> None:
    state = served_model.model.complete("a", max_new_tokens=1).state
    states = StateCache(limit=2)
    for name in ("one", "two", "three"):
        states.store(name, "hash", state)
    fingerprint = served_model.model.fingerprint
    assert len(states) == 2 and states.find("one", "hash", fingerprint) is None
    assert states.find("three", "hash", fingerprint) is state
    assert states.find("three", "other", fingerprint) is None and states.find("three", "hash", "other") is None
    states.evict("three")
    assert states.find("three", "hash", fingerprint) is None


@pytest.mark.parametrize("index", [1, -1, 0.0, "0", None, True])
def test_an_index_of_no_reply_is_refused(served_model: ServedModel, index: Any) -> None:
    with pytest.raises(UserError, match="kept in a form that this page does not know: retry it"):
        parse_continue_target({"target": reply_updates(served_model)[-1], "index": index})


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"temperature": 99}, "temperature", "The temperature is 99; expected 0 to 2: choose another."),
        ({"seed": "many"}, "seed", "The seed is 'many'; expected a whole number from 0 to"),
        ({"seed": ""}, "message", "This reply was kept in a form that this page does not know: retry it."),
        ({"id": "../../etc"}, "message", "The page sent a message without its id; expected one: load the page again."),
        ({"text": "x" * 20_000}, "message", "The reply has 20,000 characters; it may grow to 20,000: start a new"),
        ({"text": None}, "message", "This reply was kept in a form that this page does not know: retry it."),
    ],
)
def test_a_damaged_stored_reply_is_refused_in_one_sentence(
    served_model: ServedModel, changes: dict[str, Any], field: str, sentence: str
) -> None:
    turn = reply_updates(served_model)[-1]
    turn["replies"][0] |= changes  # type: ignore[typeddict-item]  # damaged on purpose
    with pytest.raises(UserError) as caught:
        parse_continue_target({"target": turn, "index": 0})
    assert str(caught.value).startswith(sentence) and caught.value.field == field


def test_only_known_fields_of_a_stored_turn_are_sent_back(served_model: ServedModel) -> None:
    """The page echoed all of a forged continuation. Half an emoji is no valid Unicode, but was typed."""
    turn = reply_updates(served_model)[-1] | {"typed": "To be \ud83d"}
    known = parse_continue_target({"target": turn, "index": 0}).turn
    assert known == {**turn, "id": ""}
    forged = turn | {"bookmark": [7] * 1000, "replies": [turn["replies"][0] | {"more": {"x": 1}}]}
    assert parse_continue_target({"target": forged, "index": 0}).turn == known


@pytest.mark.parametrize(
    "changes",
    [
        {"typed": "x" * 10_001},
        {"speaker": "x" * 61},
        {"context": "x" * 10_001},
        {"shown": "x" * 30_001},
        {"warnings": ["x"] * 21},
        {"warnings": ["x" * 1_001]},
        {"warnings": [{"key": "a", "params": {str(number): 1 for number in range(11)}}]},
        {"warnings": [{"key": "a", "params": {"a": {"key": "b", "params": {"c": {"key": "d"}}}}}]},
        {"warnings": [{"key": "a", "params": {"a": [[1]]}}]},
        {"warnings": [{"key": "a", "params": {"a": float("nan")}}]},
    ],
)
def test_each_field_of_a_stored_turn_has_its_bound(served_model: ServedModel, changes: dict[str, Any]) -> None:
    turn = reply_updates(served_model)[-1]
    with pytest.raises(UserError, match="in a form that this page does not know"):
        parse_continue_target({"target": turn | changes, "index": 0})


def test_a_reply_beside_the_continued_one_has_bounds_and_defaults(served_model: ServedModel) -> None:
    """An earlier version of the page stored less of a reply; code that is too long is left out, not refused."""
    turn = reply_updates(served_model)[-1]
    turn["replies"].append({"text": "To be", "python": "x" * 300_001, "seed": 7})  # type: ignore[typeddict-item]
    other = parse_continue_target({"target": turn, "index": 0}).turn["replies"][1]
    assert other.keys() == turn["replies"][0].keys()
    assert (other["text"], other["python"], other["seed"], other["clamp"]) == ("To be", "", "7", [])
    for spoilt in ({"text": "x" * 20_401}, {"text": "a", "rate": float("inf")}, {"text": "a", "model": ["x"]}):
        turn["replies"][1] = spoilt  # type: ignore[call-overload]
        with pytest.raises(UserError):
            parse_continue_target({"target": turn, "index": 0})
