"""The introduction of a model on the empty page, all of it from the model's own record."""

from __future__ import annotations

import re
from typing import Any

from hubcharlstm.demo.page.starters import name_line, starters
from hubcharlstm.hub import model_card
from hubcharlstm.hub.titles import display_title
from hubcharlstm.introduction import SIDE_BY_SIDE, expectation, passage, time_lapse
from hubcharlstm.model import CharLSTM


def intro(model: CharLSTM, label: str) -> dict[str, Any]:
    """The introduction as JSON for the page: title, expectation, sample, time-lapse and starters."""
    record = model_card.valid_record(model.record)
    config = model.generation_config
    pool = [*config.examples, *(name_line(model, speaker) for speaker in config.speakers if config.turn_template)]
    return {
        "title": display_title(record, label),
        "lines": [expectation(model), "Start a line; it goes on."],
        "passage": passage(record),
        "time_lapse": time_lapse(model.record, record),
        "starters": starters(model),
        "temperatures": list(SIDE_BY_SIDE),
        "is_code": record.get("corpus", {}).get("kind") == "code",
        "pool": list(dict.fromkeys(pool)),
    }


def about(model: CharLSTM) -> list[str]:
    """All facts of the model: the first lines of its card, its size, its loss, where it runs and its name."""
    record = model_card.valid_record(model.record)
    config = model.config
    size = f"{config.num_layers} × {config.hidden_size} units, {len(model.vocabulary)} letters and signs"
    loss = f"{record['val_bpc']:.3f} bits per character on text it has not read" if "val_bpc" in record else ""
    where = f"{model.decoder.precision} on {model.decoder.device.type}"
    at_revision = f", revision {model.revision[:7]}" if model.revision else ""
    return [line for line in (card_lines(model), size, loss, where + at_revision, record.get("name", "")) if line]


def card_lines(model: CharLSTM) -> str:
    """The first paragraph of the model card, as plain text."""
    page = model_card.render(model.config, model.vocabulary, model.record).partition("\n---\n")[2]
    paragraphs = (part.strip() for part in page.split("\n\n"))
    first = next((part for part in paragraphs if part and not part.startswith(("#", "---"))), "")
    return re.sub(r"\\([^\w\s]|_)", r"\1", " ".join(first.split()))  # without Markdown's escapes
