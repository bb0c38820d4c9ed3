"""`fit --dry-run --json`: what the pre-flight finds, as one JSON object for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hubcharlstm import CharLSTMConfig, GenerationConfig
from hubcharlstm.vocabulary import visible
from training.data.corpus import Corpus
from training.data.examples import KIND_CHARS
from training.data.kind import kind_of
from training.english import is_english
from training.estimate import Timings
from training.evaluation.baselines import KNESER_NEY
from training.evaluation.comparison import SHORT_CHARS as ENOUGH_CHARS
from training.evaluation.comparison import doubt
from training.preflight import (
    MUCH_REPEATED,
    SCANNED_CHARS,
    SHORT_CHARS,
    Baselines,
    memory_needed,
    rare_chars,
    repeated_share,
    warm_start_offer,
)
from training.publishing.privacy import note_of_config
from training.recipe import Recipe
from training.schedule import TrainSchedule

TINY_CHARS = 10_000
"""Below so many characters a text teaches how it looks and some of its words."""
MAX_RARE = 12


def findings(
    corpus: Corpus,
    recipe: Recipe,
    config: CharLSTMConfig,
    generation: GenerationConfig,
    baselines: Baselines,
    timings: Timings,
    *,
    warm: bool,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """JSON values. seconds: that the run takes here. number_to_beat: nats and bits per character. notes: of the recipe.

    amount: whether the text is enough: "tiny", "short", "enough" or "plenty".
    """
    schedule = TrainSchedule.of(recipe, len(corpus.train))
    chars = len(corpus.train) + len(corpus.held_out)
    speakers = corpus.file_stats.speakers if corpus.file_stats else ()
    nats = baselines[KNESER_NEY]["nats"]
    share = repeated_share(corpus.train[:SCANNED_CHARS])
    return {
        "title": corpus.title,
        "chars": chars,
        "train_chars": len(corpus.train),
        "held_out_chars": len(corpus.held_out),
        "held_out": corpus.held_out_note,
        "different_chars": len(corpus.chars),
        "rare_chars": [visible(char) for char in rare_chars(corpus)[:MAX_RARE]],
        "kind": kind_of(corpus.train[:KIND_CHARS], speakers),
        "is_english": is_english(corpus.train[:SCANNED_CHARS]),
        "amount": _amount(chars),
        "repeated_share": round(share, 4),
        "is_much_repeated": share >= MUCH_REPEATED,
        "speakers": list(generation.speakers),
        "examples": list(generation.examples),
        "public": note_of_config(generation),
        "parameters": config.num_parameters,
        "times_through": round(schedule.total_steps / schedule.steps_per_epoch, 3),
        "total_steps": schedule.total_steps,
        "seconds": round(60 * timings.estimate(schedule, corpus).minutes, 1),
        "memory_bytes": memory_needed(config, recipe, corpus),
        "number_to_beat": {"name": KNESER_NEY, "nats": nats, "bits": nats / math.log(2)},
        "baselines": {name: value["nats"] for name, value in baselines.items()},
        "doubt": doubt(baselines, config.vocab_size),
        "may_start_warm": bool(warm_start_offer(corpus, warm=warm)),
        "warnings": [*corpus.warnings, *(note for note in notes if note)],
    }


def _amount(chars: int) -> str:
    bounds = {"tiny": TINY_CHARS, "short": SHORT_CHARS, "enough": ENOUGH_CHARS}
    return next((name for name, bound in bounds.items() if chars < bound), "plenty")
