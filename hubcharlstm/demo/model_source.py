"""Loads the app's model, and serves the shipped one until the Hub delivers it.

A Space may start while the Hub is down. It then starts with the model that ships in the package, retries with
exponential backoff, and swaps the models without a restart.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.model import CharLSTM

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds between two attempts; each pause is twice the one before."""

logger = logging.getLogger(__name__)


class ModelSource:
    """`model` is the one to serve now. A request reads it once, and keeps what it got to its end.

    model_id: a Hub id or a folder; None is the shipped model. on_change: called with the new model, in the thread that
    loaded it. `notice` is a sentence for the page while the shipped model serves in place of another, else None.
    Never raises for a model that does not load: the notice says so.
    """

    def __init__(
        self,
        model_id: str | None,
        *,
        revision: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        on_change: Callable[[CharLSTM], None] | None = None,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self.model_id = model_id
        self.notice: Sentence | None = None
        self._revision, self._device, self._precision = revision, device, precision
        self._on_change = on_change
        self._pauses = first_pause, longest_pause
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self.model = self._load()
        except ValueError as error:
            logger.warning("%s does not load, the shipped model serves in its place: %s", model_id, error)
            self.model = CharLSTM.from_pretrained(device=device, precision=precision)
            self.notice = sentence("model.replaced", model=str(model_id))
            self._thread = threading.Thread(target=self._retry, name="hubcharlstm-model-source", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop retrying."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _load(self) -> CharLSTM:
        model = CharLSTM.from_pretrained(
            self.model_id, revision=self._revision, device=self._device, precision=self._precision
        )
        _ = model.decoder  # built here, so that no request waits for it
        return model

    def _retry(self) -> None:
        pause, longest = self._pauses
        while not self._closed.wait(pause):
            try:
                model = self._load()
            except ValueError as error:
                logger.info("%s still does not load: %s", self.model_id, error)
                pause = min(2 * pause, longest)
                continue
            self.model, self.notice = model, None
            logger.info("%s serves now", self.model_id)
            if self._on_change is not None:
                self._on_change(model)
            return
