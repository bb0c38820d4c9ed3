"""The record of a run in `training.json`, from which the model card is rendered, and the loss plot."""

from __future__ import annotations

import io
import math
import platform
from importlib.metadata import version
from typing import Any

import torch

from training.checkpoint import Progress
from training.data.corpus import Corpus
from training.data.examples import KIND_CHARS
from training.data.kind import kind_of
from training.recipe import Recipe

TIME_LAPSE_SEED = 1
TEMPERATURE = 0.8
"""Of the samples printed during training and of the time-lapse."""


def make_record(
    corpus: Corpus,
    recipe: Recipe,
    progress: Progress,
    *,
    parameters: int,
    prompt: str,
    command: str,
    device: torch.device,
) -> dict[str, Any]:
    """The record as JSON values; `progress` holds at least one evaluation. command: the command line of the run."""
    speakers = corpus.file_stats.speakers if corpus.file_stats else ()
    best = min(progress.history, key=lambda row: row["val_loss"])
    return {
        "name": f"charlstm-{corpus.name}",
        "corpus": corpus.to_record() | {"kind": kind_of(corpus.train[:KIND_CHARS], speakers)},
        "card": corpus.card,
        "recipe": recipe.to_dict(),
        "parameters": parameters,
        "val_loss": best["val_loss"],
        "val_bpc": best["val_loss"] / math.log(2),
        "best_epoch": best["epoch"],
        "history": list(progress.history),
        "time_lapse": list(progress.time_lapse),
        "time_lapse_prompt": prompt,
        "time_lapse_seed": TIME_LAPSE_SEED,
        "time_lapse_temperature": TEMPERATURE,
        "sample_prompt": prompt,
        "seconds": round(progress.seconds, 1),
        "command": command,
        "hardware": hardware(device),
        "versions": [f"Python {platform.python_version()}"]
        + [f"{name} {version(name)}" for name in ("torch", "accelerate")],
    }


def hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {platform.machine()}"


def loss_plot(history: list[dict[str, float]]) -> bytes:
    """Training and held-out loss against characters read, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained", dpi=110)
    axes = figure.add_subplot()
    millions = [row["chars"] / 1e6 for row in history]
    for key, label, color in (
        ("train_loss", "training (with dropout)", "#8a94a6"),
        ("val_loss", "held out", "#b4532a"),
    ):
        axes.plot(millions, [row[key] for row in history], label=label, color=color, marker="o", markersize=3)
    axes.set_xlabel("million characters read")
    axes.set_ylabel("nats per character")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
