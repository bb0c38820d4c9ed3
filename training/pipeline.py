"""Train a character LSTM on a corpus by a recipe: from the settings to a run, new or resumed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.hub.model_folder import STORED_DTYPES
from training.bptt import TruncatedBPTT
from training.checkpoint import Progress
from training.data.corpus import Corpus
from training.data.encoded import TrainIds, code_points, table_of
from training.recipe import GREEDY, Recipe
from training.schedule import TrainSchedule
from training.tracking import Tracker, locked
from training.trainer import Trainer, TrainResult
from training.warm_start import PretrainedInit

SETTINGS = "run.json"
MAX_PARAMETERS = 2**31


def fit(
    corpus: Corpus,
    recipe: Recipe,
    generation: GenerationConfig,
    out: Path,
    *,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    dtype: str = "float32",
    keep_epochs: Collection[int] = (),
    baselines: Mapping[str, Any] | None = None,
    base: PretrainedInit | None = None,
    tracker: str | None = None,
) -> TrainResult:
    """Train on `corpus.train` and keep the weights best on `corpus.held_out` in `out`/model.

    recipe: one that `Recipe.fitted_to` has fitted to the text. settings: what `resume` needs to find the corpus
    again, and the "command" that began the run; written to `out`/run.json. keep_epochs: epochs, counted from 1,
    whose last weights are kept too, in `out`/epochs/epoch-01 and so on. baselines: for the record, and the number
    to beat. base: whose weights to begin with. tracker: "trackio" logs the metrics there, too.
    Ctrl-C and SIGTERM save a checkpoint and return. Raises `ValueError` (`TrainingError` for a loss that is not
    finite or that explodes).
    """
    settings = settings or {}
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(STORED_DTYPES)}: pick one.")
    torch.manual_seed(recipe.seed)
    vocabulary = vocabulary_of(corpus, recipe, base)
    plan = TrainSchedule.of(recipe, len(corpus.train))
    whole_epochs = plan.total_steps // plan.steps_per_epoch
    if wrong := [epoch for epoch in keep_epochs if not 1 <= epoch <= whole_epochs]:
        raise ValueError(
            f"The epoch {wrong[0]} is to be kept; expected 1 to {whole_epochs}, for the run reads its text "
            f"{plan.total_steps / plan.steps_per_epoch:.1f} times: name an earlier one, or read more with --chars."
        )
    config = config_of(recipe, vocabulary)
    if recipe.preset in GREEDY:
        generation = replace(generation, temperature=0.0)
    model = CharLSTM(config, vocabulary, generation_config=generation)
    model.reset_for_training()
    if base is not None and not resume:
        base.copy_into(model)
    loop = TruncatedBPTT(model, recipe, plan, TrainIds(corpus.train, vocabulary))
    main = loop.accelerator.is_main_process
    progress = loop.load(out) if resume else Progress()
    if main and not resume:
        out.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)  # weights that fade to denormals would make every product slow
    try:
        with locked(out) if main else nullcontext():
            if main and not resume:
                _write_settings(out, settings)
            run = Trainer(
                corpus, recipe, plan, out, dtype, settings.get("command", ""), loop, progress,
                held_out_ids=encode(corpus.held_out, vocabulary), keep_epochs=sorted(set(keep_epochs)),
                baselines=dict(baselines or {}), base_model=base.name if base else None,
            )  # fmt: skip
            if tracker and main:
                run.tracker = Tracker(tracker, out, recipe.to_dict(), resume=resume)
            return run.run()
    finally:
        torch.set_flush_denormal(False)


def vocabulary_of(corpus: Corpus, recipe: Recipe, base: PretrainedInit | None = None) -> Vocabulary:
    if base is not None:
        return base.vocabulary(corpus.chars, lowercase=recipe.lowercase)
    return Vocabulary(corpus.chars, lowercase=recipe.lowercase)


def config_of(recipe: Recipe, vocabulary: Vocabulary) -> CharLSTMConfig:
    """The network's sizes; raises `ValueError` if it cannot be built."""
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    config = CharLSTMConfig(vocab_size=len(vocabulary), **sizes)
    if config.num_parameters > MAX_PARAMETERS:
        raise ValueError(
            f"The model would have {config.num_parameters:,} weights; expected at most {MAX_PARAMETERS:,}: choose "
            "smaller sizes (--hidden-size, --embedding-dim, --num-layers)."
        )
    return config


def encode(text: str, vocabulary: Vocabulary) -> Tensor:
    """Ids (N,) int64 of a text whose every character the vocabulary has."""
    return torch.from_numpy(table_of(vocabulary.chars)[code_points(text)])


def _write_settings(out: Path, settings: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / f".{SETTINGS}.new"
    unfinished.write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(out / SETTINGS)
