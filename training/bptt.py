"""The steps of a run: windows of contiguous lanes with carried state, in truncated BPTT on Hugging Face Accelerate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm import CharLSTM
from training import checkpoint
from training.checkpoint import Progress
from training.data.encoded import TrainIds
from training.ema import WeightEMA
from training.network import TrainingNetwork
from training.recipe import Recipe
from training.schedule import TrainSchedule


def new_accelerator() -> Accelerator:
    """On a GPU that has them, bf16 products and TF32 sums; on a CPU `training.lstm` chooses for itself."""
    fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if fast:
        torch.set_float32_matmul_precision("high")
    return Accelerator(mixed_precision="bf16" if fast else "no")


class TruncatedBPTT:
    """Network, optimizer, averages and carried state of a run, and the step that moves them.

    `model` is the module that is trained, `average.model` the one to look at and to keep.
    """

    def __init__(self, model: CharLSTM, recipe: Recipe, plan: TrainSchedule, ids: TrainIds) -> None:
        self.accelerator = new_accelerator()
        self.model, self.recipe, self.plan, self.ids = model, recipe, plan, ids
        self.average = WeightEMA(model.to(self.accelerator.device), recipe.average, recipe.softmax_temperature)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.network, self.optimizer = self.accelerator.prepare(TrainingNetwork(model, recipe.weight_drop), optimizer)
        self.state = model.initial_state(recipe.batch_size)
        self.resident: Tensor | None = None
        if self.accelerator.device.type != "cpu":
            self.hold_text()

    def save(self, run: Path, progress: Progress) -> None:
        checkpoint.save(
            run, network=self.model, average=self.average.model, optimizer=self.optimizer, state=self.state,
            progress=progress,
        )  # fmt: skip

    def load(self, run: Path) -> Progress:
        """Go on from the run's checkpoint; raises `ValueError` if it has none or a damaged one."""
        self.state, progress = checkpoint.load(
            run, network=self.model, average=self.average.model, optimizer=self.optimizer,
            device=self.accelerator.device,
        )  # fmt: skip
        return progress

    def step(self, step: int) -> Tensor:
        """Step `step`, counted from 0; returns its mean loss, a scalar that stays on the device."""
        epoch, window = divmod(step, self.plan.steps_per_epoch)
        self.reset_states(step, everywhere=window == 0)
        inputs, targets = self.window(epoch, window)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate(self.recipe, step)
        self.network.train()
        logits, (h, c) = self.network(inputs, self.state)
        self.state = (h.detach(), c.detach())
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(step + 1)
        return loss.detach()

    def reset_states(self, step: int, *, everywhere: bool) -> None:
        """Put the state of some lanes back to zero, as it is when a text begins.

        With states carried from epoch to epoch a network hardly ever sees a zero state and writes garbage from it.
        """
        draws = np.random.default_rng([self.recipe.seed, 1, step]).random(self.recipe.batch_size)
        cold = torch.from_numpy((draws < self.recipe.state_reset_prob) | everywhere).to(self.accelerator.device)
        h, c = self.state
        self.state = h.masked_fill(cold[:, None], 0.0), c.masked_fill(cold[:, None], 0.0)

    def hold_text(self) -> None:
        """Keep the whole text on the device, so that a window is looked up there."""
        self.resident = torch.from_numpy(self.ids.whole()).to(self.accelerator.device)

    def window(self, epoch: int, window: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (T, B) of a window; each epoch begins at an offset of its own of up to T."""
        batch, length = self.recipe.batch_size, self.recipe.seq_len
        stream_len = len(self.ids) // batch
        offset = self.plan.offset(self.recipe, epoch)
        rows = offset + window * length + np.arange(length + 1)[:, None]
        positions = rows + np.arange(batch) * stream_len
        if self.resident is None:
            ids = torch.from_numpy(self.ids[positions]).to(self.accelerator.device)
        else:
            ids = self.resident[torch.from_numpy(positions).to(self.accelerator.device)].long()
        return ids[:-1], ids[1:]
