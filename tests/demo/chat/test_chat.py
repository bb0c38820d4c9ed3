"""The page's handlers, without a browser: what a reply looks like, what is refused, and that work is freed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, TextStream, Vocabulary
from hubcharlstm.errors import DamagedModelError

gr = pytest.importorskip("gradio")

from hubcharlstm.demo import launch, models
from hubcharlstm.demo.chat import pacing, replies, requests, turns
from hubcharlstm.demo.chat.state_cache import StateCache
from hubcharlstm.demo.page import handlers, layout
from hubcharlstm.demo.serving.admission import AdmissionController, Limits

LETTERS = "\n !&'*,-.:;<>?_`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz{}"
TURN = "0123456789abcdef"
CONTROLS: dict[str, Any] = {"temperature": 0.8, "length": 40, "seed": "7", "locked": True, "full_speed": True}
TALK: dict[str, Any] = {
    "speakers": ("ROMEO", "JULIET"),
    "turn_template": "STRANGER:\n{message}\n\n{speaker}:\n",
    "turn_stop": "\n\n",
}


def tiny_model(**generation: Any) -> CharLSTM:
    torch.manual_seed(0)
    vocabulary = Vocabulary(sorted(LETTERS))
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    return CharLSTM(config, vocabulary, generation_config=GenerationConfig(**generation)).eval()


@pytest.fixture(scope="module")
def model() -> CharLSTM:
    return tiny_model(examples=("ROMEO:\n", "To be, or "), **TALK)


@pytest.fixture(scope="module")
def loaded(model: CharLSTM) -> Iterator[models.ServedModel]:
    made = models.ServedModel.of("tiny", "user/tiny", model)
    yield made
    made.engine.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 2_000)
    monkeypatch.setattr(pacing, "UPDATE_SECONDS", 0.005)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[TextStream]:
    """Every stream that a model opens from here on."""
    streams: list[TextStream] = []

    def stream(*args: Any, **kwargs: Any) -> TextStream:
        streams.append(TextStream(*args, **kwargs))
        return streams[-1]

    monkeypatch.setattr(models, "TextStream", stream)
    return streams


def collect(updates: AsyncGenerator[Any, None]) -> list[Any]:
    async def run() -> list[Any]:
        return [update async for update in updates]

    return asyncio.run(run())


def wish(
    loaded: models.ServedModel, typed: str = "To be", /, *, controls: dict[str, Any] | None = None, **data: Any
) -> Any:
    return requests.ChatRequest.read(
        {"turn": TURN, "typed": typed, **data}, CONTROLS | (controls or {}), loaded.model.generation_config
    )


def written(loaded: models.ServedModel, *args: Any, **data: Any) -> list[turns.Turn]:
    return collect(replies.write(wish(loaded, *args, **data), loaded, StateCache(), pacing.UpdatePacer()))


# --- a reply ------------------------------------------------------------------------------------------------------


def test_a_reply_grows_at_its_end_and_is_what_the_library_writes(loaded: models.ServedModel) -> None:
    updates = written(loaded, controls={"full_speed": False})
    texts = [update["replies"][0]["text"] for update in updates]
    assert texts[0] == "" and texts[-1] == loaded.model.generate("To be", max_new_tokens=40, seed=7)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts)) and len(texts) > 4
    assert [update["replies"][0]["writing"] for update in updates] == [True] * (len(updates) - 1) + [False]
    caption = updates[-1]["replies"][0]["caption"]
    assert caption.startswith("40 characters · seed 7 · temperature 0.8 · tiny · ") and caption.endswith(
        " · length reached"
    )
    assert f"{loaded.model.decoder.precision} on cpu" in caption and "characters/s" in caption


def test_full_speed_and_the_reading_pace_write_the_same_text(loaded: models.ServedModel) -> None:
    slow, fast = (written(loaded, controls={"full_speed": quick})[-1] for quick in (False, True))
    assert slow["replies"][0]["text"] == fast["replies"][0]["text"]


def test_replies_side_by_side_are_what_each_would_be_alone(loaded: models.ServedModel) -> None:
    turn = written(loaded, temperatures=[0.2, 0.8, 1.4])[-1]
    for reply, temperature in zip(turn["replies"], (0.2, 0.8, 1.4), strict=True):
        assert reply["text"] == loaded.model.generate("To be", max_new_tokens=40, seed=7, temperature=temperature)


def test_hostile_text_passes_through_untouched(loaded: models.ServedModel) -> None:
    typed = "  <img src=x onerror=alert(1)> & `a` **b** _c_ ${1}\n\\"
    turn = written(loaded, typed)[-1]
    assert turn["typed"] == typed and turn["prompt"].startswith("  <img src") and "**b** _c_" in turn["prompt"]


def test_what_was_folded_or_skipped_is_told(loaded: models.ServedModel) -> None:
    turn = written(loaded, "É😀")[-1]
    assert turn["prompt"] == "E" and turn["warnings"] == ["É read as E; 😀 skipped"]


def test_an_empty_message_starts_from_the_models_start_text_and_says_so(loaded: models.ServedModel) -> None:
    turn = written(loaded, "")[-1]
    assert len(turn["replies"][0]["text"]) == 40 and "nothing to start from" in turn["warnings"][0]


def test_a_seed_is_drawn_unless_it_is_locked(loaded: models.ServedModel) -> None:
    seeds = {wish(loaded, controls={"locked": False}).seed for _ in range(3)}
    assert len(seeds) == 3
    assert wish(loaded).seed == 7 and wish(loaded, again=True).seed != 7 and wish(loaded, seed="9").seed == 9


def test_a_large_seed_comes_back_whole(loaded: models.ServedModel) -> None:
    """JavaScript rounds numbers above 2**53, so the page sees seeds as text."""
    turn = written(loaded, controls={"seed": str(2**63 - 1)})[-1]
    assert turn["replies"][0]["seed"] == "9223372036854775807"


def test_a_halted_reply_keeps_its_text_and_says_so(loaded: models.ServedModel) -> None:
    halt, states = replies.CancelToken(), StateCache()

    async def run() -> list[turns.Turn]:
        seen = []
        updates = replies.write(
            wish(loaded, controls={"full_speed": False, "length": 2_000}), loaded, states, pacing.UpdatePacer(), halt
        )
        async for turn in updates:
            seen.append(turn)
            halt.wanted = len(turn["replies"][0]["text"]) > 20
        return seen

    seen = asyncio.run(run())
    reply = seen[-1]["replies"][0]
    assert reply["text"] == seen[-2]["replies"][0]["text"] and len(reply["text"]) < 2_000
    assert not reply["writing"] and reply["caption"].endswith("stopped") and len(states) == 0


def test_greedy_circles_are_told() -> None:
    assert turns.cycle_in("What? " + "the state of the state, and " * 2) == "the state of the state, and "
    assert turns.cycle_in("the state of the state, and the end") == "" and turns.cycle_in("") == ""


# --- talk, and the text so far ------------------------------------------------------------------------------------


def test_the_prompt_of_a_talk_is_the_models_template(loaded: models.ServedModel) -> None:
    config = loaded.model.generation_config
    assert requests.compose(config, "Good {speaker}\n", "JULIET") == (
        "STRANGER:\nGood {speaker}\n\nJULIET:\n",
        "JULIET:\n",
    )
    assert requests.compose(config, " ", "JULIET") == ("JULIET:\n", "JULIET:\n")
    assert requests.compose(config, "Who?", "ROMEO", "Said.\n") == (
        "Said.\n\nSTRANGER:\nWho?\n\nROMEO:\n",
        "ROMEO:\n",
    )
    assert requests.compose(GenerationConfig(), "Who?", "ROMEO", "Said.") == ("Said.Who?", "Who?")


def test_a_talk_ends_where_the_turn_ends(loaded: models.ServedModel) -> None:
    turn = written(loaded, "Who?", speaker="juliet:", controls={"length": 400})[-1]
    assert turn["speaker"] == "JULIET" and turn["shown"] == "JULIET:\n" and turn["replies"][0]["stop"] == "\n\n"
    prompt = "STRANGER:\nWho?\n\nJULIET:\n"
    assert turn["prompt"] == prompt
    assert turn["replies"][0]["text"] == loaded.model.generate(prompt, max_new_tokens=400, seed=7, stop="\n\n")


def test_a_message_goes_on_from_the_text_so_far_only_if_wanted(loaded: models.ServedModel) -> None:
    assert wish(loaded, "x", context="before").context == ""
    assert wish(loaded, "x", context="before", controls={"go_on": True}).context == "before"
    long = wish(loaded, "x" * 9_990, context="y" * 50 + "0123456789", controls={"go_on": True})
    assert long.context == "0123456789" and "only the last 10 characters" in long.note


# --- going on -----------------------------------------------------------------------------------------------------


def continued(turn: turns.Turn, loaded: models.ServedModel, states: StateCache, length: int = 40) -> turns.Turn:
    place = turns.parse_continue_target({"place": turn, "index": 0})
    return collect(replies.go_on(place, TURN, length, loaded, states, pacing.UpdatePacer(), full_speed=True))[-1]


@pytest.mark.parametrize("remembered", [True, False])
def test_going_on_gives_what_one_longer_reply_gives(loaded: models.ServedModel, remembered: bool) -> None:
    states = StateCache(limit=10 if remembered else 0)
    turn = collect(replies.write(wish(loaded), loaded, states, pacing.UpdatePacer()))[-1]
    assert len(states) == remembered
    turn = continued(continued(turn, loaded, states), loaded, states, 20)
    assert turn["replies"][0]["text"] == loaded.model.generate("To be", max_new_tokens=100, seed=7)
    assert "length=100" in turn["replies"][0]["link"]


@pytest.mark.parametrize("remembered", [True, False])
def test_going_on_behind_a_stop_string_puts_it_back(loaded: models.ServedModel, remembered: bool) -> None:
    whole = loaded.model.generate("To be", max_new_tokens=60, seed=7)
    stop = whole[10:12]
    first = whole.index(stop)
    states = StateCache(limit=10 if remembered else 0)
    turn = collect(replies.write(wish(loaded, controls={"stop": stop}), loaded, states, pacing.UpdatePacer()))[-1]
    assert turn["replies"][0]["text"] == whole[:first] and turn["replies"][0]["ending"] == "ended by itself"
    reply = continued(turn, loaded, states, 30)["replies"][0]
    assert len(reply["text"]) > first + 2 and whole.startswith(reply["text"]) and "stop=" not in reply["link"]


def test_a_place_that_replays_otherwise_is_told(loaded: models.ServedModel) -> None:
    turn = written(loaded)[-1]
    turn["replies"][0]["text"] = "something else"
    with pytest.raises(requests.UserError, match="a replay of its receipt differs on this hardware or model"):
        continued(turn, loaded, StateCache())


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
    ],
)
def test_a_place_that_the_page_kept_badly_is_refused(loaded: models.ServedModel, spoil: Any) -> None:
    turn = written(loaded)[-1]
    spoil(turn)
    with pytest.raises(requests.UserError):
        turns.parse_continue_target({"place": turn, "index": 0})


def test_states_are_bounded_and_belong_to_one_text(loaded: models.ServedModel) -> None:
    state = loaded.model.complete("a", max_new_tokens=1).state
    states = StateCache(limit=2)
    for name in ("one", "two", "three"):
        states.keep(name, "hash", state)
    fingerprint = loaded.model.fingerprint
    assert len(states) == 2 and states.find("one", "hash", fingerprint) is None
    assert states.find("three", "hash", fingerprint) is state
    assert states.find("three", "other", fingerprint) is None and states.find("three", "hash", "other") is None
    states.forget("three")
    assert states.find("three", "hash", fingerprint) is None


# --- what is refused ----------------------------------------------------------------------------------------------


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
def test_a_wish_out_of_range_is_refused(
    loaded: models.ServedModel, controls: dict[str, Any], data: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(requests.UserError, match=sentence) as caught:
        requests.ChatRequest.read(
            {"turn": TURN, "typed": "To be", **data}, CONTROLS | controls, loaded.model.generation_config
        )
    assert caught.value.field == field


@pytest.mark.parametrize(("text", "seed"), [("", None), (None, None), ("  ", None), (" 42 ", 42), ("0", 0), (7, 7)])
def test_a_seed_is_read(text: Any, seed: int | None) -> None:
    assert requests.parse_seed(text) == seed


# --- the desk -----------------------------------------------------------------------------------------------------


def desk_of(model: CharLSTM) -> handlers.ChatHandlers:
    """The handlers, as they stand behind the page."""
    made: list[handlers.ChatHandlers] = []
    with gr.Blocks():
        made.append(
            layout.chat_page(
                models.ModelRegistry(model, "user/tiny", open_to_all=False),
                AdmissionController(Limits()),
                pacing.UpdatePacer(),
            )
        )
    return made[0]


def asked(handlers: handlers.ChatHandlers, data: dict[str, Any], **controls: Any) -> AsyncGenerator[Any, None]:
    values = {getattr(handlers.controls, name): value for name, value in (CONTROLS | controls).items()}
    return handlers.respond(values, gr.EventData(None, {"turn": TURN, **data}), gr.Request())


def test_the_desk_tells_that_it_heard_then_the_turn(model: CharLSTM) -> None:
    handlers = desk_of(model)
    updates = collect(asked(handlers, {"typed": "To be"}))
    assert updates[0] == {"kind": "heard", "turn": TURN}
    assert {value["kind"] for value in updates[1:]} == {"turn"}
    turn = updates[-1]["turn"]
    assert turn["id"] == TURN and handlers.running == {}
    more = collect(asked(handlers, {"place": turn, "index": 0}, length=20))[-1]["turn"]
    assert more["replies"][0]["text"] == model.generate("To be", max_new_tokens=60, seed=7)
    handlers.forget(gr.EventData(None, {"replies": [turn["replies"][0]["id"], 7, None]}))
    assert len(handlers.states) == 0
    handlers.registry.close()


def test_a_problem_is_told_with_its_control(model: CharLSTM) -> None:
    handlers = desk_of(model)
    value = collect(asked(handlers, {"typed": "To be"}, seed="<b>"))[-1]
    assert (value["kind"], value["turn"], value["field"]) == ("problem", TURN, "seed")
    assert value["sentence"].startswith("The seed is '<b>'; expected")
    value = collect(asked(handlers, {"typed": "To be", "model": "other/model"}))[-1]
    assert value["field"] == "model" and "is not offered here; expected one of" in value["sentence"]
    handlers.registry.close()


def test_a_damaged_model_is_told() -> None:
    model = tiny_model()
    with torch.no_grad():
        for parameter in model.lstm.parameters():
            parameter.mul_(30)
        model.head.weight.fill_(3e38)  # finite, but their sums are not
    loaded = models.ServedModel.of("bad", None, model)
    with pytest.raises(DamagedModelError):
        written(loaded)
    loaded.engine.close()
    handlers = desk_of(model)
    value = collect(asked(handlers, {"typed": "To be"}))[-1]
    assert value["kind"] == "problem" and "not finite" in value["sentence"]
    handlers.registry.close()


def test_only_the_turns_own_id_stops_it(model: CharLSTM) -> None:
    handlers = desk_of(model)
    handlers.running[TURN] = replies.CancelToken()
    handlers.halt(gr.EventData(None, {"turn": "another"}))
    assert not handlers.running[TURN].wanted
    handlers.halt(gr.EventData(None, {"turn": TURN}))
    assert handlers.running[TURN].wanted
    handlers.registry.close()


# --- work is freed, and held up nowhere ---------------------------------------------------------------------------


def test_a_reader_who_leaves_frees_the_work(model: CharLSTM, opened: list[TextStream]) -> None:
    handlers = desk_of(model)

    async def run() -> None:
        updates = asked(handlers, {"typed": "To be"}, length=2_000, full_speed=False)
        async for value in updates:
            if value["kind"] == "turn" and len(value["turn"]["replies"][0]["text"]) > 20:
                break
        await updates.aclose()

    asyncio.run(run())
    assert opened[0].finish_reason == "cancelled" and handlers.running == {}
    handlers.registry.close()


def test_a_cancelled_task_frees_the_work(loaded: models.ServedModel, opened: list[TextStream]) -> None:
    async def run() -> None:
        updates = replies.write(
            wish(loaded, controls={"length": 2_000, "full_speed": False}), loaded, StateCache(), pacing.UpdatePacer()
        )

        async def read() -> None:
            async for _ in updates:
                pass

        task = asyncio.create_task(read())
        while not opened or not opened[0].num_tokens:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert opened[0].finish_reason == "cancelled"


class UpdatePacer:
    """A stream that has all its text at once."""

    def __init__(self, text: str) -> None:
        self.left, self.cancelled = text, False

    def read_available(self) -> str:
        taken, self.left = self.left, ""
        return taken

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def finish_reason(self) -> str | None:
        return None if self.left else "length"


def test_text_keeps_to_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 100)
    stream = UpdatePacer("x" * 30)

    async def run() -> tuple[float, list[str]]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        pieces = [piece async for (piece,) in pacing.follow([stream], pacing.UpdatePacer())]
        return loop.time() - start, pieces

    seconds, pieces = asyncio.run(run())
    assert seconds >= 0.28 and "".join(pieces) == "x" * 30 and len(pieces) > 3 and stream.cancelled


def test_text_that_had_to_wait_catches_up() -> None:
    assert [pacing.paced(now, 0.0, 1.0) for now in (1.0, 1.5, 2.0, 3.0)] == [
        1, 1 + pacing.CHARACTERS_PER_SECOND, 1 + 2 * pacing.CHARACTERS_PER_SECOND, 1 + 3 * pacing.CHARACTERS_PER_SECOND
    ]  # fmt: skip


def test_many_readers_have_fewer_updates_each(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = pacing.UpdatePacer()
    monkeypatch.setattr(pacing, "UPDATES_PER_SECOND", 40)
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 100)
    updates: list[int] = []

    async def read(stream: UpdatePacer) -> None:
        updates.append(0)
        mine = len(updates) - 1
        async for _ in pacing.follow([stream], clock):
            updates[mine] += 1

    async def run() -> float:
        started = time.monotonic()
        await asyncio.gather(*(read(UpdatePacer("x" * 60)) for _ in range(10)))
        return time.monotonic() - started

    seconds = asyncio.run(run())
    assert sum(updates) <= 10 + 40 * seconds and max(updates) - min(updates) <= 2 and clock.readers == 0


def test_the_pace_falls_while_updates_come_late_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, late = pacing.UpdatePacer(), 1.0

    class Time:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    async def sleep(seconds: float) -> None:
        pacing.time.now += seconds + late  # type: ignore[attr-defined]

    monkeypatch.setattr(pacing, "time", Time())
    monkeypatch.setattr(pacing.asyncio, "sleep", sleep)

    async def spacing() -> float:
        for _ in range(200):
            await clock.tick(0)
        return clock._slower

    assert asyncio.run(spacing()) == 10
    late = 0.0
    asyncio.run(spacing())
    assert asyncio.run(spacing()) == 1


def test_text_waits_for_a_reader_who_is_behind_and_nobody_is_served_who_does_not_read() -> None:
    class RequestHandle:
        behind, looks = True, 0

        def check(self) -> None:
            self.looks += 1
            if self.looks == 3:
                self.behind = False

        async def caught_up(self) -> None:
            raise requests.UserError("Nobody reads what is written.")

    async def run() -> list[str]:
        pieces = []
        stream = UpdatePacer("x" * 30)
        with pytest.raises(requests.UserError):
            async for (piece,) in pacing.follow(
                [stream], pacing.UpdatePacer(), full_speed=True, monitor=RequestHandle()
            ):
                pieces.append(piece)
        assert stream.cancelled
        return pieces

    assert asyncio.run(run()) == ["x" * 30]


def test_whoever_is_behind_on_a_text_that_has_ended_holds_nobody_up() -> None:
    """The wait for its end, which had come, was once no wait at all, and the event loop stood still."""

    class RequestHandle:
        behind = True

        def check(self) -> None: ...
        async def caught_up(self) -> None: ...

    async def run() -> int:
        reader, turns = RequestHandle(), 0

        async def read() -> None:
            async for _ in pacing.follow(
                [UpdatePacer("x" * 30)], pacing.UpdatePacer(), full_speed=True, monitor=reader
            ):
                pass

        task = asyncio.create_task(read())
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1
            reader.behind = turns < 5
        return turns

    assert asyncio.run(run()) >= 5


# --- the look, and what it tells ----------------------------------------------------------------------------------


def test_the_theme_has_system_fonts_only() -> None:
    css = launch.theme()._get_theme_css() + "".join(path.read_text(encoding="utf-8") for path in launch.CSS)
    assert "@font-face" not in css and "@import" not in css and 'url("http' not in css


def test_a_models_folder_is_not_told_to_visitors(model: CharLSTM, tmp_path: Path) -> None:
    folder = tmp_path / "someone" / "macbeth"
    folder.mkdir(parents=True)
    hosted = models.ModelRegistry(model, str(folder))
    assert hosted.labels == ["macbeth"] and hosted.first.source == "macbeth"
    assert "someone" not in str(launch.build(hosted).demo.get_config_file())
    assert models.ModelRegistry(model, str(folder), open_to_all=True).first.source == str(folder)


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


def test_the_models_are_those_named_and_the_shipped_one(
    model: CharLSTM, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        model.save_pretrained(tmp_path / name)
    clean.setenv(launch.MODEL_VARIABLE, f"{tmp_path / 'one'}, user/second")
    offered = launch.load_registry()
    assert offered.labels == ["one", "second", "shipped model"] and offered.default == "one" and offered.open_to_all
    assert launch.load_registry(str(tmp_path / "two")).labels == ["two", "one", "second", "shipped model"]
    with pytest.raises(ValueError, match="neither a folder here nor"):
        launch.load_registry(str(tmp_path / "other"))
    clean.setenv("SPACE_ID", "user/space")
    hosted = launch.load_registry()
    assert not hosted.open_to_all and hosted.notice is None and hosted.labels == offered.labels


def test_a_space_whose_model_comes_later_says_so_and_lets_it_take_over(
    model: CharLSTM, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean.setenv("SPACE_ID", "user/space")
    clean.setenv(launch.MODEL_VARIABLE, "user/late")
    clean.setenv("HF_HUB_OFFLINE", "1")
    made: list[Any] = []
    clean.setattr(launch, "ModelSource", lambda *args, **kwargs: made.append((args, kwargs)) or Late(model))
    offered = launch.load_registry()
    assert offered.labels == ["shipped model", "late"] and offered.default == "shipped model"
    with gr.Blocks():
        handlers = layout.chat_page(offered, AdmissionController(Limits()), pacing.UpdatePacer())
    told = asyncio.run(handlers.on_load())
    assert told[0]["field"] == "model" and told[0]["sentence"] == "user/late cannot be loaded now."
    made[0][1]["on_change"](model)
    assert offered.default == "late" and offered.first.model is model
    told = asyncio.run(handlers.on_load())
    assert told[0]["kind"] == "intro" and told[2] == "late"
    offered.close()


class Late:
    """A `ModelSource` whose own model is not there yet."""

    notice = "user/late cannot be loaded now."

    def __init__(self, model: CharLSTM) -> None:
        self.model = model
