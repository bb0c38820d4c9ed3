"""The app's handlers, without a browser: what a reply looks like, what is refused, and that work is freed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, TextStream, Vocabulary
from hubcharlstm.decoder import DamagedModelError

gr = pytest.importorskip("gradio")

from hubcharlstm.demo import chat, launch, pacing  # noqa: E402  # they need gradio

LETTERS = "\n !&'*,-.:;<>?_`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DEFAULTS: dict[str, Any] = {"temperature": 0.8, "max_new_tokens": 40, "seed": 7}


def tiny_model(**generation: Any) -> CharLSTM:
    torch.manual_seed(0)
    vocabulary = Vocabulary(sorted(LETTERS))
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    return CharLSTM(config, vocabulary, generation_config=GenerationConfig(**generation)).eval()


@pytest.fixture(scope="module")
def model() -> CharLSTM:
    return tiny_model(examples=("ROMEO:\n", "To be, or "))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 2_000)
    monkeypatch.setattr(pacing, "UPDATE_SECONDS", 0.005)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[TextStream]:
    """Every stream that a model opens from here on."""
    streams: list[TextStream] = []
    original = CharLSTM.stream

    def stream(self: CharLSTM, *args: Any, **kwargs: Any) -> TextStream:
        streams.append(original(self, *args, **kwargs))
        return streams[-1]

    monkeypatch.setattr(CharLSTM, "stream", stream)
    return streams


def collect(updates: AsyncGenerator[Any, None]) -> list[Any]:
    async def run() -> list[Any]:
        return [update async for update in updates]

    return asyncio.run(run())


def handler(model: CharLSTM, name: str) -> Any:
    return next(f.fn for f in launch.build(model).fns.values() if f.name == name)


# --- a reply ------------------------------------------------------------------------------------------------------


def test_a_reply_grows_at_its_end_and_is_what_the_library_writes(model: CharLSTM) -> None:
    before: list[chat.Turn] = []
    updates = collect(chat.converse(model, before, "To be", **DEFAULTS))
    texts = [update[-1]["text"] for update in updates]
    assert before == []
    assert texts[0] == "" and texts[-1] == model.generate("To be", **DEFAULTS)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [update[-1]["writing"] for update in updates] == [True] * (len(updates) - 1) + [False]
    assert updates[-1][-1]["foot"] == "40 characters · seed 7 · temperature 0.8 · length reached · on cpu"


def test_earlier_turns_stand_as_they_were(model: CharLSTM) -> None:
    first = collect(chat.converse(model, [], "One", **DEFAULTS))[-1]
    second = collect(chat.converse(model, first, "Two", **DEFAULTS))
    assert all(update[:-1] == first for update in second)


def test_hostile_text_passes_through_untouched(model: CharLSTM) -> None:
    typed = "  <img src=x onerror=alert(1)> & `a` **b** _c_ ${1}\n\\"
    turn = collect(chat.converse(model, [], typed, **DEFAULTS))[-1][-1]
    assert turn["typed"] == typed
    assert turn["prompt"].startswith("  <img src") and "**b** _c_" in turn["prompt"]


def test_what_was_folded_or_skipped_is_told(model: CharLSTM) -> None:
    turn = collect(chat.converse(model, [], "É😀", **DEFAULTS))[-1][-1]
    assert turn["prompt"] == "E" and turn["notes"] == ["É read as E; 😀 skipped"]


def test_an_empty_message_starts_from_the_models_start_text_and_says_so(model: CharLSTM) -> None:
    turn = collect(chat.converse(model, [], "", **DEFAULTS))[-1][-1]
    assert len(turn["text"]) == 40 and "nothing to start from" in turn["notes"][0]


def test_a_seed_is_drawn_and_shown_and_repeats_the_text(model: CharLSTM) -> None:
    wish = {**DEFAULTS, "seed": None}
    turn = collect(chat.converse(model, [], "To be", **wish))[-1][-1]
    assert f"seed {turn['seed']}" in turn["foot"]
    assert model.generate("To be", **{**DEFAULTS, "seed": turn["seed"]}) == turn["text"]


def test_full_speed_writes_the_same_text(model: CharLSTM) -> None:
    turn = collect(chat.converse(model, [], "To be", full_speed=True, **DEFAULTS))[-1][-1]
    assert turn["text"] == model.generate("To be", **DEFAULTS)


def test_a_stopped_reply_keeps_its_text_and_says_so(model: CharLSTM) -> None:
    cut_short = collect(chat.converse(model, [], "To be", **DEFAULTS))[-2]
    turn = chat.settle(cut_short)[-1]
    assert turn["text"] == cut_short[-1]["text"] and not turn["writing"] and "stopped" in turn["foot"]
    assert chat.settle([turn]) == [turn] and chat.settle([]) == []


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"temperature": -0.1}, "The temperature is -0.1; expected 0 to 2"),
        ({"temperature": 2.01}, "The temperature is 2.01; expected 0 to 2"),
        ({"temperature": float("nan")}, "The temperature is nan; expected 0 to 2"),
        ({"temperature": "hot"}, "temperature is 'hot'; expected"),
        ({"max_new_tokens": 0}, "The length is 0; expected 1 to 2,000"),
        ({"max_new_tokens": 2_001}, "The length is 2,001; expected 1 to 2,000"),
        ({"max_new_tokens": float("nan")}, "The length is nan; expected 1 to 2,000"),
        ({"max_new_tokens": 10.5}, "max_new_tokens is 10.5; expected a whole number"),
        ({"seed": -1}, "seed is -1; expected a whole number"),
        ({"seed": 2**63}, "expected a whole number"),
        ({"prompt": "x" * 10_001}, "The message has 10,001 characters; expected 10,000 at most"),
        ({"prompt": None}, "expected a string"),
    ],
)
def test_a_wish_out_of_range_is_refused_before_anything_is_written(
    model: CharLSTM, wish: dict[str, Any], sentence: str
) -> None:
    settings = {"prompt": "To be", **DEFAULTS, **wish}
    with pytest.raises(ValueError, match=sentence):
        chat.open_stream(model, settings.pop("prompt"), **settings)


@pytest.mark.parametrize("text", ["seven", "-1", "1.5", "1e3", "1_000", "٣", "9" * 20, "<b>"])
def test_a_seed_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"The seed is .*expected a whole number"):
        chat.read_seed(text)


@pytest.mark.parametrize(("text", "seed"), [("", None), (None, None), ("  ", None), (" 42 ", 42), ("0", 0)])
def test_a_seed_is_read(text: str | None, seed: int | None) -> None:
    assert chat.read_seed(text) == seed


def test_the_page_shows_an_error_and_leaves_conversation_and_message_alone(model: CharLSTM) -> None:
    respond = handler(model, "respond")
    with pytest.raises(gr.Error) as caught:
        collect(respond("To be", [], 0.8, 40, "<b>", False, gr.EventData(None, None)))
    assert "&lt;b&gt;" in caught.value.message  # the page would read it as HTML


def test_a_damaged_model_takes_its_turn_back() -> None:
    model = tiny_model()
    with torch.no_grad():
        for parameter in model.lstm.parameters():
            parameter.mul_(30)
        model.head.weight.fill_(3e38)  # finite, but their sums are not
    with pytest.raises(DamagedModelError):
        collect(chat.converse(model, [], "To be", **DEFAULTS))
    respond, shown = handler(model, "respond"), []

    async def run() -> None:
        async for update in respond("To be", [], 0.8, 40, "", False, gr.EventData(None, None)):
            shown.append({component.elem_id: value for component, value in update.items()})

    with pytest.raises(gr.Error, match="not finite"):
        asyncio.run(run())
    assert shown[0]["message"] == "" and len(shown[0]["conversation"]) == 1
    assert shown[-1] == {"message": "To be", "conversation": []}


# --- work is freed, and held up nowhere ---------------------------------------------------------------------------


def test_a_reader_who_leaves_frees_the_work(model: CharLSTM, opened: list[TextStream]) -> None:
    async def run() -> None:
        respond = handler(model, "respond")
        updates = respond("To be", [], 0.8, 2_000, "7", False, gr.EventData(None, None))
        async for _ in updates:
            if opened and opened[0].num_tokens > 20:
                break
        await updates.aclose()

    asyncio.run(run())
    assert list(opened[0]) == [] and opened[0].finish_reason == "cancelled" and opened[0].num_tokens < 2_000


def test_a_cancelled_task_frees_the_work(model: CharLSTM, opened: list[TextStream]) -> None:
    async def run() -> None:
        updates = chat.converse(model, [], "To be", **{**DEFAULTS, "max_new_tokens": 2_000})

        async def read() -> None:
            async for _ in updates:
                pass

        task = asyncio.create_task(read())
        while not opened or opened[0].num_tokens < 20:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert list(opened[0]) == [] and opened[0].finish_reason == "cancelled"


def test_the_network_runs_beside_the_event_loop(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    original = pacing.take

    def take(*args: Any) -> str:
        threads.add(threading.get_ident())
        return original(*args)

    monkeypatch.setattr(pacing, "take", take)
    collect(chat.converse(model, [], "To be", **DEFAULTS))
    assert threads and threading.get_ident() not in threads


def test_text_keeps_to_its_pace(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 100)

    async def run() -> tuple[float, list[str]]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        pieces = [piece async for piece in pacing.paced(model.stream("To be", max_new_tokens=30, seed=1))]
        return loop.time() - start, pieces

    seconds, pieces = asyncio.run(run())
    assert seconds >= 0.29 and len("".join(pieces)) == 30 and len(pieces) > 3


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_intro_is_filled_from_the_model() -> None:
    model = tiny_model(examples=("ROMEO:\n",))
    assert chat.intro(model)["lines"][0].startswith("Not an assistant. A network of ")
    assert "has read one text and guesses one letter at a time" in chat.intro(model)["lines"][0]
    model.record = {"name": "charlstm-macbeth", "corpus": {"title": "Shakespeare's Macbeth"}}
    intro = chat.intro(model)
    assert intro["title"] == "charlstm-macbeth" and intro["examples"] == ["ROMEO:\n"]
    assert "has read only Shakespeare's Macbeth and guesses" in intro["lines"][0]
    assert chat.intro(tiny_model())["examples"] == []


def test_a_models_folder_is_not_told_to_visitors(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "name", "/home/someone/runs/macbeth/")
    assert chat.short_name(model) == "macbeth" and "someone" not in str(launch.build(model).get_config_file())


@pytest.mark.parametrize(
    ("count", "words"),
    [(3_319_873, "3.3 million"), (111_294, "111 thousand"), (9_999, "9,999"), (5, "5")],
)
def test_a_count_in_words(count: int, words: str) -> None:
    assert chat.in_words(count) == words


def test_programs_see_one_endpoint(model: CharLSTM) -> None:
    config = launch.build(model).get_config_file()
    public = [d["api_name"] for d in config["dependencies"] if d["api_visibility"] == "public"]
    assert public == ["complete"]


def test_the_endpoint_completes(model: CharLSTM) -> None:
    updates = collect(handler(model, "complete")("To be", 0.8, 40, 7))
    assert updates[-1] == {
        "text": model.generate("To be", **DEFAULTS),
        "prompt": "To be",
        "seed": 7,
        "notes": [],
        "finish_reason": "length",
    }
    with pytest.raises(gr.Error, match="The length is 0"):
        collect(handler(model, "complete")("To be", 0.8, 0, 7))


def test_the_theme_has_system_fonts_only() -> None:
    css = launch.theme()._get_theme_css() + launch.CSS.read_text(encoding="utf-8")
    assert "@font-face" not in css and "@import" not in css and 'url("http' not in css


# --- the start ----------------------------------------------------------------------------------------------------


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", launch.MODEL_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_address(clean: pytest.MonkeyPatch) -> None:
    assert launch.find_address(None, None) == ("127.0.0.1", 7860)
    assert launch.find_address("localhost", 8000) == ("localhost", 8000)
    clean.setenv("SPACE_ID", "user/space")
    assert launch.find_address(None, None) == ("0.0.0.0", 7860)
    clean.setenv("GRADIO_SERVER_NAME", "127.0.0.2")
    clean.setenv("GRADIO_SERVER_PORT", "9000")
    assert launch.find_address(None, None) == ("127.0.0.2", 9000)
    clean.setenv("GRADIO_SERVER_PORT", "high")
    with pytest.raises(ValueError, match="GRADIO_SERVER_PORT is 'high'; expected a port"):
        launch.find_address(None, None)


def test_a_taken_port_is_told_before_a_model_is_loaded(clean: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match=r"Nothing can listen at 127.0.0.1:.*choose another port"):
            launch.launch("no/such/model/at/all", port=taken.getsockname()[1])
    with pytest.raises(ValueError, match="The port is 70000; expected 1 to 65535"):
        launch.launch(port=70_000)


def test_the_model_is_the_one_named(model: CharLSTM, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "named")
    clean.setenv(launch.MODEL_VARIABLE, str(tmp_path / "named"))
    assert launch.load_model().name == str(tmp_path / "named")
    with pytest.raises(ValueError, match="neither a folder here nor"):
        launch.load_model(str(tmp_path / "other"))
