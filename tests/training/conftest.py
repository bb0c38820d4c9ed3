"""Networks that record their calls, and finished runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import training.artifacts
import training.bptt
from tests.support.tiny_runs import run
from tests.support.training_cli import TEXT, TINY
from training.__main__ import main


class RecordingNetwork(torch.nn.Module):
    """Records the ids, states and logits of every call."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def forward(self, ids: torch.Tensor, state: Any) -> Any:
        logits, new_state = self.inner(ids, state)
        self.calls.append((ids.t(), state[0], logits.detach()[0].transpose(0, 1)))  # batch first, of one dropout sample
        return logits, new_state


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[RecordingNetwork]:
    """The networks of the runs that follow, each wrapped by Accelerate."""
    networks = []

    class RecordingAccelerator(training.bptt.Accelerator):  # type: ignore[misc]
        def prepare(self, model: Any, *optimizers: Any) -> Any:
            networks.append(RecordingNetwork(model))
            return networks[-1], *(super(RecordingAccelerator, self).prepare(one) for one in optimizers)

    monkeypatch.setattr(training.bptt, "Accelerator", RecordingAccelerator)
    return networks


@pytest.fixture(scope="package", autouse=True)
def undrawn_plots() -> Iterator[None]:
    """Drawing takes a third of a tiny run. `learned` and runs in processes of their own have real plots."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.artifacts, "loss_plot", lambda history: json.dumps(history).encode())
        yield


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    assert run(out).finished
    return out


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "my play.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "my play.txt").write_text(TEXT, encoding="utf-8")
    argv = ["fit", str(folder / "my play.txt"), "--out", str(folder / "my run"), "--max-train-chars", "2000", *TINY]
    assert main(argv) == 0
    return folder / "my run"
