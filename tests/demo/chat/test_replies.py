"""A reply: it grows at its end, is what the library generates, and says how it was generated."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
import torch

from hubcharlstm import TextStream
from hubcharlstm.errors import DamagedModelError

pytest.importorskip("gradio")

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.replies import CancelToken, Delivery, ReplyWriter
from hubcharlstm.demo.chat.turns import Turn, cycle_in
from hubcharlstm.demo.served_model import ServedModel
from tests.support.chat_doubles import chat_request, in_english, reply_updates, tiny_model

pytestmark = pytest.mark.usefixtures("fast_pacing")


def test_a_reply_grows_at_its_end_and_is_what_the_library_writes(served_model: ServedModel) -> None:
    updates = reply_updates(served_model, controls={"full_speed": False})
    texts = [update["replies"][0]["text"] for update in updates]
    assert texts[0] == "" and texts[-1] == served_model.model.generate("To be", max_new_tokens=40, seed=7)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts)) and len(texts) > 4
    assert [update["replies"][0]["writing"] for update in updates] == [True] * (len(updates) - 1) + [False]
    reply = updates[-1]["replies"][0]
    assert (reply["seed"], reply["temperature"], reply["model"], reply["ending"]) == (
        "7",
        0.8,
        "tiny",
        "length reached",
    )
    assert (reply["precision"], reply["device"]) == (served_model.model.decoder.precision, "cpu") and reply["rate"] > 0


def test_full_speed_and_the_reading_pace_write_the_same_text(served_model: ServedModel) -> None:
    slow, fast = (reply_updates(served_model, controls={"full_speed": full_speed})[-1] for full_speed in (False, True))
    assert slow["replies"][0]["text"] == fast["replies"][0]["text"]


def test_replies_side_by_side_are_what_each_would_be_alone(served_model: ServedModel) -> None:
    turn = reply_updates(served_model, temperatures=[0.2, 0.8, 1.4])[-1]
    for reply, temperature in zip(turn["replies"], (0.2, 0.8, 1.4), strict=True):
        assert reply["text"] == served_model.model.generate("To be", max_new_tokens=40, seed=7, temperature=temperature)


def test_hostile_text_passes_through_untouched(served_model: ServedModel) -> None:
    typed = "  <img src=x onerror=alert(1)> & `a` **b** _c_ ${1}\n\\"
    turn = reply_updates(served_model, typed)[-1]
    assert turn["typed"] == typed and turn["prompt"].startswith("  <img src") and "**b** _c_" in turn["prompt"]


def test_substituted_and_dropped_characters_are_reported(served_model: ServedModel) -> None:
    turn = reply_updates(served_model, "É😀")[-1]
    assert turn["prompt"] == "E" and [*map(in_english, turn["warnings"])] == ["É read as E", "😀 skipped"]


def test_an_empty_message_starts_from_the_models_start_text_and_says_so(served_model: ServedModel) -> None:
    turn = reply_updates(served_model, "")[-1]
    assert len(turn["replies"][0]["text"]) == 40 and "nothing to start from" in in_english(turn["warnings"][0])


def test_a_seed_is_drawn_unless_it_is_locked(served_model: ServedModel) -> None:
    seeds = {chat_request(served_model, controls={"locked": False}).seed for _ in range(3)}
    assert len(seeds) == 3
    assert (
        chat_request(served_model).seed == 7
        and chat_request(served_model, retry=True).seed != 7
        and chat_request(served_model, seed="9").seed == 9
    )


def test_a_large_seed_comes_back_whole(served_model: ServedModel) -> None:
    """JavaScript rounds numbers above 2**53, so the page sees seeds as text."""
    turn = reply_updates(served_model, controls={"seed": str(2**63 - 1)})[-1]
    assert turn["replies"][0]["seed"] == "9223372036854775807"


def test_a_cancelled_reply_keeps_its_text_and_says_so(served_model: ServedModel) -> None:
    cancel_token, writer = CancelToken(), ReplyWriter(UpdatePacer())

    async def run() -> list[Turn]:
        seen = []
        request = chat_request(served_model, controls={"length": 2_000})
        updates = writer.reply(request, served_model, Delivery(is_cancelled=cancel_token))
        async for turn in updates:
            seen.append(turn)
            cancel_token.is_set = len(turn["replies"][0]["text"]) > 20
        return seen

    seen = asyncio.run(run())
    reply = seen[-1]["replies"][0]
    assert reply["text"] == seen[-2]["replies"][0]["text"] and len(reply["text"]) < 2_000
    assert not reply["writing"] and reply["ending"] == "stopped" and writer.num_states == 0


def test_greedy_cycles_are_found() -> None:
    assert cycle_in("What? " + "the state of the state, and " * 2) == "the state of the state, and "
    assert cycle_in("the state of the state, and the end") == "" and cycle_in("") == ""


def test_a_talk_ends_where_the_turn_ends(served_model: ServedModel) -> None:
    turn = reply_updates(served_model, "Who?", speaker="juliet:", controls={"length": 400})[-1]
    assert turn["speaker"] == "JULIET" and turn["shown"] == "JULIET:\n" and turn["replies"][0]["stop"] == "\n\n"
    prompt = "STRANGER:\nWho?\n\nJULIET:\n"
    assert turn["prompt"] == prompt
    assert turn["replies"][0]["text"] == served_model.model.generate(prompt, max_new_tokens=400, seed=7, stop="\n\n")


def test_a_damaged_model_raises() -> None:
    model = tiny_model()
    with torch.no_grad():
        for parameter in model.lstm.parameters():
            parameter.mul_(30)
        model.head.weight.fill_(3e38)  # finite, but their sums are not
    served_model = ServedModel.of("bad", None, model)
    with pytest.raises(DamagedModelError):
        reply_updates(served_model)
    served_model.engine.close()


def test_a_cancelled_task_frees_the_work(served_model: ServedModel, opened_streams: list[TextStream]) -> None:
    async def run() -> None:
        request = chat_request(served_model, controls={"length": 2_000})
        updates = ReplyWriter(UpdatePacer()).reply(request, served_model, Delivery())

        async def consume() -> None:
            async for _ in updates:
                pass

        task = asyncio.create_task(consume())
        while not opened_streams or not opened_streams[0].num_tokens:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert opened_streams[0].finish_reason == "cancelled"
