"""The models that the page offers: loaded when somebody wants one, each behind one engine for all its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hubcharlstm.demo.ask import Problem
from hubcharlstm.engine import Engine
from hubcharlstm.model import CharLSTM

SHIPPED = "shipped model"
MAX_LOADED = 4
"""Models kept in memory; one that nobody reads makes room for the next."""

MAX_NAME = 300


@dataclass(frozen=True)
class Loaded:
    """A model that is served. label: what the page calls it. source: what receipts name, None for the shipped model."""

    label: str
    source: str | None
    model: CharLSTM
    engine: Engine

    @classmethod
    def of(cls, label: str, source: str | None, model: CharLSTM) -> Loaded:
        return cls(label, source, model, Engine(model.decoder))


class Shelf:
    """Models by label. A folder's path never is a label, since visitors see those.

    first: served from the start. sources: what else is offered, None for the shipped model. open_to_all: any
    folder or Hub id may be asked for, as it may on one's own machine. notice: a sentence for every visitor, while
    another model than the intended one serves.
    """

    def __init__(
        self,
        first: CharLSTM,
        source: str | None,
        sources: Iterable[str | None] = (),
        *,
        open_to_all: bool = False,
        notice: str | None = None,
    ) -> None:
        self.open_to_all, self.notice = open_to_all, notice
        self._sources: dict[str, str | None] = {}
        self._loaded: dict[str, Loaded] = {}
        self._lock = asyncio.Lock()
        self.default = self._name(source)
        for other in sources:
            self._name(other)
        self._loaded[self.default] = Loaded.of(self.default, self._told(source), first)

    @property
    def labels(self) -> list[str]:
        return list(self._sources)

    @property
    def first(self) -> Loaded:
        return self._loaded[self.default]

    def take_over(self, source: str | None, model: CharLSTM) -> None:
        """Let `model` be the one that visitors see first, from now on and without a notice."""
        label = self._name(source)
        self._loaded[label] = Loaded.of(label, self._told(source), model)
        self.default, self.notice = label, None

    def offers(self, name: str) -> bool:
        return name in self._sources

    async def get(self, name: object) -> Loaded:
        """The model by label, or where allowed by folder or Hub id; raises `Problem` if it does not load."""
        if name is None or name == "":
            return self.first
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise Problem("The model's name is no text of a reasonable length: choose one from the menu.", "model")
        name = name.strip()
        if name in self._loaded:
            self._loaded[name] = loaded = self._loaded.pop(name)  # the newest stands last
            return loaded
        if name not in self._sources and not self.open_to_all:
            raise Problem(
                f"The model {name!r} is not offered here; expected one of {', '.join(self._sources)}: choose one.",
                "model",
            )
        async with self._lock:
            return self._loaded.get(name) or await self._load(name)

    async def _load(self, name: str) -> Loaded:
        source = self._sources.get(name, name)
        known = next((label for label, other in self._sources.items() if other == source), "")
        if known in self._loaded:
            return self._loaded[known]
        try:
            model = await asyncio.to_thread(CharLSTM.from_pretrained, source)
            _ = await asyncio.to_thread(lambda: model.decoder)
        except ValueError as error:
            raise Problem(f"{error} The model before it goes on serving.", "model") from error
        label = name if name in self._sources else self._name(source)
        loaded = self._loaded[label] = Loaded.of(label, self._told(source), model)
        self._make_room(label)
        return loaded

    def _make_room(self, newest: str) -> None:
        for label, loaded in list(self._loaded.items()):
            if len(self._loaded) <= MAX_LOADED:
                return
            if label not in (self.default, newest) and not any(loaded.engine.load.values()):
                del self._loaded[label]
                loaded.engine.close()

    def _name(self, source: str | None) -> str:
        """A label for `source`, entered once."""
        for label, known in self._sources.items():
            if known == source:
                return label
        short = SHIPPED if source is None else source.replace("\\", "/").rstrip("/").split("/")[-1] or "model"
        label, number = short, 1
        while label in self._sources:
            number += 1
            label = f"{short} ({number})"
        self._sources[label] = source
        return label

    def _told(self, source: str | None) -> str | None:
        """What visitors may know of where a model lies: a folder's name alone, unless the machine is their own."""
        if source is None or self.open_to_all or not Path(source).exists():
            return source
        return Path(source).name

    def close(self) -> None:
        """End all engines."""
        for loaded in self._loaded.values():
            loaded.engine.close()
