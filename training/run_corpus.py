"""The corpus of a run: loaded, found to be the same when the run resumes, and stored if it came through a pipe."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.data.corpus import Corpus, load_corpus
from training.data.remote.names import is_remote
from training.run_settings import RunSettings

LARGE_BYTES = 5 * 2**20
"""A file of that size takes some seconds to read."""


def load_run_corpus(settings: RunSettings, *, resume: bool, store: Path | None) -> Corpus:
    """The corpus of a run; raises `ValueError` if it has changed since the run that is resumed began.

    store: for the shards of a long text that no other run can find again; None for the cache.
    """
    source = settings.source
    is_file = not is_remote(source.corpus) and Path(source.corpus).is_file()
    if is_file and (size := Path(source.corpus).stat().st_size) >= LARGE_BYTES:
        print(f"Reading {Path(source.corpus).name}, {size / 2**20:,.0f} MB ...", flush=True)
    arguments = source.model_dump(exclude={"corpus"})
    corpus = load_corpus(source.corpus, **arguments, lowercase=settings.recipe.lowercase, store=store)
    if resume and settings.sha256 != corpus.sha256:
        checksums = settings.chunk_checksums
        difference = f" ({corpus.difference(checksums)})" if checksums else ""
        raise ValueError(
            f"The corpus {source.corpus} has changed since the run began{difference}; expected the same text: "
            "restore it, or start a new run with fit and another --out."
        )
    return replace(corpus, card=corpus.card | settings.card)


def store_copy(out: Path, settings: RunSettings, corpus_copy: Path | None) -> RunSettings:
    """Copy a corpus that came through a pipe into the run folder; the settings that name it there."""
    if corpus_copy is None:
        return settings
    out.mkdir(parents=True, exist_ok=True)
    stored = out / corpus_copy.name
    shutil.copy(corpus_copy, stored)
    return settings.model_copy(update={"source": settings.source.model_copy(update={"corpus": str(stored.resolve())})})


def print_corpus(corpus: Corpus, notes: Sequence[str]) -> None:
    for line in (*corpus.warnings, *notes):
        if line:
            print(f"note: {line}")
    print(
        f"{corpus.title}: {len(corpus.train):,} characters to train on, {len(corpus.held_out):,} held out "
        f"({corpus.held_out_note}).",
        flush=True,
    )
