"""A run's whole state in one atomic folder: safetensors for tensors, JSON for the rest; nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hubcharlstm.hub import replace_folder
from hubcharlstm.network import CharLSTMNetwork, State

FOLDER = "checkpoint"


def save(
    run: Path, *, network: CharLSTMNetwork, optimizer: torch.optim.Optimizer, state: State, progress: dict[str, Any]
) -> None:
    """Write weights, optimizer, random state, carried (h, c) and `progress` (JSON values) in one step."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    tensors |= {"state.h": state[0], "state.c": state[1], "random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()

    def write(folder: Path) -> None:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, folder / "tensors.safetensors")
        (folder / "progress.json").write_text(json.dumps(progress, ensure_ascii=False), encoding="utf-8")

    replace_folder(run / FOLDER, write)


def load(
    run: Path, *, network: CharLSTMNetwork, optimizer: torch.optim.Optimizer, device: torch.device
) -> tuple[State, dict[str, Any]]:
    """Put a checkpoint back into `network`, `optimizer` and the random generators; return (h, c) and progress.

    Raises `ValueError` if the run has no checkpoint or a damaged one.
    """
    folder = run / FOLDER
    try:
        progress: dict[str, Any] = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "tensors.safetensors")
    except FileNotFoundError:
        raise ValueError(f"{run} has no checkpoint; expected one to resume from: start a run with fit.") from None
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"The checkpoint in {run} is damaged ({error}); expected a whole one: start a new run."
        ) from error
    network.load_state_dict(_part(tensors, "network."))
    template = optimizer.state_dict()
    parts: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, _, key = name.partition(".")
        parts.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": parts, "param_groups": template["param_groups"]})
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    return (tensors["state.h"].to(device), tensors["state.c"].to(device)), progress


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
