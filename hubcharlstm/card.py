"""A run's record -> the model card that every saved and published model gets."""

from __future__ import annotations

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
    has_loss_plot: bool = False,
) -> str:
    """The card as Markdown with its metadata; sections that the record says nothing of are left out."""
    card = ModelCard.from_template(
        card_data(record),
        template_path=str(TEMPLATE),
        config=config,
        vocabulary=vocabulary,
        record=record,
        repo_id=repo_id or "user/model",
        has_loss_plot=has_loss_plot,
        shown_chars=" ".join(
            "`` ` ``" if c == "`" else f"`{c}`" for c in vocabulary.chars if c.isprintable() and c != " "
        ),
    )
    return str(card)


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
