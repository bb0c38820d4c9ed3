"""Local SGD: processes train for themselves and average their weights every few steps (Stich 2019), by Accelerate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from accelerate import Accelerator
from accelerate.local_sgd import LocalSGD
from torch import Tensor, nn

from training.processes import AGREE_STEPS, Processes


@contextmanager
def averaged_weights(
    accelerator: Accelerator, network: nn.Module, num_steps: int, *, first_step: int
) -> Iterator[LocalSGD | None]:
    """Within the block gradients stay in their process, and `step()` of what it gives averages the weights when due.

    That is after every `num_steps` steps, counted from 0 however many `first_step` says are done, and at the end of the
    block. num_steps: 0 exchanges gradients as ever, and gives None. network: prepared by `accelerator`.
    """
    if not num_steps:
        yield None
        return
    local_sgd = LocalSGD(accelerator=accelerator, model=network, local_sgd_steps=num_steps)
    local_sgd.num_steps = first_step
    local_sgd.__enter__()
    yield local_sgd
    # Without `finally`: where this process has failed, the others do not come to average, and it would wait for them.
    local_sgd.__exit__(None, None, None)


def agree_steps(num_steps: int) -> int:
    """Steps between two agreements of the processes, at which a run may stop or save: its weights are equal there."""
    return num_steps * -(-AGREE_STEPS // num_steps) if num_steps else AGREE_STEPS


def tensors_of_others(tensors: Mapping[str, Tensor], processes: Processes) -> list[dict[str, Tensor]]:
    """Such `tensors` of every process but the main one, in their order; all of them call this."""
    everywhere = {name: processes.gather(value) for name, value in tensors.items()}
    return [{name: values[index].clone() for name, values in everywhere.items()} for index in range(1, processes.count)]
