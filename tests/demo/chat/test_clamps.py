"""Clamped cells in the chat: of a request, its reply, a continuation, a link, Python and the command line."""

from __future__ import annotations

import ast
import shlex
from typing import Any

import pytest

pytest.importorskip("gradio")

from hubcharlstm.cli_generate import run_generate
from hubcharlstm.cli_options import parser
from hubcharlstm.demo.chat import permalinks
from hubcharlstm.demo.chat.clamps import check_clamp, clamp_as_lists, clamp_as_text, parse_clamp
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.replies import Delivery, ReplyWriter
from hubcharlstm.demo.chat.stored_turns import parse_continue_target
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.served_model import ServedModel
from tests.support.chat_doubles import TURN, chat_request, collect, in_english, reply_updates

pytestmark = pytest.mark.usefixtures("fast_pacing")

CLAMP: list[list[float]] = [[0, 3, 2.5], [0, 12, -0.1]]
CELLS = {(0, 3): 2.5, (0, 12): -0.1}


def test_a_request_with_a_clamp_writes_what_the_library_does(served_model: ServedModel) -> None:
    reply = reply_updates(served_model, clamp=CLAMP)[-1]["replies"][0]
    assert reply["text"] == served_model.model.generate("To be", max_new_tokens=40, seed=7, clamp=CELLS)
    assert reply["text"] != served_model.model.generate("To be", max_new_tokens=40, seed=7)
    assert [cell[:2] for cell in reply["clamp"]] == [[0, 3], [0, 12]]
    plain = reply_updates(served_model)[-1]["replies"][0]
    assert plain["clamp"] == [] and "clamp" not in plain["link"] + plain["python"] + plain["command"]


@pytest.mark.parametrize("cached", [True, False])
def test_a_continuation_is_clamped_too(served_model: ServedModel, cached: bool) -> None:
    writer = ReplyWriter(UpdatePacer(), max_states=10 if cached else 0)
    request = chat_request(served_model, clamp=CLAMP)
    turn = collect(writer.reply(request, served_model, Delivery(full_speed=True)))[-1]
    target = parse_continue_target({"target": turn, "index": 0})
    reply = collect(writer.continue_reply(target, TURN, 30, served_model, Delivery(full_speed=True)))[-1]["replies"][0]
    assert reply["text"] == served_model.model.generate("To be", max_new_tokens=70, seed=7, clamp=CELLS)
    assert reply["clamp"] == turn["replies"][0]["clamp"] and "length=70" in reply["link"] and "clamp=" in reply["link"]


def test_a_reply_that_was_stored_before_there_were_clamps_goes_on(served_model: ServedModel) -> None:
    turn = reply_updates(served_model)[-1]
    del turn["replies"][0]["clamp"]  # type: ignore[misc]
    target = parse_continue_target({"target": turn, "index": 0})
    updates = ReplyWriter(UpdatePacer()).continue_reply(target, TURN, 20, served_model, Delivery(full_speed=True))
    reply = collect(updates)[-1]["replies"][0]
    assert reply["text"] == served_model.model.generate("To be", max_new_tokens=60, seed=7) and reply["clamp"] == []


def test_the_link_gives_the_same_text_again(served_model: ServedModel) -> None:
    reply = reply_updates(served_model, clamp=CLAMP)[-1]["replies"][0]
    link = permalinks.parse_link(reply["link"])
    assert link is not None and link.clamp == check_clamp(CLAMP)
    data = {"settings": link.settings, "seed": str(link.seed), "clamp": clamp_as_lists(link.clamp)}
    turn = reply_updates(served_model, link.typed, **data, expected=link.expected.model_dump())[-1]
    again = turn["replies"][0]
    assert again["text"] == reply["text"] and in_english(again["replay_check"]) == "same text"


def test_python_and_the_command_say_the_clamp(
    served_model: ServedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = reply_updates(served_model, clamp=CLAMP)[-1]["replies"][0]
    [said] = [line for line in reply["python"].splitlines() if "clamp=" in line]
    cells = ast.literal_eval(said.strip().removeprefix("clamp=").removesuffix(","))
    assert reply["text"] == served_model.model.generate("To be", max_new_tokens=40, seed=7, clamp=cells)
    monkeypatch.setattr("hubcharlstm.CharLSTM.from_pretrained", lambda *_, **__: served_model.model)
    assert run_generate(parser().parse_args(shlex.split(reply["command"])[1:])) == 0
    assert capsys.readouterr().out == f"To be{reply['text']}\n"


def test_values_survive_a_link_to_the_last_bit() -> None:
    clamp = check_clamp([[0, 1, 1 / 3], [1, 0, -1e-7], [2, 9, 100], [3, 4, -2]])
    assert parse_clamp(clamp_as_text(clamp_as_lists(clamp))) == clamp
    assert clamp_as_text([[3, 4, -2], [0, 1, 2.5]]) == "0:1:2.5,3:4:-2" and parse_clamp("") == ()


@pytest.mark.parametrize(
    ("clamp", "sentence"),
    [
        ("0:1:2", "The clamp is no list; expected [layer, unit, value] of each cell"),
        ([[0, unit, 1] for unit in range(17)], "17 cells are clamped; expected 16 at most: release some."),
        ([[0, 1]], "The clamp holds [0, 1]; expected [layer, unit, value]"),
        ([[0, 1, "2"]], "The clamp holds [0, 1, '2']"),
        ([[0, 1, True]], "The clamp holds [0, 1, True]"),
        ([[0, 1.5, 2]], "The clamp holds [0, 1.5, 2]"),
        ([[-1, 1, 2]], "The clamp holds [-1, 1, 2]"),
        ([[0, 1, 101]], "with a value from -100 to 100: correct it."),
        ([[0, 1, float("nan")]], "The clamp holds [0, 1, nan]"),
        ([[0, 1, 2], [0, 1, 3]], "The clamp names layer 0, unit 1 twice"),
        ([None], "The clamp holds None"),
    ],
)
def test_a_clamp_out_of_range_is_refused(served_model: ServedModel, clamp: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        chat_request(served_model, clamp=clamp)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("cell", [[0, 32, 1], [1, 0, 1]])
def test_a_cell_that_the_model_has_not_is_refused(served_model: ServedModel, cell: list[int]) -> None:
    with pytest.raises(ValueError, match="layer from 0 to 0 and a unit from 0 to 31: correct it"):
        reply_updates(served_model, clamp=[cell])


@pytest.mark.parametrize(
    "query", ["?clamp=1", "?clamp=0:1:x", "?clamp=0:1:2,", "?clamp=0:1:1e999", "?clamp=0:1:2,0:1:3"]
)
def test_a_damaged_clamp_of_a_link_is_refused(query: str) -> None:
    with pytest.raises(UserError, match="clamp"):
        permalinks.parse_link(query)
