"""With a character a reply is a turn: it goes on to the end of the turn, or to its last whole sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.permalinks import parse_link
from hubcharlstm.demo.chat.replies import Delivery, ReplyWriter
from hubcharlstm.demo.chat.requests import ChatRequest
from hubcharlstm.demo.chat.sentences import cut_after_sentence
from hubcharlstm.demo.chat.stored_turns import parse_continue_target
from hubcharlstm.demo.chat.turns import CUT_ENDING, Turn
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import TURN_LENGTH, Settings
from tests.support.chat_doubles import CONTROLS, TURN, chat_request, collect, in_english
from tests.support.sentence_cases import SENTENCE_CASES

pytestmark = pytest.mark.usefixtures("fast_pacing")

PROMPT = "STRANGER:\nWho?\n\nJULIET:\n"


def written(writer: ReplyWriter, request: ChatRequest, served_model: ServedModel) -> Turn:
    return collect(writer.reply(request, served_model, Delivery(full_speed=True)))[-1]


def turn_of(served_model: ServedModel, length: int) -> ChatRequest:
    return chat_request(served_model, "Who?", speaker="JULIET", controls={"length": length})


@pytest.mark.parametrize(("text", "shown"), SENTENCE_CASES)
def test_a_text_is_cut_after_its_last_whole_sentence(text: str, shown: str) -> None:
    assert cut_after_sentence(text) == shown


def test_a_continuation_is_never_cut_before_its_own_beginning() -> None:
    assert cut_after_sentence("I come. And so", len("I come.")) == "I come. And so"


def test_a_length_that_nobody_chose_is_a_bound_far_above_a_turn(served_model: ServedModel) -> None:
    default = Settings.of(served_model.model.generation_config).length
    assert turn_of(served_model, default).settings.length == TURN_LENGTH
    assert turn_of(served_model, default + 100).settings.length == default + 100
    assert turn_of(served_model, 40).settings.length == 40
    assert chat_request(served_model, controls={"length": default}).settings.length == default


def test_a_turn_that_reaches_its_length_ends_in_a_whole_sentence_and_goes_on_from_there(
    served_model: ServedModel,
) -> None:
    model, writer = served_model.model, ReplyWriter(UpdatePacer())
    texts = {seed: model.generate(PROMPT, max_new_tokens=600, seed=seed) for seed in range(1, 40)}
    seed, length = next(
        (seed, length)
        for seed, text in texts.items()
        for length in range(100, 200)
        if "\n\n" not in text and 20 < len(cut_after_sentence(text[:length])) < length - 10
    )
    whole, shown = texts[seed], cut_after_sentence(texts[seed][:length])
    turn = written(writer, replace(turn_of(served_model, length), seed=seed), served_model)
    reply = turn["replies"][0]
    assert reply["text"] == shown and reply["ending"] == CUT_ENDING
    assert f"max_new_tokens={len(shown)}," in reply["python"]
    target = parse_continue_target({"target": turn, "index": 0})
    assert target.is_turn(model.generation_config)
    more = collect(writer.continue_reply(target, TURN, 300, served_model, Delivery(full_speed=True)))[-1]["replies"][0]
    assert len(more["text"]) > len(shown) and whole.startswith(more["text"])
    assert cut_after_sentence(more["text"], len(shown)) == more["text"] or more["ending"] != CUT_ENDING


def test_the_permalink_of_a_cut_turn_writes_what_was_shown(served_model: ServedModel) -> None:
    """Nothing is cut again: a link from before replies were cut has the text that it had."""
    writer = ReplyWriter(UpdatePacer())
    turn = written(writer, turn_of(served_model, 300), served_model)
    config = served_model.model.generation_config
    for query in (turn["replies"][0]["link"], "?message=Who%3F&speaker=JULIET&length=300&stop=%0A%0A&seed=7"):
        link = parse_link(query)
        assert link is not None
        settings = vars(Settings.of(config, **link.settings))
        data = {"turn": TURN, "typed": link.typed, "speaker": link.speaker, "settings": settings, "seed": link.seed}
        request = ChatRequest.parse(data | {"expected": link.expected.model_dump()}, CONTROLS, config)
        reply = written(writer, request, served_model)["replies"][0]
        expected = served_model.model.generate(PROMPT, max_new_tokens=request.settings.length, seed=7, stop="\n\n")
        assert reply["text"] == expected and reply["ending"] != CUT_ENDING
        assert in_english(reply["replay_check"]) == ("same text" if link.expected.hash else "")
