"""How a model introduces itself, all of it from its own record: what it is, a sample, how it learned."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from hubcharlstm.hub import model_card
from hubcharlstm.model import CharLSTM

SIDE_BY_SIDE = (0.2, 0.8, 1.4)
"""Temperatures of replies that are shown side by side."""

SAMPLE_TEMPERATURE = 0.8
"""The recorded sample nearest to this temperature is shown."""


def expectation(model: CharLSTM) -> str:
    """What the model is, so that no visitor takes it for an assistant."""
    record = model_card.valid_record(model.record)
    title, ancestors = record.get("corpus", {}).get("title"), record.get("ancestors", ())
    adapted = record.get("adapted", ())
    is_alone = not ancestors and not adapted and "teachers" not in record
    corpus = f"has read {'only ' if is_alone else ''}{title}" if title else "has read one text"
    if title and ancestors:
        corpus += f", and before that {ancestors[0].get('title') or ancestors[0]['name']},"
    then = f", and then {adapted[-1]['characters']:,} characters of another text" if adapted else ""
    return f"Not an assistant: a small network that {corpus.rstrip(',')}{then}."


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
    }


def time_lapse(raw: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What one prompt led to at several snapshots of the training, from noise to voice; None for fewer than two."""
    snapshots = sorted(record.get("time_lapse", []), key=lambda snapshot: snapshot["characters_read"])
    if len(snapshots) < 2:
        return None
    timeline = training_timeline(raw)
    labelled = [{"label": snapshot_label(snapshot, timeline), "text": snapshot["text"]} for snapshot in snapshots]
    return {"prompt": snapshots[0]["prompt"], "snapshots": labelled}


def snapshot_label(snapshot: Mapping[str, Any], timeline: list[tuple[float, float]]) -> str:
    """How far the training was: the characters read, and the time and the loss if the record knows them."""
    minutes, loss = snapshot.get("minutes"), snapshot.get("val_loss")
    if isinstance(minutes, (int, float)):
        seconds: float | None = minutes * 60
    else:
        seconds = seconds_at(timeline, snapshot["characters_read"])
    elapsed = f", {in_time(seconds)}" if seconds is not None else ""
    bits = f", {loss / math.log(2):.2f} bits per character" if isinstance(loss, (int, float)) else ""
    return f"after {in_words(snapshot['characters_read'])} characters{elapsed}{bits}"


def training_timeline(raw: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(characters read, seconds) at every evaluation of the run, from (0, 0); [] if the record has none."""
    history = raw.get("history")
    if not isinstance(history, list):
        return []
    entries = [entry for entry in history if isinstance(entry, Mapping)]
    pairs = [(entry.get("chars"), entry.get("seconds")) for entry in entries]
    valid = [(float(c), float(s)) for c, s in pairs if isinstance(c, (int, float)) and isinstance(s, (int, float))]
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
