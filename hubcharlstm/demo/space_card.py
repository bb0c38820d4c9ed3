"""The models that a Space's own README.md names, for a Space without the variable that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load

from hubcharlstm.hub.model_card import SPACE_ID

CARD = Path(__file__).parents[2] / "README.md"
"""Beside app.py and the package in a Space. A checkout's names no model; beside an installed package there is none."""


def models_of_card(card: Path = CARD) -> list[str]:
    """The Hub ids under `models` in the front matter of a Gradio Space's README.md; [] for any other file, or none."""
    if not card.is_file() or not (card.parent / "app.py").is_file():
        return []
    data: dict[str, Any] = metadata_load(card) or {}
    models = data.get("models")
    if data.get("sdk") != "gradio" or not isinstance(models, list):
        return []
    return [model for model in models if isinstance(model, str) and SPACE_ID.fullmatch(model)]
