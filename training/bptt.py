"""Truncated backpropagation through time on Hugging Face Accelerate: contiguous batch rows with a carried state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.local_sgd import LocalSGD
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm import CharLSTM
from hubcharlstm.decoding.devices import tested_accelerator
from training import checkpoint
from training.checkpoint import Progress
from training.data.encoded import Array, TrainIds
from training.data.renaming import SpeakerRenaming
from training.distillation import TeacherProbs, distillation_loss
from training.ema import WeightEMA
from training.local_sgd import agree_steps, averaged_weights, tensors_of_others
from training.muon import GateMuon, is_gate_matrix
from training.network import TrainingNetwork
from training.processes import Processes, check_divides, check_local_sgd, join
from training.recipe import Recipe
from training.schedule import TrainSchedule

DEVICE_CHARS = 2**30
"""Of a longer text each window is copied to the device by itself."""


def new_accelerator() -> Accelerator:
    """On a GPU with bfloat16: bf16 autocast and TF32 products. On a CPU `training.lstm` chooses the precision."""
    fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if fast:
        torch.set_float32_matmul_precision("high")
    # Accelerate has to be told that processes share CPUs, and takes any accelerator, also one that no test runs on.
    only_cpu = tested_accelerator() is None and (join().count > 1 or torch.accelerator.is_available())
    return Accelerator(mixed_precision="bf16" if fast else "no", cpu=only_cpu)


def new_optimizers(model: CharLSTM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """AdamW, and where the recipe has a rate for it, Muon for the matrices of the gates."""
    named = dict(model.named_parameters())
    gates = [value for name, value in named.items() if is_gate_matrix(name) and recipe.muon_rate]
    others = [value for name, value in named.items() if not (is_gate_matrix(name) and recipe.muon_rate)]
    adamw = torch.optim.AdamW(others, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    muon = [GateMuon(gates, lr=recipe.muon_rate, weight_decay=recipe.weight_decay)] if gates else []
    return [adamw, *muon]


class TruncatedBPTT:
    """Network, optimizer, EMA and carried state of a run, and the optimizer step that updates them.

    `model` is trained; `ema.model` is evaluated and saved. teacher_probs: what teachers expect of the text, if any.
    renaming: what gives each epoch a text of its own, as long as `ids`, if anything does.
    Of several processes each reads its own `rows` of the batch and carries their state; gradients are averaged, or with
    the recipe's `local_sgd_steps` the weights (see `averaging`).
    """

    def __init__(
        self,
        model: CharLSTM,
        recipe: Recipe,
        schedule: TrainSchedule,
        ids: TrainIds,
        renaming: SpeakerRenaming | None = None,
    ) -> None:
        self.processes: Processes = join()
        check_divides(recipe.batch_size, self.processes.count)
        check_local_sgd(recipe.local_sgd_steps, self.processes.count)
        self.agree_steps = agree_steps(recipe.local_sgd_steps)
        self.local_sgd: LocalSGD | None = None
        self.rows = self.processes.rows(recipe.batch_size)
        self.accelerator = new_accelerator()
        self.model, self.recipe, self.schedule, self.ids = model, recipe, schedule, ids
        self.ema = WeightEMA(model.to(self.accelerator.device), recipe.ema_decay, recipe.softmax_temperature)
        self.network, *self.optimizers = self.accelerator.prepare(
            TrainingNetwork(
                model, recipe.weight_drop, recipe.dropout_samples, batch_size=recipe.batch_size, rows=self.rows
            ),
            *new_optimizers(model, recipe),
        )
        self.state = model.initial_state(self.rows.stop - self.rows.start)
        self.teacher_probs: TeacherProbs | None = None
        self.renaming, self.epoch = renaming, -1
        self.device_ids: Tensor | None = None
        if self.accelerator.device.type != "cpu" and len(ids) <= DEVICE_CHARS:
            self.load_to_device()

    @contextmanager
    def averaging(self, first_step: int) -> Iterator[None]:
        """The block of the steps from `first_step` on, after which all processes have the same weights.

        With local SGD they have them after every `local_sgd_steps` steps as well, without it always.
        """
        num_steps = self.recipe.local_sgd_steps
        with averaged_weights(self.accelerator, self.network, num_steps, first_step=first_step) as self.local_sgd:
            yield
        self.local_sgd = None

    def has_equal_weights(self, step: int) -> bool:
        """Whether all processes have the same weights after `step` steps, so that a checkpoint can hold them."""
        return self.local_sgd is None or step % self.recipe.local_sgd_steps == 0

    @torch.no_grad()
    def average_ema(self) -> None:
        """Give all processes the EMA of their mean weights, which is the mean of their EMAs; all of them call this."""
        if self.recipe.local_sgd_steps:
            for weight in self.ema.model.parameters():
                weight.copy_(self.processes.mean(weight))

    def save(self, run: Path, progress: Progress) -> None:
        """Write a checkpoint into the run folder, from the main process; all of them call this."""
        self.average_ema()
        others = []
        if self.recipe.local_sgd_steps:
            others = tensors_of_others(checkpoint.optimizer_tensors(self.optimizers), self.processes)
        h, c = self.state
        state = self.processes.all_rows(h), self.processes.all_rows(c)
        if self.processes.is_main:
            checkpoint.save(
                run, network=self.model, ema=self.ema.model, optimizers=self.optimizers, state=state,
                progress=progress, others=others,
            )  # fmt: skip

    def load(self, run: Path) -> Progress:
        """Restore the run's checkpoint; raises `ValueError` if it has none or a damaged one."""
        (h, c), progress = checkpoint.load(
            run, network=self.model, ema=self.ema.model, optimizers=self.optimizers, device=self.accelerator.device,
            process=self.processes.index,
        )  # fmt: skip
        self.state = h[:, self.rows].contiguous(), c[:, self.rows].contiguous()
        return progress

    def step(self, step: int) -> Tensor:
        """Take optimizer step `step`, counted from 0.

        Returns the mean cross-entropy over the rows of this process and the dropout samples, a scalar on the device.
        """
        epoch, window = divmod(step, self.schedule.steps_per_epoch)
        self.reset_states(step, all_rows=window == 0)
        inputs, targets = self.window(epoch, window)
        for optimizer, peak in zip(self.optimizers, (self.recipe.learning_rate, self.recipe.muon_rate), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = peak * self.schedule.rate_factor(self.recipe, step)
        self.network.train()
        logits, (h, c) = self.network(inputs, self.state)
        self.state = (h.detach(), c.detach())
        loss = cross_entropy(logits.flatten(0, 2), targets.expand(len(logits), -1, -1).flatten())
        self.accelerator.backward(self.objective(loss, logits, epoch, window))
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.grad_clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self.local_sgd is not None:
            self.local_sgd.step()
        self.ema.update(step + 1)
        return loss.detach()

    def objective(self, loss: Tensor, logits: Tensor, epoch: int, window: int) -> Tensor:
        """What is minimized: the cross-entropy `loss`, or with teachers its mean with the divergence from them."""
        if self.teacher_probs is None:
            return loss
        expected = self.teacher_probs[self.positions(epoch, window)[:-1]].to(logits.device)
        divergence = distillation_loss(logits, expected.expand_as(logits), self.recipe.distill_temperature)
        return loss.lerp(divergence, self.recipe.distill_weight)

    def reset_states(self, step: int, *, all_rows: bool) -> None:
        """Reset the state of a random share of the batch rows, or of all, to zero.

        If the state were carried from epoch to epoch, the network would hardly ever see a zero state and would generate
        garbage from it.
        """
        draws = np.random.default_rng([self.recipe.seed, 1, step]).random(self.recipe.batch_size)
        is_reset = (draws < self.recipe.state_reset_prob) | all_rows
        reset = torch.from_numpy(is_reset[self.rows]).to(self.accelerator.device)
        h, c = self.state
        self.state = h.masked_fill(reset[:, None], 0.0), c.masked_fill(reset[:, None], 0.0)

    def start_epoch(self, epoch: int) -> None:
        """Take the ids of an epoch whose text differs from the one before."""
        if self.renaming is None or epoch == self.epoch:
            return
        self.ids, self.epoch = TrainIds(self.renaming.text_of_epoch(epoch), self.model.vocabulary), epoch
        if self.device_ids is not None:
            self.load_to_device()

    def load_to_device(self) -> None:
        """Copy the ids of the whole text to the device, so that windows are gathered there."""
        self.device_ids = torch.from_numpy(self.ids.to_array()).to(self.accelerator.device)

    def window(self, epoch: int, window: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (T, rows of this process) of a window."""
        self.start_epoch(epoch)
        positions = self.positions(epoch, window)
        if self.device_ids is None:
            ids = torch.from_numpy(self.ids[positions]).to(self.accelerator.device)
        else:
            ids = self.device_ids[torch.from_numpy(positions).to(self.accelerator.device)].long()
        return ids[:-1], ids[1:]

    def positions(self, epoch: int, window: int) -> Array:
        """Where a window's inputs and their last target (T + 1, rows of this process) stand in the text.

        Each epoch starts at its own offset of up to T.
        """
        batch, length = self.recipe.batch_size, self.recipe.seq_len
        row_len = len(self.ids) // batch
        offset = self.schedule.offset(self.recipe, epoch)
        in_row = offset + window * length + np.arange(length + 1)[:, None]
        return in_row + np.arange(batch)[self.rows] * row_len
