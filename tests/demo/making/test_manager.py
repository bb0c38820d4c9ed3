"""Texts of visitors: one training at a time, and nothing that stays longer than it may."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")

from hubcharlstm import BusyError, CharLSTM
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.making.limits import MakingLimits
from hubcharlstm.demo.making.manager import TrainingManager
from hubcharlstm.demo.making.storage import Storage
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.owners import Owners
from hubcharlstm.demo.private_models import PrivateModels
from hubcharlstm.demo.words.catalogue import sentence
from tests.support.clock import ManualClock

ANN, BOB, CY = ("a" * 32, "b" * 32, "c" * 32)
Scenario = Callable[[TrainingManager, ManualClock], Awaitable[None]]


def text_that(what: str = "LEARN") -> str:
    return f"{what} " + "a line of a text\n" * 150


@pytest.fixture
def play(stub: Path, tmp_path: Path, chat_model: CharLSTM) -> Callable[..., None]:
    """Runs a scenario with a manager over the stub of a trainer, and checks that nothing of it stays behind."""

    @asynccontextmanager
    async def manager_of(limits: MakingLimits) -> AsyncIterator[tuple[TrainingManager, ManualClock]]:
        clock = ManualClock()
        registry = ModelRegistry(chat_model, "user/tiny")
        private = PrivateModels(registry, Owners(clock), clock)
        manager = TrainingManager(limits, private, Storage(tmp_path / "making"), clock)
        try:
            yield manager, clock
        finally:
            await manager.close()
            private.close()
            registry.close()

    def run(scenario: Scenario, limits: MakingLimits | None = None) -> None:
        async def main() -> None:
            async with manager_of(limits or MakingLimits()) as (manager, clock):
                await asyncio.wait_for(scenario(manager, clock), 120)

        asyncio.run(main())
        assert list((tmp_path / "making").iterdir()) == []

    return run


async def until(manager: TrainingManager, owner: str, *phases: str) -> dict[str, Any]:
    while (state := manager.state(owner))["phase"] not in phases:
        await asyncio.sleep(0.02)
    return state


async def checked(manager: TrainingManager, owner: str, what: str = "LEARN", address: str = "") -> None:
    await manager.submit(owner, address, "my text", text_that(what))
    await until(manager, owner, "checked")


async def running(manager: TrainingManager, owner: str, what: str) -> Path:
    """The folder of a training that has begun its steps."""
    await checked(manager, owner, what)
    manager.start(owner, 30, "")
    while not (manager._jobs[owner].run / "metrics.jsonl").exists():
        await asyncio.sleep(0.02)
    return manager._jobs[owner].folder


def test_a_text_becomes_a_model_that_its_owner_alone_has(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await checked(manager, ANN)
        manager.start(ANN, 60, "pretrained")
        state = await until(manager, ANN, "ready", "failed")
        assert state["label"] == "my text, made by you" and state["run"]["metrics"][0]["val_loss"] == 2.1
        assert manager.private.labels(ANN)[-1] == state["label"] and state["label"] not in manager.private.labels(BOB)
        arguments = json.loads((manager.finished(ANN).run / "arguments").read_text())
        assert arguments[:8] == ["fit", "my-text.txt", "--out", "run", "--minutes", "1", "--init-from", "pretrained"]
        with pytest.raises(UserError, match="no longer here"):
            manager.finished(BOB)

    play(scenario)


def test_one_trains_while_the_others_wait_in_order(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await running(manager, ANN, "WAIT")
        for owner in (BOB, CY):
            await checked(manager, owner)
            manager.start(owner, 180, "")
        queues = [manager.state(owner)["queue"] for owner in (BOB, CY)]
        assert [queue["before"] for queue in queues] == [1, 2] and queues[1]["wait"] == sentence(
            "make.minutes", n=4
        ).as_json()
        manager.stop(BOB)
        assert manager.state(BOB)["phase"] == "checked" and manager.state(CY)["queue"]["before"] == 1
        manager.stop(ANN)
        state = await until(manager, ANN, "ready")
        assert state["sentence"] == sentence("make.stopped_best").as_json()
        await until(manager, CY, "ready")

    play(scenario)


def test_a_full_queue_says_when_to_come_back(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await running(manager, ANN, "HANG")
        for owner in (BOB, CY):
            await checked(manager, owner)
        manager.start(BOB, 30, "")
        with pytest.raises(BusyError, match="1 trainings wait; expected 1 at most: try again in about"):
            manager.start(CY, 30, "")
        assert manager.state(CY)["phase"] == "checked"

    play(scenario, MakingLimits(max_queued=1))


def test_an_address_has_a_bound(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await checked(manager, ANN, address="10.0.0.1")
        with pytest.raises(BusyError, match="Your network address has 1 texts"):
            await manager.submit(BOB, "10.0.0.1", "x", text_that())
        await checked(manager, ANN, address="10.0.0.1")  # one's own last text makes room
        await checked(manager, BOB, address="10.0.0.2")

    play(scenario, MakingLimits(max_per_address=1))


@pytest.mark.parametrize(
    ("what", "words"),
    [("FULL", "make.disk_full"), ("DIE", "make.training_ended"), ("REFUSE", "text holds no character but a")],
)
def test_what_fails_says_so_and_makes_room(play: Any, what: str, words: str) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await manager.submit(ANN, "", "my text", text_that(what))
        if what != "REFUSE":
            await until(manager, ANN, "checked")
            manager.start(ANN, 30, "")
        state = await until(manager, ANN, "failed")
        assert words in str(state["sentence"]) and "my-text" not in str(state["sentence"])
        await checked(manager, BOB)
        manager.start(BOB, 30, "")
        await until(manager, BOB, "ready")

    play(scenario)


def test_what_was_saved_before_the_disk_was_full_is_offered(play: Any) -> None:
    """A training that broke off showed its error alone, although its best weights lay there whole."""

    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await checked(manager, ANN, "FULL_LATER")
        manager.start(ANN, 30, "")
        state = await until(manager, ANN, "ready", "failed")
        assert (state["phase"], state["sentence"]) == ("ready", sentence("make.disk_full_best").as_json())
        assert manager.private.labels(ANN)[-1] == state["label"]
        await checked(manager, BOB)
        manager.start(BOB, 30, "")
        assert (await until(manager, BOB, "ready", "failed"))["sentence"] == ""

    play(scenario)


def test_a_killed_training_can_be_begun_anew(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await running(manager, ANN, "HANG")
        process = manager._jobs[ANN].process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        assert (await until(manager, ANN, "failed"))["sentence"] == sentence("make.training_ended").as_json()
        await manager.again(ANN)
        assert manager.state(ANN)["phase"] == "checked" and not manager._jobs[ANN].run.exists()

    play(scenario)


def test_what_its_owner_forgets_is_gone_with_its_process(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        folder = await running(manager, ANN, "HANG")
        process = manager._jobs[ANN].process
        assert process is not None and (folder / "my-text.txt").exists()
        await manager.forget(ANN)
        assert not folder.exists() and manager.state(ANN)["phase"] == "none"
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)

    play(scenario)


def test_a_training_forgotten_before_its_first_step_leaves_the_next_its_turn(play: Any) -> None:
    """A task that is cancelled before it begins runs no `finally`: no training began any more until a restart."""

    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await checked(manager, ANN)
        await checked(manager, BOB)
        manager.start(ANN, 30, "")
        manager.start(BOB, 30, "")
        await manager.forget(ANN)  # in the same tick of the loop
        await until(manager, BOB, "ready")

    play(scenario)


def test_a_text_goes_ten_minutes_after_its_last_tab(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        owners = manager.private.owners
        owners.connect("tab1")
        owners.identify("tab1", ANN)
        folder = await running(manager, ANN, "HANG")
        clock.now += 3_000
        await manager.delete_expired()  # its tab is open
        assert folder.exists()
        owners.disconnect("tab1")
        clock.now += 590
        await manager.delete_expired()
        assert folder.exists()
        clock.now += 20
        await manager.delete_expired()
        assert not folder.exists() and manager.state(ANN)["phase"] == "none"

    play(scenario)


def test_a_model_goes_an_hour_after_its_training_with_its_text(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        manager.private.owners.connect("tab1")
        manager.private.owners.identify("tab1", ANN)
        await checked(manager, ANN)
        folder = manager._jobs[ANN].folder
        manager.start(ANN, 30, "")
        label = (await until(manager, ANN, "ready"))["label"]
        clock.now += 3_590
        await manager.delete_expired()
        assert folder.exists() and label in manager.private.labels(ANN)
        clock.now += 20
        await manager.delete_expired()
        assert not folder.exists() and label not in manager.private.labels(ANN)

    play(scenario)


def test_a_model_that_is_removed_takes_its_text_with_it(play: Any) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await checked(manager, ANN)
        folder = manager._jobs[ANN].folder
        manager.start(ANN, 30, "")
        label = (await until(manager, ANN, "ready"))["label"]
        manager.private.remove(ANN, label)
        while folder.exists():
            await asyncio.sleep(0.02)
        assert manager.state(ANN)["phase"] == "none"

    play(scenario)


@pytest.mark.parametrize("by", ["removal", "expiry"])
def test_what_deletes_a_text_leaves_the_one_that_took_its_place(play: Any, by: str) -> None:
    """A deletion that had to wait for another visitor's found the owner's next text, and deleted that."""

    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        await checked(manager, ANN)
        manager.start(ANN, 30, "")
        label = (await until(manager, ANN, "ready"))["label"]
        await manager._changing.acquire()
        giving = asyncio.create_task(manager.submit(ANN, "", "another", text_that()))
        await asyncio.sleep(0)
        if by == "removal":
            manager.private.remove(ANN, label)
            deletion = next(iter(manager._removals))
        else:
            clock.now += 3_610
            deletion = asyncio.create_task(manager.delete_expired())
            await asyncio.sleep(0)
        manager._changing.release()
        await asyncio.gather(giving, deletion)
        assert manager.state(ANN)["title"] == "another" and label not in manager.private.labels(ANN)

    play(scenario)


@pytest.mark.slow
def test_many_trainings_begun_and_abandoned_leave_nothing(play: Any, tmp_path: Path) -> None:
    async def scenario(manager: TrainingManager, clock: ManualClock) -> None:
        processes = []
        for _ in range(20):
            await running(manager, ANN, "HANG")
            processes.append(manager._jobs[ANN].process)
            await manager.forget(ANN)
        assert not [path for path in (tmp_path / "making").rglob("*") if path.is_file() and path.suffix != ".lock"]
        for process in processes:
            assert process is not None
            with pytest.raises(ProcessLookupError):
                os.kill(process.pid, 0)

    play(scenario)
