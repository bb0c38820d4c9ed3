"""The page's handlers without a browser: what they answer, what they refuse, and that work is freed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, TextStream, Vocabulary

gr = pytest.importorskip("gradio")

from hubcharlstm.demo import launch, models
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.replies import CancelToken
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.handlers import ChatHandlers
from hubcharlstm.demo.page.layout import chat_page
from hubcharlstm.demo.serving.admission import AdmissionController, Limits
from tests.support.chat_doubles import CONTROLS, TURN, collect, in_english, tiny_model

pytestmark = pytest.mark.usefixtures("fast_pacing")


def page_handlers(model: CharLSTM) -> ChatHandlers:
    """The handlers as they are wired to the page."""
    with gr.Blocks():
        return chat_page(ModelRegistry(model, "user/tiny"), AdmissionController(Limits()), UpdatePacer())


def respond(handlers: ChatHandlers, data: dict[str, Any], **controls: Any) -> AsyncGenerator[Any, None]:
    values = {getattr(handlers.controls, name): value for name, value in (CONTROLS | controls).items()}
    return handlers.respond(values, gr.EventData(None, {"turn": TURN, **data}), gr.Request())


def test_a_request_is_accepted_then_answered_by_its_turn(chat_model: CharLSTM) -> None:
    handlers = page_handlers(chat_model)
    updates = collect(respond(handlers, {"typed": "To be"}))
    assert updates[0] == {"kind": "accepted", "turn": TURN}
    assert {value["kind"] for value in updates[1:]} == {"turn"}
    turn = updates[-1]["turn"]
    assert turn["id"] == TURN and handlers.running == {}
    more = collect(respond(handlers, {"target": turn, "index": 0}, length=20))[-1]["turn"]
    assert more["replies"][0]["text"] == chat_model.generate("To be", max_new_tokens=60, seed=7)
    handlers.evict(gr.EventData(None, {"replies": [turn["replies"][0]["id"], 7, None]}))
    assert handlers.writer.num_states == 0
    handlers.registry.close()


def test_an_error_names_its_control(chat_model: CharLSTM) -> None:
    handlers = page_handlers(chat_model)
    value = collect(respond(handlers, {"typed": "To be"}, seed="<b>"))[-1]
    assert (value["kind"], value["turn"], value["field"]) == ("error", TURN, "seed")
    assert in_english(value["sentence"]).startswith("The seed is '<b>'; expected")
    value = collect(respond(handlers, {"typed": "To be", "model": "other/model"}))[-1]
    assert value["field"] == "model" and "is not offered here; expected one of" in in_english(value["sentence"])
    handlers.registry.close()


def test_a_damaged_model_is_an_error_on_the_page() -> None:
    model = tiny_model()
    with torch.no_grad():
        for parameter in model.lstm.parameters():
            parameter.mul_(30)
        model.head.weight.fill_(3e38)  # finite, but their sums are not
    handlers = page_handlers(model)
    value = collect(respond(handlers, {"typed": "To be"}))[-1]
    assert value["kind"] == "error" and "not finite" in in_english(value["sentence"])
    handlers.registry.close()


def test_only_the_turns_own_id_cancels_it(chat_model: CharLSTM) -> None:
    handlers = page_handlers(chat_model)
    handlers.running[TURN] = CancelToken()
    handlers.cancel(gr.EventData(None, {"turn": "another"}))
    assert not handlers.running[TURN].is_set
    handlers.cancel(gr.EventData(None, {"turn": TURN}))
    assert handlers.running[TURN].is_set
    handlers.registry.close()


def test_a_client_that_leaves_frees_the_work(chat_model: CharLSTM, opened_streams: list[TextStream]) -> None:
    handlers = page_handlers(chat_model)

    async def run() -> None:
        updates = respond(handlers, {"typed": "To be"}, length=2_000, full_speed=False)
        async for value in updates:
            if value["kind"] == "turn" and len(value["turn"]["replies"][0]["text"]) > 20:
                break
        await updates.aclose()

    asyncio.run(run())
    assert opened_streams[0].finish_reason == "cancelled" and handlers.running == {}
    handlers.registry.close()


def test_the_theme_has_system_fonts_only() -> None:
    css = launch.theme()._get_theme_css() + "".join(path.read_text(encoding="utf-8") for path in launch.CSS)
    assert "@font-face" not in css and "@import" not in css and 'url("http' not in css


def test_a_link_with_a_large_seed_is_opened_with_that_very_seed(chat_model: CharLSTM) -> None:
    """The page got the seed as a number, which JavaScript rounded to 2**63: out of range, so the link was refused."""
    handlers = page_handlers(chat_model)
    opened = asyncio.run(handlers.open_link(gr.EventData(None, {"query": f"?message=To+be&seed={2**63 - 1}"})))
    request = opened[handlers.chat]["request"]
    assert request["seed"] == str(2**63 - 1)
    assert collect(respond(handlers, request))[-1]["turn"]["replies"][0]["seed"] == str(2**63 - 1)
    handlers.registry.close()


@pytest.mark.parametrize("data", [None, [], {"turn": 7}, {"turn": ["x"]}, {"replies": 7}, {"replies": [None, {}]}])
def test_a_damaged_event_changes_nothing(chat_model: CharLSTM, data: Any) -> None:
    handlers = page_handlers(chat_model)
    handlers.cancel(gr.EventData(None, data))
    handlers.evict(gr.EventData(None, data))
    assert asyncio.run(handlers.open_link(gr.EventData(None, data))) == {handlers.chat: gr.skip()}
    handlers.registry.close()


def test_a_continuation_keeps_its_model_while_another_is_loaded(
    chat_model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its model was evicted between two awaits to make room, and the reply ended with "The engine is closed"."""
    monkeypatch.setattr(models, "MAX_LOADED", 1)
    for name in ("a", "b"):
        chat_model.save_pretrained(tmp_path / name)
    registry = ModelRegistry(chat_model, "user/tiny", open_to_all=True)
    with gr.Blocks():
        handlers = chat_page(registry, AdmissionController(Limits()), UpdatePacer())

    async def run() -> dict[str, Any]:
        *_, first = [value async for value in respond(handlers, {"typed": "To be", "model": str(tmp_path / "a")})]
        value: dict[str, Any] = {}
        async for value in respond(handlers, {"target": first["turn"], "index": 0}, length=20):
            if value["kind"] == "turn" and value["turn"]["replies"][0]["writing"]:
                async with registry.acquire(str(tmp_path / "b")):
                    pass
        return value

    reply = asyncio.run(run())["turn"]["replies"][0]
    assert len(reply["text"]) == 60 and (reply["model"], reply["ending"]) == ("a", "length reached")
    registry.close()


