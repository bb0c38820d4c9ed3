"""The registry of models, and what the empty page tells of them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from hubcharlstm import BusyError, CharLSTM, Vocabulary, introduction

pytest.importorskip("gradio")

from hubcharlstm.demo import models
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.page import welcome
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import Settings
from hubcharlstm.demo.threads import wait_in_daemon_thread
from tests.conftest import tiny_model
from tests.support.chat_doubles import in_english


def get(offered: models.ModelRegistry, name: object) -> ServedModel:
    """The model of a name, as a request finds it; held no longer."""

    async def acquire() -> ServedModel:
        async with offered.acquire(name) as served_model:
            return served_model

    return asyncio.run(acquire())


def test_a_model_is_loaded_once_when_it_is_wanted(model: CharLSTM, model_folder: Path) -> None:
    offered = models.ModelRegistry(model, "user/first", [str(model_folder)])
    assert offered.labels == ["first", "model"] and get(offered, "").label == "first"
    loaded = get(offered, "model")
    assert loaded.model is not model and get(offered, "model") is loaded
    offered.close()


def test_a_run_brings_its_epochs(model: CharLSTM, tmp_path: Path) -> None:
    run = tmp_path / "mine"
    for name in ("model", "epochs/epoch-03", "epochs/epoch-11", "epochs/epoch-100"):
        model.save_pretrained(run / name)
    (run / "epochs" / "epoch-12").mkdir()  # of a save that was cut short
    offered = models.ModelRegistry(model, str(run), ["user/mine@epoch-03"])
    epochs = ["mine@epoch-03", "mine@epoch-11", "mine@epoch-100"]
    assert offered.labels == ["mine", *epochs, "mine@epoch-03 (2)"] and offered.default == "mine"
    assert offered.source_of("mine@epoch-03") == str(run / "epochs" / "epoch-03")
    assert get(offered, "mine@epoch-03").model is not model
    offered.close()


def test_a_space_offers_what_is_named_and_nothing_else(model: CharLSTM, model_folder: Path) -> None:
    hosted = models.ModelRegistry(model, "user/first", [None])
    for name in (str(model_folder), "other/model", "x" * 400, 7):
        with pytest.raises(UserError) as caught:
            get(hosted, name)
        assert caught.value.field == "model"
    hosted.close()


def test_at_home_any_folder_may_be_typed_in(model: CharLSTM, model_folder: Path, tmp_path: Path) -> None:
    home = models.ModelRegistry(model, "user/model", open_to_all=True)
    loaded = get(home, str(model_folder))
    assert loaded.label == "model (2)" and loaded.source == str(model_folder)
    assert get(home, str(model_folder)) is loaded and home.labels == ["model", "model (2)"]
    with pytest.raises(UserError, match="The model before it goes on serving"):
        get(home, str(tmp_path / "nothing"))
    assert home.labels == ["model", "model (2)"] and get(home, "").model is model
    home.close()


def test_the_process_ends_without_a_model_that_is_being_downloaded() -> None:
    """Ctrl-C while the Hub was slow waited for the download, for up to a quarter of an hour."""
    released = threading.Event()
    ended: list[bool] = []

    def download() -> None:
        ended.append(released.wait(20))

    async def run() -> None:
        loading = asyncio.create_task(wait_in_daemon_thread(download))
        await asyncio.sleep(0)
        assert not loading.done()

    asyncio.run(run())
    assert ended == []
    released.set()


def test_idle_models_make_room(model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MAX_LOADED", 2)
    home = models.ModelRegistry(model, "user/first", open_to_all=True)
    loaded = []
    for name in ("a", "b"):
        model.save_pretrained(tmp_path / name)
        loaded.append(get(home, str(tmp_path / name)))
    assert set(home._loaded) == {"first", "b"}
    again = get(home, "a")
    assert again is not loaded[0] and set(home._loaded) == {"first", "a"}
    home.close()


def test_a_model_that_a_request_holds_is_not_evicted(
    model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that awaited something before its first character found "The engine is closed".

    Eviction took any model whose engine had nothing to do, such as one whose request was still encoding a long prompt,
    or replaying a reply to be continued, and whose stream therefore did not exist yet.
    """
    monkeypatch.setattr(models, "MAX_LOADED", 2)
    home = models.ModelRegistry(model, "user/first", open_to_all=True)
    for name in ("a", "b"):
        model.save_pretrained(tmp_path / name)
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def continuation() -> tuple[ServedModel, str]:
        async with home.acquire(str(tmp_path / "a")) as held:
            waits.set()
            await goes_on.wait()
            stream = await held.stream("To be", Settings(length=20), seed=7)
            text = await asyncio.to_thread("".join, stream)
            assert home._loaded["a"] is held
            return held, text

    async def run() -> str:
        task = asyncio.create_task(continuation())
        await waits.wait()
        async with home.acquire(str(tmp_path / "b")) as other:
            assert set(home._loaded) == {"first", "a", "b"}  # one more than `MAX_LOADED`, as long as all are held
            goes_on.set()
            evicted, text = await task
        assert set(home._loaded) == {"first", "b"}  # room was made when its last holder left
        assert (await other.stream("To be", Settings(length=1), seed=7)).seed == 7
        with pytest.raises(BusyError, match="engine is closed"):
            await evicted.stream("To be", Settings(), seed=7)
        return text

    assert asyncio.run(run()) == model.generate("To be", max_new_tokens=20, seed=7)
    home.close()


