"""Paced updates: at reading speed, fewer for each where many read, none for whoever does not read."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.chat import pacing
from hubcharlstm.demo.errors import UserError
from tests.support.chat_doubles import FinishedStream

pytestmark = pytest.mark.usefixtures("fast_pacing")


def test_text_keeps_to_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 100)
    stream = FinishedStream("x" * 30)

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


def test_many_streams_get_fewer_updates_each(monkeypatch: pytest.MonkeyPatch) -> None:
    pacer = pacing.UpdatePacer()
    monkeypatch.setattr(pacing, "UPDATES_PER_SECOND", 40)
    monkeypatch.setattr(pacing, "CHARACTERS_PER_SECOND", 100)
    updates: list[int] = []

    async def consume(stream: FinishedStream) -> None:
        updates.append(0)
        mine = len(updates) - 1
        async for _ in pacing.follow([stream], pacer):
            updates[mine] += 1

    async def run() -> float:
        started = time.monotonic()
        await asyncio.gather(*(consume(FinishedStream("x" * 60)) for _ in range(10)))
        return time.monotonic() - started

    seconds = asyncio.run(run())
    assert sum(updates) <= 10 + 40 * seconds and max(updates) - min(updates) <= 2 and pacer.num_active == 0


def test_the_pace_falls_while_updates_come_late_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    pacer, lateness = pacing.UpdatePacer(), 1.0

    class Time:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    async def sleep(seconds: float) -> None:
        pacing.time.now += seconds + lateness  # type: ignore[attr-defined]  # the clock set below

    monkeypatch.setattr(pacing, "time", Time())
    monkeypatch.setattr(pacing.asyncio, "sleep", sleep)

    async def spacing() -> float:
        for _ in range(200):
            await pacer.tick(0)
        return pacer._slowdown

    assert asyncio.run(spacing()) == 10
    lateness = 0.0
    asyncio.run(spacing())
    assert asyncio.run(spacing()) == 1


def test_nobody_waits_for_the_longer_pause_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One text at full speed, whose updates come a second apart, made those of every reader as rare."""
    pacer = pacing.UpdatePacer()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def run() -> None:
        for pause in (1.0, 0.1, 0.1):
            await pacer.tick(pause)

    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: 5.0))
    monkeypatch.setattr(pacing.asyncio, "sleep", sleep)
    asyncio.run(run())
    turn = 1 / pacing.UPDATES_PER_SECOND
    assert slept == pytest.approx([1.0, 0.1 + turn, 0.1 + 2 * turn])


def test_text_waits_for_a_client_that_is_behind_and_ends_for_one_that_never_reads() -> None:
    class SlowClient:
        behind, checks = True, 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 3:
                self.behind = False

        async def caught_up(self) -> None:
            raise UserError("Nobody reads what is written.")

    async def run() -> list[str]:
        pieces = []
        stream = FinishedStream("x" * 30)
        with pytest.raises(UserError):
            async for (piece,) in pacing.follow([stream], pacing.UpdatePacer(), full_speed=True, monitor=SlowClient()):
                pieces.append(piece)
        assert stream.cancelled
        return pieces

    assert asyncio.run(run()) == ["x" * 30]


def test_a_client_behind_on_a_text_that_has_ended_blocks_no_other() -> None:
    """The wait for its end, which had come, was once no wait at all, and the event loop stood still."""

    class SlowClient:
        behind = True

        def check(self) -> None: ...
        async def caught_up(self) -> None: ...

    async def run() -> int:
        client, turns = SlowClient(), 0

        async def consume() -> None:
            stream = FinishedStream("x" * 30)
            async for _ in pacing.follow([stream], pacing.UpdatePacer(), full_speed=True, monitor=client):
                pass

        task = asyncio.create_task(consume())
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1
            client.behind = turns < 5
        return turns

    assert asyncio.run(run()) >= 5
