"""A visitor's text is read by a copy of a model: one text at a time, in a thread of low priority."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pydantic import PlainValidator

from hubcharlstm import BusyError
from hubcharlstm.decoding import openmp
from hubcharlstm.demo.chat.requests import Event, Text
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.owners import check_owner
from hubcharlstm.demo.threads import lower_priority
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.model import CharLSTM

MAX_TEXT = 20_000
"""Characters of a text to remember."""

SECONDS = 6.0
"""For which the model learns from one text."""

MAX_WAITING = 10
"""Texts that wait for their turn."""

UPDATE_SECONDS = 0.25

WORKING = sentence("remember.working", wait=sentence("busy.wait", n=round(SECONDS)))


def check_text(value: object) -> str:
    """Return the text; raise `UserError` if it is none, empty or too long."""
    if not isinstance(value, str) or not value.strip():
        raise UserError(sentence("remember.nothing"), "remember")
    if len(value) > MAX_TEXT:
        raise UserError(sentence("remember.too_long", count=len(value), max=MAX_TEXT), "remember")
    return value


class RememberEvent(Event):
    """A text to remember. owner: the browser's key. model: the name of the model that is to read it."""

    owner: Annotated[str, PlainValidator(check_owner)]
    text: Annotated[str, PlainValidator(check_text)]
    model: Text = ""


class ForgetEvent(Event):
    """The label of a private model to remove."""

    model: Text = ""


class AdaptationQueue:
    """Adapts models to texts, one at a time. Used by one event loop only."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "hubcharlstm-adaptation", initializer=lower_priority)
        self._owners: list[str] = []
        """Of the texts that are read or wait, in order."""

    def __len__(self) -> int:
        return len(self._owners)

    async def adapt(
        self, model: CharLSTM, text: str, owner: str, is_cancelled: Callable[[], bool]
    ) -> AsyncGenerator[Sentence | CharLSTM, None]:
        """Yield sentences about the progress, then the adapted model.

        Raises `BusyError` if too many wait or `owner` has one under way, and the model's own `ValueError`. A generator
        that is closed ends its work at the next step.
        """
        if owner in self._owners:
            raise BusyError(sentence("remember.under_way"))
        if len(self._owners) > MAX_WAITING:
            raise BusyError(sentence("remember.full", limit=MAX_WAITING))
        is_closed = threading.Event()
        job = self._executor.submit(adapt, model, text, lambda: is_closed.is_set() or is_cancelled())
        self._owners.append(owner)
        try:
            while not job.done():
                before = self._owners.index(owner)
                yield WORKING if job.running() or not before else waiting_sentence(before)
                await asyncio.sleep(UPDATE_SECONDS)
            yield job.result()
        finally:
            is_closed.set()
            job.cancel()
            self._owners.remove(owner)


def waiting_sentence(before: int) -> Sentence:
    """What the page says while other texts are read first."""
    return sentence("remember.waiting", n=before, wait=sentence("busy.wait", n=round(before * SECONDS)))


def adapt(model: CharLSTM, text: str, is_cancelled: Callable[[], bool]) -> CharLSTM:
    """The adapted model with its decoder built. Runs in the queue's own thread, on one core."""
    try:
        with openmp.num_threads(1):
            adapted = model.adapt(text, seconds=SECONDS, is_cancelled=is_cancelled)
            _ = adapted.decoder
            return adapted
    finally:
        openmp.release_thread_team()
