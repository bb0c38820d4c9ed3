"""Models that one owner alone sees and uses: bounds, expiry, and what a request holds meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

pytest.importorskip("gradio")

from hubcharlstm import BusyError, CharLSTM, Vocabulary
from hubcharlstm.demo import private_models
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.owners import Owners
from hubcharlstm.demo.private_models import ABSENT_SECONDS, MAX_AGE, PrivateModels
from hubcharlstm.demo.settings import Settings
from tests.conftest import tiny_model
from tests.support.clock import ManualClock

KEY, OTHER = "0" * 32, "f" * 32
LABEL = "first, remembering your text"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def private(model: CharLSTM, clock: ManualClock) -> Iterator[PrivateModels]:
    registry = ModelRegistry(model, "user/first", open_to_all=True)
    models = PrivateModels(registry, Owners(clock), clock)
    for session, key in (("mine", KEY), ("theirs", OTHER)):
        models.owners.connect(session)
        models.owners.identify(session, key)
    yield models
    models.close()
    registry.close()


@pytest.fixture
def own(vocabulary: Vocabulary) -> CharLSTM:
    return tiny_model(vocabulary, seed=1)


def test_a_private_model_is_its_owners_alone(private: PrivateModels, own: CharLSTM) -> None:
    async def run() -> None:
        label = await private.add(KEY, LABEL, own)
        assert label == LABEL
        assert private.labels(KEY) == ["first", LABEL] and private.labels(OTHER) == private.labels("") == ["first"]
        assert private.registry.labels == ["first"] and len(private.registry.describe()) == 1
        async with private.acquire(LABEL, KEY) as mine, private.acquire("first", KEY) as shared:
            assert mine.model is own and mine.is_private and mine.source is None and shared.label == "first"
            text = await asyncio.to_thread("".join, await mine.stream("To be", Settings(length=20), seed=7))
        assert text == own.generate("To be", max_new_tokens=20, temperature=0.8, seed=7)
        for owner in (OTHER, ""):
            with pytest.raises(UserError, match="is gone"):
                async with private.acquire(LABEL, owner):
                    pass
        for wrong in (f"\ud800{LABEL}", "x" * 9_000 + LABEL):  # a name that no answer can hold, in the refusal
            with pytest.raises(UserError) as refused:
                async with private.acquire(wrong, OTHER):
                    pass
            assert len(str(refused.value).encode()) < 400
        assert await private.add(KEY, LABEL, own) == f"{LABEL} (2)"
        assert await private.add(OTHER, LABEL, own) == LABEL

    asyncio.run(run())


def test_a_model_goes_ten_minutes_after_the_last_tab_and_after_an_hour(
    private: PrivateModels, own: CharLSTM, clock: ManualClock
) -> None:
    removed = []

    async def run() -> None:
        await private.add(KEY, LABEL, own, on_remove=lambda: removed.append("mine"))
        await private.add(OTHER, LABEL, own, on_remove=lambda: removed.append("theirs"))
        private.owners.disconnect("mine")
        clock.now += ABSENT_SECONDS - 1
        private.remove_expired()
        assert removed == []
        clock.now += 1
        private.remove_expired()
        assert removed == ["mine"] and len(private) == 1
        with pytest.raises(UserError, match="stays for ten minutes after its page is closed"):
            async with private.acquire(LABEL, KEY):
                pass
        async with private.acquire(LABEL, OTHER) as held:
            clock.now += MAX_AGE
            private.remove_expired()
            assert removed == ["mine", "theirs"] and len(private) == 0
            stream = await held.stream("To be", Settings(length=20), seed=7)  # a request finishes with what it holds
            assert len(await asyncio.to_thread("".join, stream)) == 20
        with pytest.raises(BusyError, match="engine is closed"):
            await held.stream("To be", Settings(), seed=7)

    asyncio.run(run())


def test_expiry_needs_no_request(
    private: PrivateModels, own: CharLSTM, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_models, "CHECK_SECONDS", 0.01)

    async def run() -> None:
        removed = asyncio.Event()
        await private.add(KEY, LABEL, own, on_remove=removed.set)
        await asyncio.sleep(0.05)
        assert not removed.is_set()
        clock.now += MAX_AGE
        await asyncio.wait_for(removed.wait(), 10)

    asyncio.run(run())


def test_the_number_of_models_is_bounded(
    private: PrivateModels, own: CharLSTM, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        for _ in range(private_models.MAX_PER_OWNER):
            await private.add(KEY, LABEL, own)
        with pytest.raises(BusyError, match="You have 3 models of your own here"):
            await private.add(KEY, LABEL, own)
        private.remove(KEY, f"{LABEL} (2)")
        assert await private.add(KEY, LABEL, own) == f"{LABEL} (2)"
        private.remove(KEY, "no such label")
        monkeypatch.setattr(private_models, "MAX_PRIVATE", 4)
        clock.now += 600
        await private.add(OTHER, LABEL, own, address="10.0.0.1")
        with pytest.raises(BusyError, match=r"have 4 models of their own here; .* in 50 minutes at the latest"):
            await private.add(OTHER, LABEL, own)
        monkeypatch.setattr(private_models, "MAX_PRIVATE", 9)
        monkeypatch.setattr(private_models, "MAX_PER_ADDRESS", 1)
        with pytest.raises(BusyError, match="network address has 1 models"):
            await private.add(OTHER, LABEL, own, address="10.0.0.1")
        await private.add(OTHER, LABEL, own, address="10.0.0.2")

    asyncio.run(run())
