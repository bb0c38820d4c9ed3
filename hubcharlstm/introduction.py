"""How a model introduces itself, all of it from its own record: what it is, a sample, how it learned."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubcharlstm.hub import training_record
from hubcharlstm.model import CharLSTM

SIDE_BY_SIDE = (0.2, 0.8, 1.4)
"""Temperatures of replies that are shown side by side."""

SAMPLE_TEMPERATURE = 0.8
"""The recorded sample nearest to this temperature is shown."""


def expectation(model: CharLSTM) -> str:
    """What the model is, so that no visitor takes it for an assistant."""
    source = corpus_source(training_record.valid_record(model.record))
    corpus = f"has read {'only ' if source.is_alone else ''}{source.title}" if source.title else "has read one text"
    if source.title and source.ancestor is not None:
        corpus += f", and before that {source.ancestor}"
    if source.adapted_chars:
        corpus += f"{',' if source.ancestor else ''} and then {source.adapted_chars:,} characters of another text"
    return f"Not an assistant: a small network that {corpus}."


@dataclass(frozen=True)
class CorpusSource:
    """What a model has read. title: of its corpus, None if unknown. ancestor: what its first weights had read before.

    is_alone: it has learned from that corpus only: not from ancestors or teachers, and not adapted since.
    adapted_chars: the length of the text that it was adapted to last, 0 for none.
    """

    title: str | None
    ancestor: str | None
    is_alone: bool
    adapted_chars: int


def corpus_source(record: Mapping[str, Any]) -> CorpusSource:
    """What a model has read, from its checked record."""
    ancestors, adapted = record.get("ancestors", ()), record.get("adapted", ())
    return CorpusSource(
        title=record.get("corpus", {}).get("title"),
        ancestor=(ancestors[0].get("title") or ancestors[0]["name"]) if ancestors else None,
        is_alone=not ancestors and not adapted and "teachers" not in record,
        adapted_chars=adapted[-1]["characters"] if adapted else 0,
    )


def passage(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The recorded sample nearest to `SAMPLE_TEMPERATURE`; None if there is none."""
    samples = record.get("samples")
    if not samples:
        return None
    sample = min(samples, key=lambda one: abs(one["temperature"] - SAMPLE_TEMPERATURE))
    return {
        "prompt": sample["prompt"],
        "text": sample["text"],
        "caption": f"seed {sample['seed']}, temperature {sample['temperature']:g}",
        "seed": str(sample["seed"]),
        "temperature": sample["temperature"],
    }


def time_lapse(raw: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What one prompt led to at several snapshots of the training, from noise to voice; None for fewer than two."""
    snapshots = sorted(record.get("time_lapse", []), key=lambda snapshot: snapshot["characters_read"])
    if len(snapshots) < 2:
        return None
    timeline = training_timeline(raw)
    facts = [snapshot_facts(snapshot, timeline) for snapshot in snapshots]
    labelled = [
        {**known, "label": snapshot_label(known), "text": snapshot["text"]}
        for snapshot, known in zip(snapshots, facts, strict=True)
    ]
    return {"prompt": snapshots[0]["prompt"], "snapshots": labelled}


def snapshot_facts(snapshot: Mapping[str, Any], timeline: list[tuple[float, float]]) -> dict[str, float | None]:
    """How far the training was: characters read, and seconds and bits per character, None where unknown."""
    minutes, loss = snapshot.get("minutes"), snapshot.get("val_loss")
    return {
        "characters": snapshot["characters_read"],
        "seconds": minutes * 60
        if isinstance(minutes, (int, float))
        else seconds_at(timeline, snapshot["characters_read"]),
        "bits": loss / math.log(2) if isinstance(loss, (int, float)) else None,
    }


def snapshot_label(facts: Mapping[str, Any]) -> str:
    """`snapshot_facts` in words."""
    elapsed = f", {in_time(facts['seconds'])}" if facts["seconds"] is not None else ""
    bits = f", {facts['bits']:.2f} bits per character" if facts["bits"] is not None else ""
    return f"after {in_words(facts['characters'])} characters{elapsed}{bits}"


def training_timeline(raw: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(characters read, seconds) at every evaluation of the run, from (0, 0); [] if the record has none."""
    history = raw.get("history")
    if not isinstance(history, list):
        return []
    entries = [entry for entry in history if isinstance(entry, Mapping)]
    pairs = [(entry.get("chars"), entry.get("seconds")) for entry in entries]
    valid = [(float(c), float(s)) for c, s in pairs if training_record.is_number(c) and training_record.is_number(s)]
    return [(0.0, 0.0), *sorted(valid)] if valid else []


def seconds_at(timeline: list[tuple[float, float]], chars: float) -> float | None:
    """Seconds after which `chars` were read, interpolated linearly; None beyond the timeline."""
    for (c0, s0), (c1, s1) in itertools.pairwise(timeline):
        if c0 <= chars <= c1 and c1 > c0:
            return s0 + (s1 - s0) * (chars - c0) / (c1 - c0)
    return None


def in_words(count: float) -> str:
    """A count in words: 3.3 million, 59 thousand, 812."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} million"
    return f"{count / 1e3:.0f} thousand" if count >= 10_000 else f"{count:,.0f}"


def in_time(seconds: float) -> str:
    """A duration in words: 12 seconds, 59 minutes."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    return f"{seconds / 60:.0f} minutes" if seconds < 5_400 else f"{seconds / 3600:.1f} hours"