def test_the_last_choice_of_a_model_counts_not_the_last_to_load(
    chat_model: CharLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = page_handlers(chat_model)
    acquire = handlers.private.acquire

    async def choose_two() -> tuple[list[Any], list[Any]]:
        is_loaded = asyncio.Event()

        @asynccontextmanager
        async def acquire_slowly(name: Any, owner: str = "") -> AsyncIterator[Any]:
            if name == "slow":
                await is_loaded.wait()
            async with acquire("", owner) as served_model:
                yield served_model

        monkeypatch.setattr(handlers.private, "acquire", acquire_slowly)
        first = asyncio.create_task(handlers.select_model("slow", "tiny", gr.Request()))
        await asyncio.sleep(0)
        second = await handlers.select_model("quick", "tiny", gr.Request())
        is_loaded.set()
        return await first, second

    first, second = asyncio.run(choose_two())
    assert second[0]["kind"] == "intro" and first == [gr.skip()] * len(handlers.outputs)
    handlers.registry.close()


def lower_case_model() -> CharLSTM:
    torch.manual_seed(1)
    vocabulary = Vocabulary(sorted("\n abcdefghijklmnopqrstuvwxyz"))
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    return CharLSTM(config, vocabulary).eval()


def test_two_models_reply_to_one_line_each_as_it_reads_it(chat_model: CharLSTM, tmp_path: Path) -> None:
    other = lower_case_model()
    other.save_pretrained(tmp_path / "small")
    registry = ModelRegistry(chat_model, "user/tiny", open_to_all=True)
    with gr.Blocks():
        handlers = chat_page(registry, AdmissionController(Limits()), UpdatePacer())
    names = ["tiny", str(tmp_path / "small")]
    turn = collect(respond(handlers, {"typed": "To be", "models": names}))[-1]["turn"]
    assert [reply["model"] for reply in turn["replies"]] == ["tiny", "small"]
    assert [(reply["prompt"], reply["shown"]) for reply in turn["replies"]] == [("", ""), ("to be", "to be")]
    assert turn["prompt"] == "To be" and "T read as t" in map(in_english, turn["warnings"])
    for reply, model in zip(turn["replies"], (chat_model, other), strict=True):
        assert reply["text"] == model.generate("To be", max_new_tokens=40, seed=7)
    assert "'to be'" in turn["replies"][1]["python"]
    handlers.evict(gr.EventData(None, {"replies": [turn["replies"][1]["id"]]}))  # so that a replay finds the place
    more = collect(respond(handlers, {"target": turn, "index": 1, "length": 20}))[-1]["turn"]
    assert more["replies"][0] == turn["replies"][0]
    assert more["replies"][1]["text"] == other.generate("To be", max_new_tokens=60, seed=7)
    value = collect(respond(handlers, {"typed": "To be", "models": ["tiny"] * 5}))[-1]
    assert in_english(value["sentence"]) == "5 models were asked; expected 4 at most: ask fewer."
    value = collect(respond(handlers, {"target": turn, "index": 1, "length": 2_001}))[-1]
    assert value["field"] == "length" and "expected a whole number from 1 to 2,000" in in_english(value["sentence"])
    handlers.registry.close()
