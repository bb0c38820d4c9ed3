"""The models of one visitor: made on the page, their owner's alone, in memory only, for an hour at most."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeGuard

from hubcharlstm import BusyError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import MAX_NAME, ModelRegistry
from hubcharlstm.demo.owners import Owners
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.model import CharLSTM

MAX_PRIVATE = 12
"""Private models in memory, of all owners together."""

MAX_PER_OWNER = 3

MAX_PER_ADDRESS = 6
"""Private models of one network address, where addresses are counted."""

ABSENT_SECONDS = 600.0
"""After which the models of an owner whose last tab has gone are removed."""

MAX_AGE = 3_600.0
"""Seconds after which a private model is removed, whoever uses it."""

CHECK_SECONDS = 15.0
"""Between two looks for models to remove."""

REMEMBERING = "remembering your text"
MADE_HERE = "made by you"
ENDING = re.compile(rf", (?:{REMEMBERING}|{MADE_HERE})(?: \(\d+\))?$")
"""How the label of a private model ends, by which one that is gone is told from one that never was."""


def is_label(name: object) -> TypeGuard[str]:
    """Whether a name could be the label of a model that was made here, which is one line that can be shown."""
    return isinstance(name, str) and len(name) <= MAX_NAME and name.isprintable()


@dataclass(eq=False)
class PrivateModel:
    """added: monotonic seconds. on_remove: called once when it is removed. holders: requests that use it."""

    served_model: ServedModel
    added: float
    address: str = ""
    on_remove: Callable[[], None] | None = None
    holders: int = 0
    is_removed: bool = False


class PrivateModels:
    """The private models of all owners, in front of the models of a registry. Used by one event loop only.

    A model is removed by its owner, `ABSENT_SECONDS` after the owner's last tab has gone, and `MAX_AGE` seconds after
    it was added. A request that holds one finishes with it.
    """

    def __init__(self, registry: ModelRegistry, owners: Owners, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry, self.owners = registry, owners
        self._clock = clock
        self._models: dict[str, dict[str, PrivateModel]] = {}  # by owner, then by label
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(len(own) for own in self._models.values())

    def labels(self, owner: str) -> list[str]:
        """What an owner's menu offers: the registry's models, then the owner's own."""
        return [*self.registry.labels, *self._models.get(owner, {})]

    def offers(self, name: str, owner: str) -> bool:
        return self.registry.offers(name) or name in self._models.get(owner, {})

    def check_room(self, owner: str, address: str = "") -> None:
        """Raise `BusyError` if no further model of `owner` would be added. address: the owner's, "" for no limit."""
        self.remove_expired()
        if len(self._models.get(owner, {})) >= MAX_PER_OWNER:
            raise BusyError(sentence("private.own_limit", limit=MAX_PER_OWNER))
        everyone = [private for own in self._models.values() for private in own.values()]
        if len(everyone) >= MAX_PRIVATE:
            raise BusyError(sentence("private.full", limit=MAX_PRIVATE, wait=self._wait_for(everyone)))
        same_address = [private for private in everyone if address and private.address == address]
        if len(same_address) >= MAX_PER_ADDRESS:
            raise BusyError(sentence("private.address_full", limit=MAX_PER_ADDRESS, wait=self._wait_for(same_address)))

    async def add(
        self,
        owner: str,
        label: str,
        model: CharLSTM,
        *,
        address: str = "",
        on_remove: Callable[[], None] | None = None,
    ) -> str:
        """Offer `model` to `owner` alone; returns its label, with a number where that one is taken.

        label: ends with `REMEMBERING` or `MADE_HERE` after a comma. on_remove: called once when the model is removed.
        Raises `BusyError` as `check_room` does.
        """
        assert owner and ENDING.search(label)
        self.check_room(owner, address)
        served_model = await asyncio.to_thread(ServedModel.of, label, None, model)  # builds decoder and fingerprint
        try:
            self.check_room(owner, address)  # others may have been added meanwhile
        except BusyError:
            served_model.engine.close(timeout=0)
            raise
        served_model = replace(served_model, label=self._free_label(owner, label), is_private=True)
        own = self._models.setdefault(owner, {})
        own[served_model.label] = PrivateModel(served_model, self._clock(), address, on_remove)
        self._schedule()
        return served_model.label

    def remove(self, owner: str, label: str) -> None:
        """Remove a model of `owner`, if there is one of that label."""
        own = self._models.get(owner, {})
        private = own.pop(label, None)
        if not own:
            self._models.pop(owner, None)
        if private is not None:
            private.is_removed = True
            if private.on_remove is not None:
                private.on_remove()
            self._close_if_unused(private)

    @asynccontextmanager
    async def acquire(self, name: object = None, owner: str = "") -> AsyncIterator[ServedModel]:
        """Hold a model of `owner`, or any of the registry as `ModelRegistry.acquire` does.

        Raises `UserError` if it is not on offer, does not load, or is gone.
        """
        private = self._models.get(owner, {}).get(name.strip()) if isinstance(name, str) else None
        if private is None:
            if is_label(name) and ENDING.search(name) and not self.registry.offers(name):
                raise UserError(sentence("private.expired", name=name), "model")
            async with self.registry.acquire(name) as served_model:
                yield served_model
            return
        private.holders += 1
        try:
            yield private.served_model
        finally:
            private.holders -= 1
            self._close_if_unused(private)

    def remove_expired(self) -> None:
        """Remove what has outlived its owner's absence or its own age."""
        now = self._clock()
        for owner, own in list(self._models.items()):
            is_absent = self.owners.absent_seconds(owner) >= ABSENT_SECONDS
            for label, private in list(own.items()):
                if is_absent or now - private.added >= MAX_AGE:
                    self.remove(owner, label)

    def close(self) -> None:
        """Remove every model."""
        for owner, own in list(self._models.items()):
            for label in list(own):
                self.remove(owner, label)
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        if self._timer is None and self._models:
            self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        self._timer = None
        self.remove_expired()
        self._schedule()

    def _close_if_unused(self, private: PrivateModel) -> None:
        if private.is_removed and not private.holders:
            private.served_model.engine.close(timeout=0)

    def _free_label(self, owner: str, label: str) -> str:
        free, number = label, 1
        while self.offers(free, owner):
            number += 1
            free = f"{label} ({number})"
        return free

    def _wait_for(self, models: list[PrivateModel]) -> Sentence:
        """The minutes until the first of some models goes by its age."""
        seconds = min(private.added for private in models) + MAX_AGE - self._clock()
        return sentence("private.minutes", n=max(1, math.ceil(seconds / 60)))
