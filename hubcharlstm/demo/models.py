"""The models that the app serves: loaded on demand, each behind one engine, evicted while nobody holds them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.model_labels import epoch_folders, label_of
from hubcharlstm.demo.served_model import ServedModel, describe
from hubcharlstm.demo.threads import wait_in_daemon_thread
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.model import CharLSTM

MAX_LOADED = 4
"""Models in memory; the least recently used one that no request holds makes room for the next."""

MAX_NAME = 300
"""Characters of a model's name."""


class ModelRegistry:
    """The models on offer, by label. A label is never the path of a folder, because visitors see labels.

    first: served from the start. source, sources: what `first` was loaded from and what else is offered, None for the
    shipped model. open_to_all: any folder or Hub id may be named, as is right on a user's own machine. notice: a
    sentence for every visitor while another model than the intended one serves.

    A request holds its model from `acquire` to the end of the `async with`. Only a model that nobody holds is evicted;
    one that `take_over` replaces keeps its engine until its last holder leaves.
    """

    def __init__(
        self,
        first: CharLSTM,
        source: str | None,
        sources: Iterable[str | None] = (),
        *,
        open_to_all: bool = False,
        notice: Sentence | str | None = None,
    ) -> None:
        self.open_to_all = open_to_all
        self.notice = notice
        self._lock = threading.Lock()  # guards all below: `take_over` comes from the model source's thread
        self._sources: dict[str, str | None] = {}
        self._loaded: dict[str, ServedModel] = {}  # the most recently used one last
        self._holders: Counter[ServedModel] = Counter()
        self._loading = asyncio.Lock()  # one model is loaded at a time
        self.default = self._register(source)
        for other in sources:
            self._register(other)
        self._loaded[self.default] = ServedModel.of(self.default, self._public_source(source), first)

    @property
    def labels(self) -> list[str]:
        with self._lock:
            return list(self._sources)

    @property
    def first(self) -> ServedModel:
        """The model that serves unless a request names another."""
        with self._lock:
            return self._loaded[self.default]

    @property
    def loaded(self) -> list[ServedModel]:
        """The models in memory."""
        with self._lock:
            return list(self._loaded.values())

    def describe(self) -> list[dict[str, Any]]:
        """What `/models` answers: every model on offer, the default first."""
        with self._lock:
            names = [self.default, *(label for label in self._sources if label != self.default)]
            return [
                {"name": name, "default": name == self.default, **describe(self._loaded.get(name))} for name in names
            ]

    def offers(self, name: str) -> bool:
        with self._lock:
            return name in self._sources

    def source_of(self, label: str) -> str | None:
        """What a label's model was loaded from, None for the shipped one; raises `UserError` for another label."""
        with self._lock:
            if label in self._sources:
                return self._sources[label]
        raise UserError(sentence("model.not_own", model=repr(label[:100])), "model")

    def take_over(self, source: str | None, model: CharLSTM) -> None:
        """Serve `model` by default from now on, without a notice. Requests under way finish with what they hold."""
        with self._lock:
            label = self._register(source)
        served_model = ServedModel.of(label, self._public_source(source), model)
        with self._lock:
            self._put(served_model)
            self.default, self.notice = label, None
            self._evict_idle()

    @asynccontextmanager
    async def acquire(self, name: object = None) -> AsyncIterator[ServedModel]:
        """Hold the model of a label, or where allowed of a folder or Hub id; None or "" for the default.

        Raises `UserError` if it is not on offer or does not load.
        """
        wanted = self._parse_name(name)
        served_model = self._hold(wanted) or await self._load(wanted)
        try:
            yield served_model
        finally:
            with self._lock:
                self._holders[served_model] -= 1
                if not self._holders[served_model]:
                    del self._holders[served_model]
                    self._close_if_retired(served_model)
                    self._evict_idle()

    def close(self) -> None:
        """Close every engine, held or not."""
        with self._lock:
            served_models = {*self._loaded.values(), *self._holders}
        for served_model in served_models:
            served_model.engine.close()

    def _parse_name(self, name: object) -> str:
        """The label or source that `name` asks for; raises `UserError` for one that may not be asked for."""
        if name is None or name == "":
            return self.default
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise UserError(sentence("model.invalid"), "model")
        name = name.strip()
        if not (self.open_to_all or self.offers(name)):
            models = ", ".join(self.labels)
            raise UserError(sentence("model.not_offered", model=repr(name), models=models), "model")
        return name

    def _hold(self, name: str) -> ServedModel | None:
        """Hold a loaded model by its label or source; None if it is not in memory."""
        with self._lock:
            source = self._sources.get(name, name)
            label = next((known for known, other in self._sources.items() if other == source), name)
            served_model = self._loaded.pop(label, None)
            if served_model is not None:
                self._loaded[label] = served_model
                self._holders[served_model] += 1
            return served_model

    async def _load(self, name: str) -> ServedModel:
        """Load a model and hold it; raises `UserError` if it does not load."""
        async with self._loading:
            served_model = self._hold(name)  # loaded meanwhile
            if served_model is not None:
                return served_model
            with self._lock:
                source = self._sources.get(name, name)
            try:
                model = await wait_in_daemon_thread(CharLSTM.from_pretrained, source)
                _ = await asyncio.to_thread(lambda: model.decoder)  # built here, not on the event loop
            except ValueError as error:
                raise UserError(sentence("model.not_loaded", reason=str(error)), "model") from error
            with self._lock:
                label = self._register(source)
            served_model = await asyncio.to_thread(ServedModel.of, label, self._public_source(source), model)
            with self._lock:
                self._put(served_model)
                self._holders[served_model] += 1
                self._evict_idle()
            return served_model

    def _put(self, served_model: ServedModel) -> None:
        """Serve a model under its label, in place of the one that had it. Needs the lock."""
        replaced = self._loaded.pop(served_model.label, None)
        self._loaded[served_model.label] = served_model
        if replaced is not None:
            self._close_if_retired(replaced)

    def _evict_idle(self) -> None:
        """Drop the least recently used models beyond `MAX_LOADED` that nobody holds. Needs the lock."""
        for label, served_model in list(self._loaded.items()):
            if len(self._loaded) <= MAX_LOADED:
                return
            if label != self.default and not self._holders[served_model]:
                del self._loaded[label]
                self._close_if_retired(served_model)

    def _close_if_retired(self, served_model: ServedModel) -> None:
        """Close the engine of a model that is neither served nor held. Needs the lock."""
        if self._loaded.get(served_model.label) is not served_model and not self._holders[served_model]:
            served_model.engine.close(timeout=0)  # its thread ends by itself; the event loop must not wait for it

    def _register(self, source: str | None) -> str:
        """The label of `source`, made once, with those of its epochs. Needs the lock, but in `__init__`."""
        for label, known in self._sources.items():
            if known == source:
                return label
        short = label_of(source)
        label, number = short, 1
        while label in self._sources:
            number += 1
            label = f"{short} ({number})"
        self._sources[label] = source
        for epoch in epoch_folders(source):
            self._register(epoch)
        return label

    def _public_source(self, source: str | None) -> str | None:
        """What visitors may know of a source: a folder's name alone, unless the machine is their own."""
        if source is None or self.open_to_all or not Path(source).exists():
            return source
        return Path(source).name
