"""A training record -> the model card of a saved or published model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hubcharlstm.arguments import shown
from hubcharlstm.colored_text import colored, diverging
from hubcharlstm.hub.training_record import REPO_ID, valid_record
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.gates import GATES
from hubcharlstm.inspection.ngram_filter import NgramFilter
from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary, visible

TEMPLATE = "model_card.md"
"""Beside the package in a checkout, an sdist and a Space; inside the package in a wheel."""
TAGS = ["char-lstm", "lstm", "character-level", "pytorch"]
MAX_LISTED_CELLS = 10
MAX_SHOWN_CHARS = 300
"""How many characters of the vocabulary the card shows."""
SPACE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
PASSWORD = re.compile(r"[^/]*//[^/]*@")
INSTALL_URL = re.compile(r"(git\+)?https?://[A-Za-z0-9_.~:/?#@%&=+,;-]+")
"""Nothing that a shell would read within double quotes."""


def render(
    config: CharLSTMConfig,
    vocabulary: Vocabulary,
    record: Mapping[str, Any],
    *,
    cells: CellReport | None = None,
    ngrams: NgramFilter | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    has_loss_plot: bool = False,
    install_from: str | None = None,
    endpoint: bool = False,
) -> str:
    """The card as Markdown with its metadata, without the sections that the record has nothing for.

    repo_id, revision: where the model will be, for the lines that load it. install_from: where a reader gets the
    library, for the lines that install it (see `install_commands`); without it there are none. endpoint: whether the
    repository holds what an Inference Endpoint needs.
    """
    record = valid_record(record)
    seen = [char for char in vocabulary.chars if char.isprintable() and char != " "]
    unseen = [char for char in vocabulary.chars if char not in seen]
    more = f" and {len(seen) - MAX_SHOWN_CHARS:,} more" if len(seen) > MAX_SHOWN_CHARS else ""
    metadata = card_data(record)
    values: dict[str, Any] = {
        **metadata.to_dict(),  # type: ignore[no-untyped-call]  # of huggingface_hub
        "card_data": metadata.to_yaml(),
        "config": config,
        "vocabulary": vocabulary,
        "record": record,
        "repo_id": repo_id or "user/model",
        "revision": revision,
        "has_loss_plot": has_loss_plot,
        "cells": cells,
        "ngrams": ngrams,
        "listed_cells": cells.cells[:MAX_LISTED_CELLS] if cells else (),
        "colored_cells": colored_cells(cells) if cells else [],
        "gates": GATES,
        "install": install_commands(install_from) if install_from is not None else [],
        "endpoint": endpoint,
        "ancestry": ancestry(record),
        "teachers": ", ".join(_texts_of(record.get("teachers", []))),
        "renamed": renamed_text(record),
        "adapted": adapted_text(record),
        "fence": fence,
        "bits": lambda nats: nats / math.log(2),
        "escape_markdown": escape_markdown,
        "code_span": code_span,
        "quoted": lambda text: json.dumps(text, ensure_ascii=False),
        "format_duration": format_duration,
        "shown_chars": " ".join(code_span(char) for char in seen[:MAX_SHOWN_CHARS]) + more,
        "unseen_chars": ", ".join(visible(char) for char in unseen),
    }
    content = renderer(find_template().read_text(encoding="utf-8"))(values)
    return str(ModelCard(content))


@lru_cache(maxsize=1)
def renderer(template: str) -> Callable[..., str]:
    """Fills a template in, as `ModelCard.from_template` does; compiled once, since that takes longer than the rest."""
    import jinja2  # PyTorch needs it, too

    fill: Callable[..., str] = jinja2.Template(template).render
    return fill


def colored_cells(cells: CellReport) -> list[tuple[str, str]]:
    """Description and coloured passage, as HTML on one line, of each of the strongest cells."""
    return [
        (
            f"Layer {cell.layer}, unit {cell.unit}: {cell.description}",
            colored(cells.passage, [value / 100 for value in values], diverging),
        )
        for cell, values in zip(cells.strongest, cells.activations, strict=False)
    ]


def install_commands(install_from: str) -> list[str]:
    """The shell commands that install the library from a Space of its app (user/space) or from a URL for pip.

    A Space is downloaded first: the Hub keeps large files apart from git, so a clone may hold mere pointers to them.
    Raises `ValueError` for anything else.
    """
    if isinstance(install_from, str) and SPACE_ID.fullmatch(install_from):
        folder = install_from.rpartition("/")[2]
        return [
            "pip install huggingface_hub",
            f"hf download {install_from} --repo-type space --local-dir {folder}",
            f"pip install ./{folder}",
        ]
    if isinstance(install_from, str) and PASSWORD.match(install_from):
        raise ValueError(
            "The address to install the library from holds a name or a password; expected one without, for the card is "
            "public: leave it out."
        )
    if isinstance(install_from, str) and INSTALL_URL.fullmatch(install_from):
        return [f'pip install "{install_from}"']
    raise ValueError(
        f"The library is to be installed from {shown(install_from)}; expected a URL for pip, such as https://... or "
        "git+https://..., or a Space such as user/space: correct it."
    )


def find_template() -> Path:
    """The path of the card's template in this copy of the package."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / TEMPLATE, package.parent / TEMPLATE) if path.is_file())


