"""What the empty page tells of a model, all of it from the model's own record: nothing here is computed or made up."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from hubcharlstm.demo.chat.requests import fill
from hubcharlstm.hub import model_card
from hubcharlstm.model import CharLSTM

SIDE_BY_SIDE = (0.2, 0.8, 1.4)
STARTERS = 4
TEMPERATURE = 0.8
"""Of the recorded sample that the empty page shows, if there is a choice."""


def intro(model: CharLSTM, label: str) -> dict[str, Any]:
    """Title, expectation, passage, time-lapse and starters, as JSON for the page."""
    record = model_card.valid_record(model.record)
    config = model.generation_config
    pool = [*config.examples, *(name_line(model, speaker) for speaker in config.speakers if config.turn_template)]
    return {
        "title": record.get("name") or label,
        "lines": [expectation(model), "Start a line; it goes on."],
        "passage": passage(record),
        "lapse": time_lapse(model.record, record),
        "starters": list(config.examples[:STARTERS]),
        "side": {"prompt": config.examples[0], "temperatures": list(SIDE_BY_SIDE)} if config.examples else None,
        "pool": list(dict.fromkeys(pool)),
    }


def expectation(model: CharLSTM) -> str:
    """What the model is, so that nobody takes it for an assistant."""
    title = model_card.valid_record(model.record).get("corpus", {}).get("title")
    read = f"has read only {title}" if title else "has read one text"
    size = in_words(model.config.num_parameters)
    return f"Not an assistant. A network of {size} numbers that {read} and guesses one letter at a time."


def name_line(model: CharLSTM, speaker: str) -> str:
    """How a speech of `speaker` begins."""
    return fill(model.generation_config.turn_template.partition("{message}")[2].lstrip("\n"), "", speaker)


def passage(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """One recorded sample, the one nearest to the usual temperature."""
    samples = record.get("samples")
    if not samples:
        return None
    sample = min(samples, key=lambda one: abs(one["temperature"] - TEMPERATURE))
    return {
        "prompt": sample["prompt"],
        "text": sample["text"],
        "told": f"seed {sample['seed']}, temperature {sample['temperature']:g}",
    }


def time_lapse(raw: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any] | None:
    """One prompt at several moments of training, from noise to voice; None where the record has none."""
    moments = sorted(record.get("time_lapse", []), key=lambda moment: moment["characters_read"])
    if len(moments) < 2:
        return None
    clock = minutes_by_chars(raw)
    told = [{"label": moment_label(moment, clock), "text": moment["text"]} for moment in moments]
    return {"prompt": moments[0]["prompt"], "moments": told}


def moment_label(moment: Mapping[str, Any], clock: list[tuple[float, float]]) -> str:
    """How far the training was: characters read, and how long it took where the record lets one tell."""
    minutes, loss = moment.get("minutes"), moment.get("val_loss")
    seconds = minutes * 60 if isinstance(minutes, (int, float)) else at(clock, moment["characters_read"])
    after = f", {in_time(seconds)}" if seconds is not None else ""
    told = f", {loss / math.log(2):.2f} bits per character" if isinstance(loss, (int, float)) else ""
    return f"after {in_words(moment['characters_read'])} characters{after}{told}"


def minutes_by_chars(raw: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(characters, seconds) at every look of the run, from its beginning."""
    history = raw.get("history")
    if not isinstance(history, list):
        return []
    rows = [row for row in history if isinstance(row, Mapping)]
    pairs = [(row.get("chars"), row.get("seconds")) for row in rows]
    good = [(float(c), float(s)) for c, s in pairs if isinstance(c, (int, float)) and isinstance(s, (int, float))]
    return [(0.0, 0.0), *sorted(good)] if good else []


def at(clock: list[tuple[float, float]], chars: float) -> float | None:
    """Seconds after which `chars` were read, between two looks in proportion."""
    for (c0, s0), (c1, s1) in itertools.pairwise(clock):
        if c0 <= chars <= c1 and c1 > c0:
            return s0 + (s1 - s0) * (chars - c0) / (c1 - c0)
    return None


def about(model: CharLSTM) -> list[str]:
    """The lines under the model menu: what its card says first, its size, and how good it is."""
    record = model_card.valid_record(model.record)
    config = model.config
    shape = f"{config.num_layers} × {config.hidden_size} units, {in_words(config.num_parameters)} numbers"
    size = f"{shape}, {len(model.vocabulary)} letters and signs"
    good = f"{record['val_bpc']:.3f} bits per character on text it has not read" if "val_bpc" in record else ""
    where = f"{model.decoder.precision} on {model.decoder.device.type}"
    at_revision = f", revision {model.revision[:7]}" if model.revision else ""
    return [line for line in (card_lines(model), size, good, where + at_revision) if line]


def card_lines(model: CharLSTM) -> str:
    """The first paragraph of the model's model_card."""
    page = model_card.render(model.config, model.vocabulary, model.record).partition("\n---\n")[2]
    paragraphs = (part.strip() for part in page.split("\n\n"))
    first = next((part for part in paragraphs if part and not part.startswith(("#", "---"))), "")
    return re.sub(r"\\([^\w\s]|_)", r"\1", " ".join(first.split()))  # shown as text, not as Markdown


def in_words(count: float) -> str:
    """A count as a person says it: 3.3 million, 59 thousand, 812."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} million"
    return f"{count / 1e3:.0f} thousand" if count >= 10_000 else f"{count:,.0f}"


def in_time(seconds: float) -> str:
    """A time as a person says it: half a second, 12 seconds, 59 minutes."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    return f"{seconds / 60:.0f} minutes" if seconds < 5_400 else f"{seconds / 3600:.1f} hours"
