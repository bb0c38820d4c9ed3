"""The report of `python -m training evaluate`: losses of a model on a text, and how much of it it was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from hubcharlstm import CharLSTM
from training.data.corpus import load_corpus
from training.evaluation.losses import carried_loss, cold_loss, dynamic_loss
from training.evaluation.memorization import sketch_overlap

SUSPICIOUS_OVERLAP = 0.01
"""The share of 40-grams in common from which the report warns."""


def report(model_name: str, source: str, *, encoding: str = "utf-8", dynamic: bool = False) -> Iterator[str]:
    """Lines for a person. Of the text that the model was trained on, only the held-out part is scored."""
    model = CharLSTM.from_pretrained(model_name)
    corpus = load_corpus(source, encoding=encoding, lowercase=model.vocabulary.lowercase, min_count=1)
    trained_on = model.record.get("corpus")
    trained_on = trained_on if isinstance(trained_on, dict) else {}
    if trained_on.get("sha256") == corpus.sha256:
        text = corpus.held_out
        yield f"The model was trained on this very text; scored is what was held out, {corpus.held_out_note}."
    else:
        text = corpus.train[:] + corpus.held_out
        share = sketch_overlap(text, trained_on.get("bottom_k_sketch", trained_on.get("sketch")))  # the name before 0.1
        if share is not None and share >= SUSPICIOUS_OVERLAP:
            yield (
                f"warning: about {100 * share:.0f} % of this text's runs of 40 characters stand in what the model was "
                "trained on, so the figures flatter it."
            )
    before = model.vocabulary.encode(model.start_text).ids[-1:] or (0,)
    reading = model.vocabulary.encode(text)
    if not reading.ids:
        raise ValueError(f"The model can read nothing of {source}; expected a text in its characters: try another.")
    if not reading.exact:
        yield f"note: {reading.describe()[:300]}"
    ids = np.array(before + reading.ids, dtype=np.int32)
    yield f"{len(reading.ids):,} characters"
    yield _row("state carried", carried_loss(model, ids))
    yield _row("cold windows of 256", cold_loss(model, ids))
    if dynamic:
        yield _row("learning as it reads", dynamic_loss(model, ids))


def _row(name: str, nats: float) -> str:
    return f"{name:22} {nats:.4f} nats  {nats / math.log(2):.4f} bits per character  perplexity {math.exp(nats):.3f}"