def fence(text: str) -> str:
    """A Markdown fence that no line of `text` can close."""
    return "~" * max([3, *(len(run) + 1 for run in re.findall("~+", text))])


def code_span(text: str) -> str:
    """A Markdown code span of `text`, whatever backticks it has."""
    ticks = "`"
    while re.search(f"(?<!`){ticks}(?!`)", text):
        ticks += "`"
    pad = " " if text.strip(" ") and (text[0] in "` " or text[-1] in "` ") else ""  # Markdown strips one at either end
    return f"{ticks}{pad}{text}{pad}{ticks}"


def escape_markdown(text: str) -> str:
    """`text` on one line, escaped for Markdown and its tables."""
    return re.sub(r"([\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", " ".join(text.split()))


def format_duration(seconds: float) -> str:
    """Such as "less than a second", "59 seconds" or "1.5 minutes"."""
    if seconds < 1:
        return "less than a second"
    return (
        f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}" if seconds < 60 else f"{seconds / 60:.1f} minutes"
    )


def ancestry(record: Mapping[str, Any]) -> str:
    """What the weights had read before the record's own text, as Markdown; "" if they began at random."""
    ancestors = record.get("ancestors") or ([{"name": record["base_model"]}] if record.get("base_model") else [])
    return ", and before that ".join(_texts_of(ancestors))


def adapted_text(record: Mapping[str, Any]) -> str:
    """What the model has read last, by `CharLSTM.adapt`, as one sentence; "" for a model that was not adapted."""
    parts = [
        f"{entry['characters']:,} characters in {entry['steps']:,} steps of dynamic evaluation, with a loss on them of "
        f"{entry['nats_before']:.3f} nats per character before and {entry['nats_after']:.3f} after"
        for entry in record.get("adapted", ())
    ]
    return f"It was then adapted to another text: {'; and to a further one: '.join(parts)}." if parts else ""


def renamed_text(record: Mapping[str, Any]) -> str:
    """In how much of the text the network has read invented names, as one sentence; "" for none."""
    share = record.get("rename_speakers", 0.0)
    return f"In {100 * share:g} % of it the speakers had invented names, others in each epoch." if share else ""


def _texts_of(models: list[dict[str, Any]]) -> list[str]:
    """What each of the record's entries on other models has read, as Markdown."""
    parts = []
    for model in models:
        name = escape_markdown(model["name"])
        if REPO_ID.fullmatch(model["name"]):
            name = f"[{model['name']}](https://huggingface.co/{model['name']})"
        if "title" in model:
            count = f", {model['train_chars']:,} characters" if "train_chars" in model else ""
            parts.append(f"{escape_markdown(model['title'])} (as {name}{count})")
        else:
            parts.append(f"what {name} has read")
    return parts


def card_data(record: Mapping[str, Any]) -> ModelCardData:
    """The metadata of the card, for the Hub."""
    metadata = record.get("card", {})
    corpus, results = record.get("corpus", {}).get("name"), []
    measured = (
        ("cross_entropy", "loss, nats per character", record.get("val_loss")),
        ("bits_per_character", "bits per character", record.get("val_bpc")),
    )
    for metric_type, metric_name, value in measured:
        if corpus and value is not None:
            results.append(
                EvalResult(
                    task_type="text-generation",
                    dataset_type=corpus,
                    dataset_name=f"{corpus}, held-out part",
                    dataset_split="held out",
                    metric_type=metric_type,
                    metric_name=metric_name,
                    metric_value=round(float(value), 4),
                )
            )
    return ModelCardData(
        library_name="hubcharlstm",
        pipeline_tag="text-generation",
        license=metadata.get("license"),
        language=metadata.get("language"),
        datasets=metadata.get("datasets"),
        base_model=record.get("base_model"),
        tags=TAGS,
        model_name=record.get("name") or (f"charlstm-{corpus}" if corpus else "charlstm") if results else None,
        eval_results=results or None,
    )
