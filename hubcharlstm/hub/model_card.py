"""A training record -> the model card of a saved or published model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hubcharlstm.arguments import shown
from hubcharlstm.colored_text import colored, diverging
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.gates import GATES
from hubcharlstm.inspection.ngram_filter import NgramFilter
from hubcharlstm.network import MAX_LAYERS, CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary, visible

TEMPLATE = "model_card.md"
"""Beside the package in a checkout, an sdist and a Space; inside the package in a wheel."""
TAGS = ["char-lstm", "lstm", "character-level", "pytorch"]
MAX_ANCESTORS = 8
MAX_LISTED_CELLS = 10
MAX_SHOWN_CHARS = 300
"""How many characters of the vocabulary the card shows."""
REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
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


def valid_ancestors(ancestors: Any) -> list[dict[str, Any]]:
    """The entries that have the expected types; a record from elsewhere may hold anything."""
    if not isinstance(ancestors, list):
        return []
    kinds: dict[str, Kind] = {"name": str, "title": str, "train_chars": int}
    entries = [
        {key: entry[key] for key, kind in kinds.items() if _has_type(entry.get(key), kind)}
        for entry in ancestors
        if isinstance(entry, Mapping)
    ]
    return [entry for entry in entries if "name" in entry][:MAX_ANCESTORS]


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


# --- validation of a record --------------------------------------------------------------------------------------

NUMBER = (int, float)
MAX_NUMBER = 2**63
"""Of a record, larger in no use; NaN is not below it."""
MIN_KNOWN_WORDS = 0.5
"""Share of the held-out words that occur in the training text; below it, as in code or DNA, words mean little."""
Kind = type | tuple[type, ...]
PARTS: dict[str, dict[str, Kind]] = {
    "corpus": {"name": str, "title": str, "sha256": str, "chars": int, "train_chars": int, "held_out": str},
    "samples": {"prompt": str, "temperature": NUMBER, "seed": int, "text": str},
    "moments": {"chars": int, "text": str},
    "time_lapse": {"characters_read": int, "text": str},
    "baselines": {"nats": NUMBER},
    "adapted": {"characters": int, "steps": int, "nats_before": NUMBER, "nats_after": NUMBER},
}
SCALARS: dict[str, Kind] = {
    "name": str, "sample_prompt": str, "command": str, "hardware": str,
    "val_loss": NUMBER, "val_bpc": NUMBER, "seconds": NUMBER,
}  # fmt: skip


def valid_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record that have the expected types; a record from elsewhere may hold anything."""
    known = {name: record[name] for name, kind in SCALARS.items() if _has_type(record.get(name), kind)}
    if _has_fields(record.get("corpus"), "corpus"):
        known["corpus"] = record["corpus"]
    if _all_have_fields(record.get("samples"), "samples"):
        known["samples"] = record["samples"]
    if _all_have_fields(record.get("adapted"), "adapted"):
        known["adapted"] = record["adapted"]
    if snapshots := _time_lapse(record):
        known["time_lapse"] = snapshots
    if baselines := _entries(record.get("baselines"), lambda part: _has_fields(part, "baselines")):
        known["baselines"] = baselines
    if copying := _copied_shares(record.get("copying")):
        known["copying"] = copying
    words = _entries(record.get("words"), lambda share: _has_type(share, NUMBER))
    if words.get("held_out", 0) >= MIN_KNOWN_WORDS:
        known["words"] = words
    if copied_lines := _entries(record.get("copied_lines"), lambda share: _has_type(share, NUMBER)):
        known["copied_lines"] = copied_lines
    if gates := _gate_shares(record.get("gates")):
        known["gates"] = gates
    if isinstance(epochs := record.get("kept_epochs"), list) and all(_has_type(epoch, int) for epoch in epochs):
        known["kept_epochs"] = epochs
    if isinstance(base := record.get("base_model"), str) and REPO_ID.fullmatch(base):
        known["base_model"] = base
    for name in ("ancestors", "teachers"):
        if models := valid_ancestors(record.get(name)):
            known[name] = models
    if isinstance(record.get("versions"), list):
        known["versions"] = [str(version) for version in record["versions"]]
    if isinstance(record.get("card"), Mapping):
        known["card"] = {k: v for k, v in record["card"].items() if k in ("license", "language") and isinstance(v, str)}
        datasets = record["card"].get("datasets")
        if isinstance(datasets, list) and all(isinstance(name, str) for name in datasets) and datasets:
            known["card"]["datasets"] = datasets
    if {"val_loss", "val_bpc"} - known.keys():
        known = {k: v for k, v in known.items() if k not in ("val_loss", "val_bpc", "baselines")}
    if {"command", "corpus", "seconds", "hardware", "versions"} - known.keys():
        known.pop("command", None)
    return known