def test_a_model_that_is_replaced_serves_its_holders_to_the_end(model: CharLSTM, vocabulary: Vocabulary) -> None:
    """`take_over` left the engine of the model that it replaced running for good."""
    hosted = models.ModelRegistry(model, None, ["user/late"])
    later = tiny_model(vocabulary, seed=1)
    hosted.take_over("user/late", later)
    assert hosted.first.model is later and hosted.labels == ["shipped model", "late"]

    async def run() -> ServedModel:
        async with hosted.acquire() as held:
            hosted.take_over("user/late", tiny_model(vocabulary, seed=2))
            assert hosted.first is not held
            async with hosted.acquire("late") as newest:
                assert newest is hosted.first
            stream = await held.stream("To be", Settings(length=20), seed=7)
            assert await asyncio.to_thread("".join, stream) == later.generate("To be", max_new_tokens=20, seed=7)
        return held

    replaced = asyncio.run(run())
    with pytest.raises(BusyError, match="engine is closed"):
        asyncio.run(replaced.stream("To be", Settings(), seed=7))
    assert len(hosted.loaded) == 2 and not hosted._holders
    hosted.close()


# --- what is told of a model ------------------------------------------------------------------------------------------


def test_the_intro_is_filled_from_the_model(model: CharLSTM) -> None:
    shown = welcome.intro(model, "tiny")
    assert (
        in_english(shown["title"]) == "Tiny, one letter at a time"
        and shown["passage"] is None
        and shown["time_lapse"] is None
    )
    assert in_english(shown["lines"][0]) == "Not an assistant: a small network that has read one text."
    assert [starter["typed"] for starter in shown["starters"]] == ["To be, ", "FIRST:\n", "To be, "]
    assert shown["starters"][-1]["temperatures"] == [0.2, 0.8, 1.4]
    corpus = {
        "name": "m", "title": "Shakespeare's Macbeth", "sha256": "0", "chars": 9, "train_chars": 9, "held_out": "-"
    }  # fmt: skip
    model.record = {"name": "charlstm-macbeth", "corpus": corpus}
    shown = welcome.intro(model, "tiny")
    assert in_english(shown["title"]) == "Shakespeare's Macbeth, one letter at a time"
    assert "has read only Shakespeare's Macbeth." in in_english(shown["lines"][0])
    model.record |= {"teachers": [{"name": "user/teacher"}]}
    assert "has read Shakespeare's Macbeth." in in_english(welcome.intro(model, "tiny")["lines"][0])


def test_the_passage_is_the_one_nearest_the_usual_temperature(model: CharLSTM) -> None:
    model.record = {
        "samples": [{"prompt": "p", "temperature": t, "seed": 7, "text": f"at {t}"} for t in (0.2, 0.7, 1.2)]
    }
    assert welcome.intro(model, "tiny")["passage"] == {
        "prompt": "p",
        "text": "at 0.7",
        "caption": "seed 7, temperature 0.7",
        "seed": "7",
        "temperature": 0.7,
    }


def test_the_time_lapse_tells_how_far_the_training_was(model: CharLSTM) -> None:
    snapshots = [
        {"characters_read": 2_000_000, "text": "voice", "val_loss": 0.6931471805599453},
        {"characters_read": 500_000, "text": "noise"},
        {"characters_read": 9_000_000, "text": "beyond the clock"},
        {"characters_read": 10, "text": "timed", "minutes": 3.0},
    ]
    model.record = {
        "time_lapse": snapshots,
        "time_lapse_prompt": "p",
        "history": [{"chars": 1_000_000, "seconds": 100}, {"chars": 3_000_000, "seconds": 300.0}, "junk"],
    }
    lapse = welcome.intro(model, "tiny")["time_lapse"]
    assert [snapshot["label"] for snapshot in lapse["snapshots"]] == [
        "after 10 characters, 3 minutes",
        "after 500 thousand characters, 50 seconds",
        "after 2.0 million characters, 3 minutes, 1.00 bits per character",
        "after 9.0 million characters",
    ]
    model.record["time_lapse"] = {"prompt": "p", "moments": [{"chars": n, "text": "t"} for n in (5, 500_000)]}
    assert (
        welcome.intro(model, "tiny")["time_lapse"]["snapshots"][1]["label"]
        == "after 500 thousand characters, 50 seconds"
    )
    model.record["time_lapse"] = {"prompt": 7, "moments": "many"}
    assert welcome.intro(model, "tiny")["time_lapse"] is None


def test_the_lines_about_a_model(model: CharLSTM) -> None:
    lines = [*map(in_english, welcome.about_sentences(model))]
    assert lines[0].startswith("A network of ") and "It is not an assistant" in lines[0]
    assert lines[-1].endswith(" on cpu") and not any("bits per character" in line for line in lines)
    model.record, model.revision = {"val_loss": 1.0, "val_bpc": 1.4427}, "abcdef1234567890"
    assert "1.443 bits per character on text it has not read" in map(in_english, welcome.about_sentences(model))
    assert in_english(welcome.about_sentences(model)[-1]).endswith(", revision abcdef1")


@pytest.mark.parametrize(
    ("count", "words"),
    [(3_319_873, "3.3 million"), (111_294, "111 thousand"), (9_999, "9,999"), (5, "5")],
)
def test_a_count_in_words(count: int, words: str) -> None:
    assert introduction.in_words(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "less than a second"), (1, "1 second"), (12.2, "12 seconds"), (3544, "59 minutes"), (9000, "2.5 hours")],
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert introduction.in_time(seconds) == words
