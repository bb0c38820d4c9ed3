"""The report of `python -m training evaluate`: losses of a model on a text, and how much of it it was trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hubcharlstm import CharLSTM
from training.data.checksums import split_at_record
from training.data.corpus import load_corpus, rare_substitutes
from training.evaluation.losses import carried_loss, cold_loss, dynamic_loss
from training.evaluation.memorization import sketch_overlap

SUSPICIOUS_OVERLAP = 0.01
"""The share of 40-grams in common from which the report warns."""


def report(model_name: str, source: str, *, encoding: str = "utf-8", dynamic: bool = False) -> Iterator[str]:
    """Lines to print. Of the text that the model was trained on, only the part that its run held out is scored."""
    model = CharLSTM.from_pretrained(model_name)
    corpus = load_corpus(source, encoding=encoding, lowercase=model.vocabulary.lowercase, min_count=1)
    text = corpus.train[:] + corpus.held_out
    recorded = model.record.get("corpus")
    recorded = recorded if isinstance(recorded, dict) else {}
    split = split_at_record(text, recorded) or split_at_record(_substituted(text, recorded, model), recorded)
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
    yield _row("state carried", carried_loss(model, ids))
    yield _row("cold windows of 256", cold_loss(model, ids))
    if dynamic:
        yield _row("learning as it reads", dynamic_loss(model, ids))


def _substituted(text: str, recorded: Mapping[str, Any], model: CharLSTM) -> str:
    """`text` with its rare characters substituted as in the training."""
    counts, min_count = Counter(text), recorded.get("min_count")
    if not isinstance(min_count, int):  # the record of an earlier version: what the vocabulary lacks was rare
        min_count = 1 + max((count for char, count in counts.items() if char not in model.vocabulary), default=0)
    if min_count > max(counts.values()):
        return text
    substitutes, _ = rare_substitutes(counts, min_count)
    return text.translate({ord(char): other for char, other in substitutes.items()})


def _row(name: str, nats: float) -> str:
    return f"{name:22} {nats:.4f} nats  {nats / math.log(2):.4f} bits per character  perplexity {math.exp(nats):.3f}"
