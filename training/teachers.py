"""The teachers of a distilled run: models by folder or Hub id, what they have read, and whether they suit the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.vocabulary import visible
from training.ancestry import ancestors_of, distinct, teachers_of
from training.data.corpus import Corpus
from training.run_settings import TeacherSource
from training.warm_start import SHIPPED_NAME

SHOWN_CHARS = 5


class Teachers:
    """The models of `sources`; in a resumed run they are loaded when `models` is first asked for."""

    def __init__(self, sources: Sequence[TeacherSource], models: Sequence[CharLSTM] = ()) -> None:
        self.sources, self._models = tuple(sources), tuple(models)

    @classmethod
    def load(cls, names: Iterable[str]) -> Teachers:
        """Load each by Hub id or folder, or "pretrained" for the model that ships in the package.

        Raises `ValueError` if there is no such model.
        """
        sources, models = [], []
        for name in names:
            if not name:
                raise ValueError("--teacher is empty; expected a Hub id, a folder or pretrained: name one.")
            model = _load(name)
            known = (*ancestors_of(model, None if name == SHIPPED_NAME else name), *teachers_of(model))
            sources.append(TeacherSource(name=_place(model, name), fingerprint=model.fingerprint, ancestors=known))
            models.append(model)
        return cls(sources, models)

    @property
    def models(self) -> tuple[CharLSTM, ...]:
        """On the CPU, in evaluation mode; raises `ValueError` if one has changed since the run began or is gone."""
        if not self._models:
            self._models = tuple(_load(source.name) for source in self.sources)
            for source, model in zip(self.sources, self._models, strict=True):
                if model.fingerprint != source.fingerprint:
                    raise ValueError(
                        f"The teacher {source.name} has changed since the run began; expected the same weights: put "
                        "them back, or start a new run with fit and another --out."
                    )
        return self._models

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The entry "teachers" of the record: each teacher, then what it began with and learned from itself."""
        return distinct(entry for source in self.sources for entry in source.ancestors)

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Raise `ValueError` unless every teacher knows all characters of the student."""
        for source, model in zip(self.sources, self.models, strict=True):
            known = set(model.vocabulary.chars)
            if missing := [char for char in vocabulary.chars if char not in known]:
                shown = " ".join(visible(char) for char in missing[:SHOWN_CHARS])
                more = " ..." if len(missing) > SHOWN_CHARS else ""
                raise ValueError(
                    f"The teacher {source.name} lacks {len(missing)} of the {len(vocabulary)} characters of this run "
                    f"({shown}{more}); expected one that knows them all: name a teacher that was trained on this text."
                )

    def notes(self, corpus: Corpus) -> list[str]:
        """A sentence on each teacher that may have read what `corpus` holds out, by itself or through its own start."""
        return [
            f"the record of the teacher {source.name} names another text or split than this run's, so it may have read "
            "what is held out here, and the held-out loss would then be too low"
            for source, model in zip(self.sources, self.models, strict=True)
            if _recorded_sha256(model) != corpus.sha256
            or any(entry.get("title") != corpus.title for entry in source.ancestors[1:])
        ]


def _load(name: str) -> CharLSTM:
    return CharLSTM.from_pretrained(None if name == SHIPPED_NAME else name, device="cpu")


def _place(model: CharLSTM, name: str) -> str:
    """Where a resumed run finds the model again: the commit of the Hub, or the folder, wherever it is started."""
    if name == SHIPPED_NAME:
        return name
    return f"{model.name}@{model.revision}" if model.revision else str(Path(name).expanduser().resolve())


def _recorded_sha256(model: CharLSTM) -> Any:
    corpus = model.record.get("corpus")
    return corpus.get("sha256") if isinstance(corpus, Mapping) else None
