"""The models that the page offers: loaded when somebody wants one, each behind one engine for all its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcharlstm import Score, TextStream, Vocabulary
from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import SamplingParams
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import Settings
from hubcharlstm.engine.engine import Engine
from hubcharlstm.model import CharLSTM

SHIPPED = "shipped model"
MAX_LOADED = 4
"""Models kept in memory; one that nobody reads makes room for the next."""

MAX_NAME = 300

SHORT = 1_000
"""Characters of a prompt that are read at once; a longer one is read in a thread, so that nobody waits for it."""


@dataclass(frozen=True)
class ServedModel:
    """A model that is served. label: what the page calls it. source: what receipts name, None for the shipped model.

    decoder, fingerprint: of the weights as they were loaded, which nobody changes here; the model itself would compare
    all of them again at every request.
    """

    label: str
    source: str | None
    model: CharLSTM
    engine: Engine
    decoder: Decoder
    fingerprint: str

    @classmethod
    def of(cls, label: str, source: str | None, model: CharLSTM) -> ServedModel:
        decoder = model.decoder
        return cls(label, source, model, Engine(decoder), decoder, model.fingerprint)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def start_text(self) -> str:
        return self.model.start_text

    async def stream(
        self, prompt: str, settings: Settings, *, seed: int | None, length: int | None = None, **options: Any
    ) -> TextStream:
        """A stream through the engine; raises `ValueError` for what the model itself refuses. length: in its place."""

        def opened() -> TextStream:
            return TextStream(
                self,
                prompt,
                max_new_tokens=length or settings.length,
                sampling=SamplingParams(settings.temperature, settings.top_k, settings.top_p, settings.min_p),
                stop=settings.stop or (),
                seed=seed,
                engine=self.engine,
                **options,
            )

        return opened() if len(prompt) <= SHORT else await asyncio.to_thread(opened)

    def score(self, text: str) -> Score:
        """What the model makes of `text`; for a thread of its own, whose OpenMP threads are given back after it."""
        try:
            return self.model.score(text)
        finally:
            openmp.release_thread_team()


class ModelRegistry:
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
        self._loaded: dict[str, ServedModel] = {}
        self._lock = asyncio.Lock()
        self.default = self._name(source)
        for other in sources:
            self._name(other)
        self._loaded[self.default] = ServedModel.of(self.default, self._told(source), first)

    @property
    def labels(self) -> list[str]:
        return list(self._sources)

    @property
    def first(self) -> ServedModel:
        return self._loaded[self.default]

    @property
    def loaded(self) -> list[ServedModel]:
        """Those in memory."""
        return list(self._loaded.values())

    def describe(self) -> list[dict[str, Any]]:
        """What programs may know of the models on offer, the first one first."""
        names = [self.default, *(label for label in self.labels if label != self.default)]
        return [{"name": name, "default": name == self.default, **describe(self._loaded.get(name))} for name in names]

    def take_over(self, source: str | None, model: CharLSTM) -> None:
        """Let `model` be the one that visitors see first, from now on and without a notice."""
        label = self._name(source)
        self._loaded[label] = ServedModel.of(label, self._told(source), model)
        self.default, self.notice = label, None

    def offers(self, name: str) -> bool:
        return name in self._sources

    async def get(self, name: object) -> ServedModel:
        """The model by label, or where allowed by folder or Hub id; raises `Problem` if it does not load."""
        if name is None or name == "":
            return self.first
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise UserError("The model's name is no text of a reasonable length: choose one from the menu.", "model")
        name = name.strip()
        if name in self._loaded:
            self._loaded[name] = loaded = self._loaded.pop(name)  # the newest stands last
            return loaded
        if name not in self._sources and not self.open_to_all:
            raise UserError(
                f"The model {name!r} is not offered here; expected one of {', '.join(self._sources)}: choose one.",
                "model",
            )
        async with self._lock:
            return self._loaded.get(name) or await self._load(name)

    async def _load(self, name: str) -> ServedModel:
        source = self._sources.get(name, name)
        known = next((label for label, other in self._sources.items() if other == source), "")
        if known in self._loaded:
            return self._loaded[known]
        try:
            model = await asyncio.to_thread(CharLSTM.from_pretrained, source)
            _ = await asyncio.to_thread(lambda: model.decoder)
        except ValueError as error:
            raise UserError(f"{error} The model before it goes on serving.", "model") from error
        label = name if name in self._sources else self._name(source)
        loaded = self._loaded[label] = ServedModel.of(label, self._told(source), model)
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


def describe(loaded: ServedModel | None) -> dict[str, Any]:
    """A model in numbers, as far as it is known before it is loaded."""
    if loaded is None:
        return {"loaded": False}
    config = loaded.model.generation_config
    return {
        "loaded": True,
        "revision": loaded.model.revision,
        "parameters": loaded.model.config.num_parameters,
        "characters": len(loaded.vocabulary),
        "precision": loaded.decoder.precision,
        "temperature": config.temperature,
        "max_new_tokens": config.max_new_tokens,
        "examples": list(config.examples),
    }