def _time_lapse(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Prompt and text of each snapshot, with the characters trained on and, where known, minutes and loss."""
    lapse: Any = record.get("time_lapse")
    prompt = record.get("time_lapse_prompt")
    if isinstance(lapse, Mapping):  # the form of the first version
        lapse, prompt = lapse.get("moments"), lapse.get("prompt")
        if not _all_have_fields(lapse, "moments"):
            return []
        lapse = [{"characters_read": snapshot["chars"], "text": snapshot["text"]} for snapshot in lapse]
    if not isinstance(prompt, str) or not _all_have_fields(lapse, "time_lapse"):
        return []
    fields: dict[str, Kind] = {"characters_read": int, "text": str, "minutes": NUMBER, "val_loss": NUMBER}
    return [
        {"prompt": prompt} | {key: snapshot[key] for key, kind in fields.items() if _has_type(snapshot.get(key), kind)}
        for snapshot in lapse
    ]


def _copied_shares(report: Any) -> dict[str, dict[str, float]]:
    """By length of a span in characters (as a string): the share of such spans that occur in the corpus."""
    if not isinstance(report, Mapping):
        return {}
    shares = {
        source: _entries(report.get(source), lambda share: _has_type(share, NUMBER))
        for source in ("sampled", "held_out")
    }
    return shares if shares["sampled"] else {}


def _gate_shares(gates: Any) -> dict[str, Any] | None:
    """The statistics of the gates by layer; None if any part is not of the form of `GateStatistics.to_record`."""
    if not isinstance(gates, Mapping) or not _has_type(gates.get("characters"), int):
        return None
    layers = gates.get("layers")
    if not isinstance(layers, list) or not 0 < len(layers) <= MAX_LAYERS:
        return None
    parts = dict.fromkeys(GATES, ("above", "below")) | {"half_life": ("median", "longest")}
    good = all(
        isinstance(layer, Mapping)
        and isinstance(layer.get(part), Mapping)
        and all(_has_type(layer[part].get(key), NUMBER) for key in keys)
        for layer in layers
        for part, keys in parts.items()
    )
    return dict(gates) if good else None


def _entries(parts: Any, is_valid: Callable[[Any], bool]) -> dict[str, Any]:
    if not isinstance(parts, Mapping):
        return {}
    return {name: part for name, part in parts.items() if isinstance(name, str) and is_valid(part)}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a record is a number that can be computed with and printed."""
    return _has_type(value, NUMBER)


def _has_type(value: Any, kind: Kind) -> bool:
    """Whether a value is of the type and, if it is a number, one that can be computed with and printed."""
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return not isinstance(value, int | float) or abs(value) <= MAX_NUMBER


def _has_fields(part: Any, name: str) -> bool:
    return isinstance(part, Mapping) and all(_has_type(part.get(key), kind) for key, kind in PARTS[name].items())


def _all_have_fields(parts: Any, name: str) -> bool:
    return isinstance(parts, list) and bool(parts) and all(_has_fields(part, name) for part in parts)
