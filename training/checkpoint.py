"""The state of a run in one atomic folder: safetensors for tensors, JSON for the rest; nothing is pickled."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hubcharlstm.hub.atomic import replace_folder
from hubcharlstm.hub.model_folder import CHECKPOINT
from hubcharlstm.network import CharLSTMNetwork, State

OPTIMIZERS = ("optimizer.", "muon.")
"""Beginnings of the names of their tensors."""
PROCESS = "process.{}."
"""And before those of a process that has optimizers of its own, from 1; those of 0 have no such beginning."""


@dataclass
class Progress:
    """How far a run has come; JSON values only.

    loss_sum, loss_count: sum and number of training losses since the last evaluation. history: one row per evaluation.
    time_lapse: the snapshots. num_processes: those that the run had when it was saved.
    """

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    time_lapse: list[dict[str, Any]] = field(default_factory=list)
    num_processes: int = 1

    @property
    def best_loss(self) -> float:
        """The lowest held-out loss so far, infinity before the first evaluation."""
        return min((row["val_loss"] for row in self.history), default=math.inf)

    def out_of_patience(self, patience: int) -> bool:
        """Whether the last `patience` evaluations brought no improvement; never for a patience of 0."""
        losses = [row["val_loss"] for row in self.history]
        return bool(patience and losses) and len(losses) - 1 - losses.index(min(losses)) >= patience

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Progress:
        added = {"num_processes": 1}  # earlier versions lacked it
        return cls(**{f.name: (added | dict(data))[f.name] for f in fields(cls)})


def save(
    run: Path,
    *,
    network: CharLSTMNetwork,
    ema: CharLSTMNetwork,
    optimizers: Sequence[torch.optim.Optimizer],
    state: State,
    progress: Progress,
    others: Sequence[Mapping[str, Tensor]] = (),
) -> None:
    """Write weights, their EMA, optimizers, random state, carried (h, c) and progress atomically.

    others: `optimizer_tensors` of the processes after this one, where theirs are others.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.state_dict().items()}
    tensors |= optimizer_tensors(optimizers)
    for index, values in enumerate(others, start=1):
        tensors |= {f"{PROCESS.format(index)}{name}": value for name, value in values.items()}
    tensors |= {"state.h": state[0], "state.c": state[1], "random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()

    def write(folder: Path) -> None:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, folder / "tensors.safetensors")
        data = json.dumps(vars(progress), ensure_ascii=False, allow_nan=False)
        (folder / "progress.json").write_text(data, encoding="utf-8")

    with disk_errors(run / CHECKPOINT):
        replace_folder(run / CHECKPOINT, write)


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """What the optimizers remember, by its names in a checkpoint."""
    tensors: dict[str, Tensor] = {}
    for prefix, optimizer in zip(OPTIMIZERS, optimizers, strict=False):
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{prefix}{index}.{name}": value for name, value in values.items()}
    return tensors


def load(
    run: Path,
    *,
    network: CharLSTMNetwork,
    ema: CharLSTMNetwork,
    optimizers: Sequence[torch.optim.Optimizer],
    device: torch.device,
    process: int = 0,
) -> tuple[State, Progress]:
    """Restore both networks, the optimizers and the random generators from a checkpoint; return (h, c) and progress.

    process: whose optimizers, where the checkpoint has those of several; of more than it has, they begin again at 0.
    Raises `ValueError` if the run has no checkpoint or a damaged one.
    """
    folder = run / CHECKPOINT
    try:
        progress = Progress.from_dict(json.loads((folder / "progress.json").read_text(encoding="utf-8")))
        tensors = load_file(folder / "tensors.safetensors")
        network.load_state_dict(_part(tensors, "network."))
        # Earlier versions stored the EMA as "average.", the first of them none.
        ema.load_state_dict(_part(tensors, "ema.") or _part(tensors, "average.") or _part(tensors, "network."))
        own = _part(tensors, PROCESS.format(process % max(1, progress.num_processes))) or tensors
        for prefix, optimizer in zip(OPTIMIZERS, optimizers, strict=False):
            parts: dict[int, dict[str, Tensor]] = {}
            for name, value in _part(own, prefix).items():
                index, _, key = name.partition(".")
                parts.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": parts, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        return (tensors["state.h"].to(device), tensors["state.c"].to(device)), progress
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{run} has no whole checkpoint; expected one to resume from: start a new run with fit and another --out."
        ) from None
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"The checkpoint in {run} is damaged ({reason}); expected a whole one: put a copy back, or start a new "
            "run with fit and another --out."
        ) from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn safetensors' own exception for a full disk into an `OSError`."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(folder)) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
