"""A run's record -> the model card that every saved and published model gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary

TEMPLATE = Path(__file__).parent / "model_card.md"
TAGS = ["char-lstm", "lstm", "character-level", "pytorch"]


def render(
    config: CharLSTMConfig,
    vocabulary: Vocabulary,
    record: Mapping[str, Any],
    *,
    repo_id: str | None = None,
    revision: str | None = None,
    has_loss_plot: bool = False,
) -> str:
    """The card as Markdown with its metadata; sections that the record says nothing of are left out."""
    record = well_formed(record)
    card = ModelCard.from_template(
        card_data(record),
        template_path=str(TEMPLATE),
        config=config,
        vocabulary=vocabulary,
        record=record,
        repo_id=repo_id or "user/model",
        revision=revision,
        has_loss_plot=has_loss_plot,
        fence=fence,
        shown_chars=" ".join(
            "`` ` ``" if c == "`" else f"`{c}`" for c in vocabulary.chars if c.isprintable() and c != " "
        ),
    )
    return str(card)


PARTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "corpus": {"name": str, "title": str, "sha256": str, "chars": int, "train_chars": int, "held_out": str},
    "samples": {"prompt": str, "temperature": (int, float), "seed": int, "text": str},
    "moments": {"chars": int, "text": str},
}
SCALARS: dict[str, type | tuple[type, ...]] = {
    "name": str, "sample_prompt": str, "command": str, "hardware": str,
    "val_loss": (int, float), "val_bpc": (int, float), "seconds": (int, float),
}  # fmt: skip


def well_formed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record that a card can be made from; what somebody else wrote otherwise is left out."""
    known = {name: record[name] for name, kind in SCALARS.items() if isinstance(record.get(name), kind)}
    if _has(record.get("corpus"), "corpus"):
        known["corpus"] = record["corpus"]
    if _all_have(record.get("samples"), "samples"):
        known["samples"] = record["samples"]
    lapse = record.get("time_lapse")
    if (
        isinstance(lapse, Mapping)
        and isinstance(lapse.get("prompt"), str)
        and _all_have(lapse.get("moments"), "moments")
    ):
        known["time_lapse"] = lapse
    if isinstance(record.get("versions"), list):
        known["versions"] = [str(version) for version in record["versions"]]
    if isinstance(record.get("card"), Mapping):
        known["card"] = {k: v for k, v in record["card"].items() if k in ("license", "language") and isinstance(v, str)}
    if {"val_loss", "val_bpc"} - known.keys():
        known = {k: v for k, v in known.items() if k not in ("val_loss", "val_bpc")}
    if {"command", "corpus", "seconds", "hardware", "versions"} - known.keys():
        known.pop("command", None)
    return known


def fence(text: str) -> str:
    """A Markdown fence that no line of `text` can close."""
    return "~" * max([3, *(len(run) + 1 for run in re.findall("~+", text))])


def _has(part: Any, name: str) -> bool:
    return isinstance(part, Mapping) and all(isinstance(part.get(key), kind) for key, kind in PARTS[name].items())


def _all_have(parts: Any, name: str) -> bool:
    return isinstance(parts, list) and bool(parts) and all(_has(part, name) for part in parts)


def card_data(record: Mapping[str, Any]) -> ModelCardData:
    """The metadata that the Hub reads."""
    metadata = record.get("card", {})
    corpus, results = record.get("corpus", {}).get("name"), []
    for metric, value in (("loss", record.get("val_loss")), ("bpc", record.get("val_bpc"))):
        if corpus and value is not None:
            results.append(
                EvalResult(
                    task_type="text-generation",
                    dataset_type=corpus,
                    dataset_name=f"{corpus}, held-out part",
                    metric_type="bits_per_character" if metric == "bpc" else "cross_entropy",
                    metric_name="bits per character" if metric == "bpc" else "loss, nats per character",
                    metric_value=round(float(value), 4),
                )
            )
    return ModelCardData(
        library_name="hubcharlstm",
        pipeline_tag="text-generation",
        license=metadata.get("license"),
        language=metadata.get("language"),
        tags=TAGS,
        model_name=record.get("name") or (f"charlstm-{corpus}" if corpus else "charlstm") if results else None,
        eval_results=results or None,
    )
