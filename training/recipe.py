"""The settings of a run: sizes, optimizer, length, and the presets that users choose by name."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

MANY_EPOCHS, FEW_EPOCHS, ONCE = 12, 5, 1.5
"""Bounds between which a preset regularizes more or less, in readings of the text."""
MANY_SYMBOLS = 400
"""Of a vocabulary such as that of Chinese."""
MANY_SYMBOLS_RECIPE: dict[str, Any] = {
    "embedding_dim": 128, "hidden_size": 384, "dropout": 0.65, "weight_drop": 0.5, "dropout_samples": 1,
    "weight_decay": 0.1,
}  # fmt: skip
"""Of `small` for a text of that many symbols, each of which stands in it too seldom to be learned by more weights."""
MUON_EPOCHS = {"small": MANY_EPOCHS, "base": 36}
WITHOUT_MUON: dict[str, dict[str, Any]] = {
    "small": {"muon_rate": 0.0}, "base": {"muon_rate": 0.0, "learning_rate": 4e-3},
}  # fmt: skip
"""Of texts that are read MUON_EPOCHS times and more: what is learned faster is memorized sooner."""
MIN_STEPS = 1000
"""Of a run that reads its text `max_epochs` times: with a preset's rows a short text would end after a few hundred."""
REGULARIZATION = ("dropout", "weight_drop", "dropout_samples", "softmax_temperature")
"""Settings that depend on how many epochs the run has: a text that is read many times is memorized."""

NEW_SPEAKERS, RENAME_SPEAKERS = 0.25, 0.2
"""The share of turns by new speakers in the last part of a text from which on the speakers of a share of its passages
are renamed: the next text has others again."""

