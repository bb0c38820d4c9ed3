"""A copy of the model reads a visitor's text: what the page is told, what is refused, and what is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hubcharlstm import BusyError, CharLSTM

gr = pytest.importorskip("gradio")

from hubcharlstm.demo.chat import remembering
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.remembering import AdaptationQueue
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.layout import chat_page
from hubcharlstm.demo.page.remembering import RememberHandlers
from hubcharlstm.demo.private_models import MADE_HERE
from hubcharlstm.demo.serving.admission import AdmissionController, Limits
from tests.support.chat_doubles import in_english

KEY, OTHER = "0" * 32, "f" * 32
MINE = "The lantern at the ferry burned low.\n" * 20
LABEL = "tiny, remembering your text"


@pytest.fixture
def handlers(chat_model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> Iterator[RememberHandlers]:
    monkeypatch.setattr(remembering, "UPDATE_SECONDS", 0.01)
    with gr.Blocks():
        registry = ModelRegistry(chat_model, "user/tiny")
        wired = RememberHandlers(chat_page(registry, AdmissionController(Limits()), UpdatePacer()))
    yield wired
    wired.private.close()
    registry.close()


def request(session: str) -> Any:
    return gr.Request(session_hash=session)


async def remember(handlers: RememberHandlers, session: str = "mine", **data: Any) -> list[Any]:
    """The values that the conversation component gets."""
    event = gr.EventData(None, {"owner": KEY, "text": MINE, "model": "tiny", **data})
    return [values[0] async for values in handlers.remember(event, request(session))]


def test_the_copy_is_offered_to_its_owner(handlers: RememberHandlers, chat_model: CharLSTM) -> None:
    fingerprint = chat_model.fingerprint

    async def run() -> None:
        *working, done = await remember(handlers)
        assert {value["kind"] for value in working} == {"remember"} and not any(value["is_done"] for value in working)
        assert done["kind"] == "models" and done["chosen"] == LABEL and done["models"] == ["tiny", LABEL]
        assert in_english(done["sentence"]).startswith(f"It has read your {len(MINE)} characters: ")
        values = await handlers.chat_handlers.select_model(LABEL, "tiny", request("mine"))
        assert values[0]["is_private"]
        lines = [in_english(line) for line in values[0]["intro"]["lines"]]
        assert "Since then it has read 740 characters of another text." in lines
        values = await handlers.chat_handlers.select_model(LABEL, "tiny", request("theirs"))
        assert values[0]["kind"] == "error" and "is gone" in in_english(values[0]["sentence"])
        again = (await remember(handlers, model=LABEL))[-1]  # a copy reads a further text
        assert again["chosen"] == f"{LABEL} (2)"
        async with handlers.private.acquire(again["chosen"], KEY) as served_model:
            assert len(served_model.model.record["adapted"]) == 2
        values = await handlers.forget(gr.EventData(None, {"model": LABEL}), request("theirs"))
        assert len(handlers.private) == 2 and values[0]["models"] == ["tiny"]
        values = await handlers.forget(gr.EventData(None, {"model": LABEL}), request("mine"))
        assert len(handlers.private) == 1 and values[0]["models"] == ["tiny", f"{LABEL} (2)"]

    asyncio.run(run())
    assert chat_model.fingerprint == fingerprint


def test_gradio_runs_on_the_event_loop_what_touches_the_private_models(
    handlers: RememberHandlers, chat_model: CharLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain function runs in a worker thread, which has no event loop: to forget a model that was made here failed,
    and its text stayed."""
    page: Any = handlers.chat_handlers.chat
    while page.parent is not None:
        page = page.parent
    threads: set[threading.Thread] = set()
    removed: list[asyncio.Task[None]] = []

    def clock() -> float:
        threads.add(threading.current_thread())
        return 0.0

    async def call(name: str, **data: Any) -> None:
        function = next(one for one in page.fns.values() if getattr(one.fn, "__name__", "") == name)
        await page.call_function(function, [], requests=request("mine"), event_data=gr.EventData(None, data))

    async def run() -> None:
        monkeypatch.setattr(handlers.private.owners, "_clock", clock)
        await call("identify", owner=KEY)
        label = await handlers.private.add(
            KEY, f"tiny, {MADE_HERE}", chat_model,
            on_remove=lambda: removed.append(asyncio.create_task(asyncio.sleep(0))),
        )  # fmt: skip
        await call("forget", model=label)
        assert handlers.private.labels(KEY) == ["tiny"]
        await asyncio.gather(*removed)

    asyncio.run(run())
    assert len(removed) == 1 and threads == {threading.current_thread()}


@pytest.mark.parametrize(
    ("data", "field", "sentence"),
    [
        ({"text": "  \n"}, "remember", "There is no text to remember yet"),
        ({"text": None}, "remember", "There is no text"),
        ({"text": "x" * 20_001}, "remember", "The text has 20,001 characters; expected 20,000 at most"),
        ({"text": "To be"}, "remember", "expected 30 at least"),
        ({"text": "日本語\0" * 50}, "remember", "The text has 0 characters that the model can read"),
        ({"owner": "me"}, "message", "expected 32 hexadecimal digits"),
        ({"model": "other/model"}, "model", "is not offered here"),
        ({"model": "gone, remembering your text"}, "model", "is gone"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    handlers: RememberHandlers, data: dict[str, Any], field: str, sentence: str
) -> None:
    value = asyncio.run(remember(handlers, **data))[-1]
    assert value["is_done"] and value["field"] == field and sentence in in_english(value["sentence"])
    assert len(handlers.private) == len(handlers.queue) == 0


def test_one_text_is_read_at_a_time_and_a_page_that_closes_ends_its_work(
    chat_model: CharLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "UPDATE_SECONDS", 0.01)
    monkeypatch.setattr(remembering, "MAX_WAITING", 1)
    running, most, released = [], [], threading.Event()

    def slow(model: CharLSTM, text: str, is_cancelled: Any) -> CharLSTM:
        running.append(text)
        most.append(len(running))
        while not is_cancelled() and not released.wait(0.005):
            pass
        running.remove(text)
        return model

    monkeypatch.setattr(remembering, "adapt", slow)

    async def run() -> None:
        queue = AdaptationQueue()
        first = queue.adapt(chat_model, "first", KEY, lambda: False)
        assert await anext(first) == remembering.WORKING
        second = queue.adapt(chat_model, "second", OTHER, lambda: False)
        assert str(await anext(second)) == "1 text before yours, about 6 seconds."
        for owner, sentence in ((KEY, "A text of yours is being read"), ("a" * 32, "1 texts wait to be read here")):
            with pytest.raises(BusyError, match=sentence):
                await anext(queue.adapt(chat_model, "third", owner, lambda: False))
        await first.aclose()  # its page was closed
        while "second" not in running:
            await asyncio.sleep(0.01)
        assert running == ["second"] and len(queue) == 1
        released.set()
        updates = [update async for update in second]
        assert updates[-1] is chat_model and len(queue) == 0 and set(most) == {1}

    asyncio.run(run())
