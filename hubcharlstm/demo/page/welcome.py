"""The introduction of a model on the empty page, all of it from the model's own record."""

from __future__ import annotations

import re
from typing import Any

from hubcharlstm.demo.page.starters import name_line, starters
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.hub import model_card, training_record
from hubcharlstm.hub.titles import subject
from hubcharlstm.introduction import SIDE_BY_SIDE, corpus_source, passage, time_lapse
from hubcharlstm.model import CharLSTM


def intro(model: CharLSTM, label: str) -> dict[str, Any]:
    """The introduction as JSON for the page: title, expectation, sample, time-lapse and starters."""
    record = training_record.valid_record(model.record)
    config = model.generation_config
    pool = [*config.examples, *(name_line(model, speaker) for speaker in config.speakers if config.turn_template)]
    return {
        "title": title(model, label).as_json(),
        "lines": [line.as_json() for line in lines(model)],
        "passage": passage(record),
        "time_lapse": time_lapse(model.record, record),
        "starters": starters(model),
        "temperatures": list(SIDE_BY_SIDE),
        "is_code": record.get("corpus", {}).get("kind") == "code",
        "language": record.get("card", {}).get("language", ""),
        "pool": list(dict.fromkeys(pool)),
    }


def title(model: CharLSTM, label: str) -> Sentence:
    """The title of the page. label: for a model whose record has neither corpus nor name."""
    return sentence("intro.title", subject=subject(training_record.valid_record(model.record), label))


def lines(model: CharLSTM) -> list[Sentence]:
    """What the model is, in the words of `introduction.expectation`, and what to do."""
    source = corpus_source(training_record.valid_record(model.record))
    if source.title is None:
        what = sentence("intro.read_one")
    elif source.ancestor is not None:
        what = sentence("intro.read_after", title=source.title, ancestor=source.ancestor)
    else:
        what = sentence("intro.read_only" if source.is_alone else "intro.read", title=source.title)
    since = sentence("caption.characters", n=source.adapted_chars)
    then = [sentence("intro.read_since", characters=since)] if source.adapted_chars else []
    return [what, *then, sentence("intro.invitation")]


def about_sentences(model: CharLSTM) -> list[Any]:
    """All facts of the model as JSON: the beginning of its card, its size, its loss, where it runs and its name."""
    record = training_record.valid_record(model.record)
    config, letters = model.config, len(model.vocabulary)
    facts: list[Any] = [card_lines(model)]
    facts.append(sentence("about.size", layers=config.num_layers, units=config.hidden_size, letters=letters).as_json())
    if "val_bpc" in record:
        facts.append(sentence("about.loss", bits=f"{record['val_bpc']:.3f}").as_json())
    where = {"precision": model.decoder.precision, "device": model.decoder.device.type}
    if model.revision:
        facts.append(sentence("about.where_revision", **where, revision=model.revision[:7]).as_json())
    else:
        facts.append(sentence("about.where", **where).as_json())
    return [fact for fact in (*facts, record.get("name", "")) if fact]


def card_lines(model: CharLSTM) -> str:
    """The first paragraph of the model card, as plain text."""
    page = model_card.render(model.config, model.vocabulary, model.record).partition("\n---\n")[2]
    paragraphs = (part.strip() for part in page.split("\n\n"))
    first = next((part for part in paragraphs if part and not part.startswith(("#", "---"))), "")
    return re.sub(r"\\([^\w\s]|_)", r"\1", " ".join(first.split()))  # without Markdown's escapes
