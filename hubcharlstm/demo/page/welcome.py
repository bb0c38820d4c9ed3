"""The introduction of a model on the empty page, all of it from the model's own record."""

from __future__ import annotations

import re
from typing import Any

from hubcharlstm.demo.chat.requests import fill
from hubcharlstm.hub import model_card
from hubcharlstm.introduction import SIDE_BY_SIDE, expectation, in_words, passage, time_lapse
from hubcharlstm.model import CharLSTM

MAX_STARTERS = 4


def intro(model: CharLSTM, label: str) -> dict[str, Any]:
    """The introduction as JSON for the page: title, expectation, sample, time-lapse and starters."""
    record = model_card.valid_record(model.record)
    config = model.generation_config
    pool = [*config.examples, *(name_line(model, speaker) for speaker in config.speakers if config.turn_template)]
    return {
        "title": record.get("name") or label,
        "lines": [expectation(model), "Start a line; it goes on."],
        "passage": passage(record),
        "time_lapse": time_lapse(model.record, record),
        "starters": list(config.examples[:MAX_STARTERS]),
        "side_by_side": {"prompt": config.examples[0], "temperatures": list(SIDE_BY_SIDE)} if config.examples else None,
        "is_code": record.get("corpus", {}).get("kind") == "code",
        "pool": list(dict.fromkeys(pool)),
    }


def name_line(model: CharLSTM, speaker: str) -> str:
    """The first line of a turn of `speaker`."""
    return fill(model.generation_config.turn_template.partition("{message}")[2].lstrip("\n"), "", speaker)


def about(model: CharLSTM) -> list[str]:
    """The lines under the model menu: the first of its card, its size, its loss, and where it runs."""
    record = model_card.valid_record(model.record)
    config = model.config
    shape = f"{config.num_layers} × {config.hidden_size} units, {in_words(config.num_parameters)} numbers"
    size = f"{shape}, {len(model.vocabulary)} letters and signs"
    loss = f"{record['val_bpc']:.3f} bits per character on text it has not read" if "val_bpc" in record else ""
    where = f"{model.decoder.precision} on {model.decoder.device.type}"
    at_revision = f", revision {model.revision[:7]}" if model.revision else ""
    return [line for line in (card_lines(model), size, loss, where + at_revision) if line]


def card_lines(model: CharLSTM) -> str:
    """The first paragraph of the model card, as plain text."""
    page = model_card.render(model.config, model.vocabulary, model.record).partition("\n---\n")[2]
    paragraphs = (part.strip() for part in page.split("\n\n"))
    first = next((part for part in paragraphs if part and not part.startswith(("#", "---"))), "")
    return re.sub(r"\\([^\w\s]|_)", r"\1", " ".join(first.split()))  # without Markdown's escapes