DISTILL_WEIGHT, DISTILL_TEMPERATURE = 0.5, 1.0
"""Of a run with teachers."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; `ValueError` if one is out of range.

    max_train_chars: characters to train on in total, each counted every time it is read. It sets the length of the
    run, but no character is read more than `max_epochs` times. batch_size: rows of a batch, which are contiguous parts
    of the text trained on in parallel. seq_len: the truncated-BPTT window in characters. learning_rate: the peak,
    reached after `warmup` (a share of the run) and decayed to a hundredth by a cosine (Loshchilov & Hutter 2017).
    state_reset_prob: the probability that a batch row starts a window with a zero state, as at the start of a text.
    dropout: on each layer's outputs, one mask per window. weight_drop: on the recurrent weights, likewise.
    dropout_samples: masks of the last layer's outputs per window, whose losses are averaged (Inoue 2019).
    muon_rate: the peak rate of the gates' matrices under Muon (Jordan 2024); 0 updates all weights by AdamW.
    weight_decay: decoupled, AdamW (Loshchilov & Hutter 2019). grad_clip: bound on the gradient's norm.
    ema_decay: the share of the averaged weights that remains at each step; 0 saves the weights as they are.
    softmax_temperature: divides the logits of the saved model, which would be overconfident without it.
    rename_speakers: the share of a dialogue's passages whose speakers get other names in each epoch, drawn anew.
    distill_weight: the share of the teachers' guesses in the loss; 0 without teachers. distill_temperature: divides
    the logits of teachers and student before they are compared (Hinton et al. 2015).
    local_sgd_steps: on several processes, the steps between two averages of their weights, each by its own gradients;
    0 averages the gradients at every step.
    patience: evaluations without an improvement after which the run ends; 0 never ends it early.
    """

    preset: str = "small"
    embedding_dim: int = 64
    hidden_size: int = 512
    num_layers: int = 1
    dropout: float = 0.4
    weight_drop: float = 0.0
    dropout_samples: int = 2
    batch_size: int = 16
    seq_len: int = 100
    learning_rate: float = 1e-2
    muon_rate: float = 0.02
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    warmup: float = 0.02
    state_reset_prob: float = 0.03
    ema_decay: float = 0.998
    softmax_temperature: float = 1.1
    max_train_chars: int = 6_000_000
    max_epochs: int = 25
    patience: int = 8
    rename_speakers: float = 0.0
    distill_weight: float = 0.0
    distill_temperature: float = 1.0
    local_sgd_steps: int = 0
    seed: int = 1
    lowercase: bool = False

    def __post_init__(self) -> None:
        for name in ("dropout_samples", "batch_size", "seq_len", "max_train_chars", "max_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1: raise it.")
        if self.patience < 0:
            raise ValueError(f"patience is {self.patience}; expected at least 0, which never ends early: correct it.")
        if self.local_sgd_steps < 0:
            raise ValueError(
                f"local_sgd_steps is {self.local_sgd_steps}; expected at least 0, which averages gradients: correct it."
            )
        for name in ("learning_rate", "grad_clip", "softmax_temperature", "distill_temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0: correct it.")
        if not 0 <= self.muon_rate < math.inf:
            raise ValueError(f"muon_rate is {self.muon_rate}; expected a number of at least 0: correct it.")
        for name in ("state_reset_prob", "rename_speakers", "distill_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a share from 0 to 1: correct it.")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay is {self.weight_decay}; expected a number of at least 0: correct it.")
        for name in ("weight_drop", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; expected a share from 0 up to but not including 1: correct it."
                )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is {self.warmup}; expected a share from 0 to below 1: correct it.")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}; expected a whole number from 0 to 2**63 - 1: correct it.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def fitted_to(
        self,
        train_chars: int,
        num_processes: int = 1,
        *,
        vocab_size: int = 0,
        new_speakers: float = 0.0,
        given: Collection[str] = (),
    ) -> tuple[Recipe, str]:
        """This recipe with sizes, regularization, batch and window that fit the text, and a sentence on what changed.

        Regularization follows the number of readings (see `_regularization`), unless one of REGULARIZATION differs from
        the preset; a text of many symbols that is read many times gets MANY_SYMBOLS_RECIPE under the same condition,
        and one that is read MUON_EPOCHS times gets WITHOUT_MUON. A preset's batch has as many rows as leave a run
        MIN_STEPS. vocab_size: the symbols of the text; 0 if unknown. new_speakers: the share of turns by new speakers
        in its last part, see `training.data.renaming.new_speaker_share`; NEW_SPEAKERS renames them.
        given: fields that the user has set, which count as other than the preset's where they are equal. The sentence
        is "" if nothing changes, as when a fitted recipe is fitted again.
        """
        preset = PRESETS.get(self.preset, self)
        readings = min(self.max_train_chars / max(1, train_chars), self.max_epochs)

        def untouched(names: Collection[str]) -> bool:
            return all(name not in given and getattr(self, name) == getattr(preset, name) for name in names)

        recipe = replace(self, **_regularization(self.preset, readings)) if untouched(REGULARIZATION) else self
        is_short = self.preset == "small" and readings >= MANY_EPOCHS
        if is_short and vocab_size >= MANY_SYMBOLS and untouched([*REGULARIZATION, *MANY_SYMBOLS_RECIPE]):
            recipe = replace(recipe, **MANY_SYMBOLS_RECIPE)
        if readings >= MUON_EPOCHS.get(self.preset, math.inf) and untouched(["muon_rate"]):
            rates = WITHOUT_MUON[self.preset].items()
            recipe = replace(recipe, **{name: rate for name, rate in rates if untouched([name])})
        if new_speakers >= NEW_SPEAKERS and untouched(["rename_speakers"]):
            recipe = replace(recipe, rename_speakers=RENAME_SPEAKERS)
        seq_len = min(self.seq_len, max(1, (train_chars - 1) // 8))
        batch_size = max(1, min(self.batch_size, train_chars // (8 * seq_len)))
        if "batch_size" not in given and preset.batch_size in (self.batch_size, batch_size):
            batch_size = max(1, min(batch_size, self.max_epochs * train_chars // (MIN_STEPS * seq_len)))
        # So that the processes share its rows evenly; too few for them is refused where they are shared.
        batch_size -= batch_size % num_processes if batch_size > num_processes else 0
        fitted = replace(recipe, batch_size=batch_size, seq_len=seq_len)
        count = f"{readings:.2g}"
        times = "once" if count == "1" else f"{count} times"
        by_symbols = {name: name for name in MANY_SYMBOLS_RECIPE if name not in REGULARIZATION}
        by_readings = {name: name for name in (*REGULARIZATION, *WITHOUT_MUON["base"])}
        by_readings["dropout_samples"] = "number of dropout samples"
        sentences = (
            ("the text is short, so", self._changes(fitted, {"batch_size": "batch", "seq_len": "window"})),
            (f"the text has {vocab_size:,} different characters, so", self._changes(fitted, by_symbols)),
            (f"the text is read {times}, so", self._changes(fitted, by_readings)),
            ("the text's speakers change, so", self._changes(fitted, {"rename_speakers": "share of renamed passages"})),
        )
        return fitted, "; ".join(f"{reason} {changes}" for reason, changes in sentences if changes)

    def _changes(self, other: Recipe, names: dict[str, str]) -> str:
        """Where `other` differs in these fields, such as "the batch is 1 instead of 24"; "" if nowhere."""
        *others, last = [
            f"the {shown.replace('_', ' ')} is {getattr(other, name):g} instead of {getattr(self, name):g}"
            for name, shown in names.items()
            if getattr(other, name) != getattr(self, name)
        ] or [""]
        return f"{', '.join(others)} and {last}" if others else last


def _regularization(preset: str, readings: float) -> dict[str, Any]:
    """The values of REGULARIZATION that differ from the preset's, by how often a run reads its text.

    A text that `small` reads often is learned by heart without more of it; what is read seldom needs less. With several
    dropout samples a short list is learned by heart before it is understood (benchmarks/RESULTS.md).
    """
    if preset == "small" and readings >= MANY_EPOCHS:
        return {"dropout": 0.5, "weight_drop": 0.2, "dropout_samples": 1, "softmax_temperature": 1.2}
    if preset == "small" and readings < FEW_EPOCHS:
        return {"dropout": 0.15 if readings > ONCE else 0.0}
    if preset == "base" and readings < MANY_EPOCHS:
        dropout, weight_drop = (0.2, 0.1) if readings < FEW_EPOCHS else (0.4, 0.15)
        return {"dropout": dropout, "weight_drop": weight_drop, "softmax_temperature": 1.03}
    if preset == "base" and readings >= MUON_EPOCHS["base"]:
        return {"dropout_samples": 1}
    return {}


PRESETS: dict[str, Recipe] = {
    "small": Recipe(),
    "base": Recipe(
        preset="base",
        embedding_dim=48,
        hidden_size=896,
        dropout=0.5,
        weight_drop=0.35,
        dropout_samples=4,
        seq_len=128,
        learning_rate=8e-3,
        ema_decay=0.999,
        max_train_chars=34_000_000,
        max_epochs=40,
    ),
    "large": Recipe(
        preset="large",
        embedding_dim=128,
        hidden_size=1536,
        num_layers=3,
        dropout=0.2,
        dropout_samples=1,
        batch_size=128,
        seq_len=256,
        learning_rate=2e-3,
        muon_rate=0.0,
        ema_decay=0.9998,
        softmax_temperature=1.0,
        max_train_chars=1_000_000_000,
    ),
    "article": Recipe(
        preset="article",
        hidden_size=300,
        num_layers=2,
        dropout=0.2,
        dropout_samples=1,
        batch_size=30,
        seq_len=50,
        learning_rate=1e-3,
        muon_rate=0.0,
        max_train_chars=6_500_000,
        weight_decay=0.0,
        ema_decay=0.0,
        softmax_temperature=1.0,
        max_epochs=100,
        lowercase=True,
    ),
}
"""`article` repeats the settings of a tutorial on a lower-cased Macbeth with this network; it decodes greedily."""
GREEDY = ("article",)
PRESET_TIMES = {
    "small": "a few minutes on two cores",
    "base": "about half an hour on two cores",
    "large": "hours on a GPU, days without one",
    "article": "about six minutes on two cores",
}
