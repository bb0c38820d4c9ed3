"""The report of `python -m training evaluate`: losses of a model on a text, and how much of it it was trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubcharlstm import CharLSTM
from hubcharlstm.inspection.scoring import cold_log_probs, token_log_probs
from training.data.checksums import split_at_record
from training.data.corpus import load_corpus
from training.data.rare_characters import RareCharacters
from training.data.text_files import ReadingOptions
from training.evaluation.losses import dynamic_log_probs
from training.evaluation.memorization import sketch_overlap
from training.evaluation.mixture import mixed_log_probs, ngrams_beside

DEFAULT_OPTIONS = ReadingOptions()
NUM_CHUNKS = 32
"""Parts of the text that are scored side by side with the state carried."""
SUSPICIOUS_OVERLAP = 0.01
"""The share of 40-grams in common from which the report warns."""


def report(
    model_name: str,
    source: str,
    *,
    options: ReadingOptions = DEFAULT_OPTIONS,
    dynamic: bool = False,
    ngram: bool = False,
) -> Iterator[str]:
    """Lines to print. Of the text that the model was trained on, only the part that its run held out is scored.

    dynamic, ngram: also with gradient steps, and with an n-gram model mixed in, as the text is read.
    """
    model = CharLSTM.from_pretrained(model_name)
    corpus = load_corpus(
        source, encoding=options.encoding, errors=options.errors, text_column=options.text_column,
        include_license=options.include_license, plain=options.plain,
        lowercase=model.vocabulary.lowercase, min_count=1, val_place="end",
    )  # fmt: skip
    text = corpus.train[:] + corpus.held_out
    recorded = model.record.get("corpus")
    recorded = recorded if isinstance(recorded, dict) else {}
    split = split_at_record(text, recorded, corpus.file_starts)
    if split is None:
        rare = _rare_characters(text, recorded, model)
        split = split_at_record(rare.substitute(text), recorded, _moved(corpus.file_starts, text, rare))
    trained_on = split[0] if split is not None else ""
    if split is not None:
        all_chars, text = len(text), split[1]
        note = recorded.get("held_out", f"the last {len(text):,} of {all_chars:,} characters")
        yield f"The model was trained on this very text; scored is what was held out, {note}."
    else:
        # Records of earlier versions say "sketch".
        share = sketch_overlap(text, recorded.get("bottom_k_sketch", recorded.get("sketch")))
        if share is not None and share >= SUSPICIOUS_OVERLAP:
            yield (
                f"warning: about {100 * share:.0f} % of this text's runs of 40 characters occur in what the model was "
                "trained on, so the losses are too low."
            )
    before = model.vocabulary.encode(model.start_text).ids[-1:] or (0,)
    encoded = model.vocabulary.encode(text)
    if not encoded.ids:
        raise ValueError(f"The model can read nothing of {source}; expected a text in its characters: try another.")
    if not encoded.exact:
        yield f"note: {encoded.describe()[:300]}"
    ids = np.array(before + encoded.ids, dtype=np.int32)
    yield f"{len(encoded.ids):,} characters"
    carried = token_log_probs(model, ids, num_chunks=NUM_CHUNKS)
    yield _row("state carried", carried)
    yield _row("cold windows of 256", cold_log_probs(model, ids))
    if dynamic:
        yield _row("learning as it reads", adapted := dynamic_log_probs(model, ids))
    if ngram:
        train_ids = np.array(model.vocabulary.encode(trained_on).ids or before, dtype=np.int32)
        after = f"{len(train_ids):,} characters of training" if trained_on else "nothing"
        ngrams = ngrams_beside(train_ids, ids[1:], len(model.vocabulary))
        other = ", and another that counts this text alone" if len(ngrams) > 1 else ""
        yield f"with Kneser-Ney of order 6 mixed in, which has counted {after} and counts what it reads{other}:"
        yield _row("state carried", mixed_log_probs(carried, ngrams))
        if dynamic:
            yield _row("learning as it reads", mixed_log_probs(adapted, ngrams))


def _rare_characters(text: str, recorded: Mapping[str, Any], model: CharLSTM) -> RareCharacters:
    """What was rare in `text` in the training."""
    counts, min_count = Counter(text), recorded.get("min_count")
    if not isinstance(min_count, int):  # the record of an earlier version: what the vocabulary lacks was rare
        min_count = 1 + max((count for char, count in counts.items() if char not in model.vocabulary), default=0)
    return RareCharacters.of(counts, min_count) if 0 < min_count <= max(counts.values()) else RareCharacters(1)


def _moved(starts: Sequence[int], text: str, rare: RareCharacters) -> list[int]:
    """Where files begin once rare characters are substituted, which may take places."""
    ends = [*starts[1:], len(text)]
    sizes = [len(rare.substitute(text[start:end])) for start, end in zip(starts, ends, strict=True)]
    return [0, *accumulate(sizes[:-1])]


def _row(name: str, log_probs: NDArray[Any]) -> str:
    nats = -float(log_probs.mean(dtype=np.float64))
    return f"{name:22} {nats:.4f} nats  {nats / math.log(2):.4f} bits per character  perplexity {math.exp(nats):.3f}"
