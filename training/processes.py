"""The processes of one run, as `torchrun` starts them: who writes, and whose rows are whose.

Every process computes what a single one would, but for its own rows of each batch; random numbers are drawn for the
whole batch. So the number of processes changes nothing but roundings, and a run may go on with another number.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")
AGREE_STEPS = 10
"""Steps between two agreements on whether to stop or to save: each one waits for the slowest process."""
TIMED_EXCHANGES = 3


@dataclass(frozen=True)
class Processes:
    """This process among those of the run. count, index: how many there are, and which one this is, from 0."""

    count: int = 1
    index: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this one writes, prints and publishes."""
        return self.index == 0

    def rows(self, batch_size: int) -> slice:
        """The rows of a batch that this process reads; `batch_size` is a multiple of `count`."""
        share = batch_size // self.count
        return slice(self.index * share, (self.index + 1) * share)

    def from_main(self, value: T) -> T:
        """The main process's `value`, on every process."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        values: list[T] = broadcast_object_list([value])
        return values[0]

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over the processes."""
        if self.count == 1:
            return value
        from accelerate.utils import reduce

        mean: Tensor = reduce(value, "mean")
        return mean

    def all_rows(self, value: Tensor) -> Tensor:
        """value (L, B / count, H) of each process -> (L, B, H), in the order of the batch's rows."""
        if self.count == 1:
            return value
        from accelerate.utils import gather

        rows: Tensor = gather(value.transpose(0, 1).contiguous())
        return rows.transpose(0, 1)

    def gather(self, value: Tensor) -> Tensor:
        """`value` of each process -> (count, ...), in their order."""
        if self.count == 1:
            return value[None]
        from accelerate.utils import gather

        values: Tensor = gather(value[None].contiguous())
        return values

    def any(self, step: int, *flags: bool, every: int = AGREE_STEPS) -> tuple[bool, ...]:
        """Which flags are set on any process, agreed on every so many steps; between those, none is."""
        if self.count == 1:
            return flags
        if step % every:
            return (False,) * len(flags)
        from accelerate.utils import gather_object

        everywhere = gather_object([flags])
        return tuple(any(column) for column in zip(*everywhere, strict=True))

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def exchange_seconds(self, num_parameters: int, device: torch.device) -> float:
        """How long one exchange of gradients takes: the fastest of TIMED_EXCHANGES."""
        gradients, seconds = torch.zeros(num_parameters, device=device), []
        for _ in range(TIMED_EXCHANGES):
            self.wait()
            started = time.perf_counter()
            self.mean(gradients)[0].item()  # waits for the device
            seconds.append(time.perf_counter() - started)
        return min(seconds)


@cache
def join() -> Processes:
    """Join the other processes of this run, if a launcher started several; a single one otherwise."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Processes()
    from accelerate import PartialState

    if "TORCHELASTIC_RUN_ID" in os.environ:
        _init_process_group()
    state = PartialState(cpu=not torch.cuda.is_available())
    return Processes(state.num_processes, state.process_index)


def _init_process_group() -> None:
    """Initialize PyTorch's group, as Accelerate would, but with keys of its own for each restart by torchrun.

    torchrun's store outlives its workers, and Gloo would find the addresses of those that were killed.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store, rank, count = next(rendezvous("env://"))
    torch.distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        store=PrefixStore(f"attempt-{attempt}", store),
        rank=rank,
        world_size=count,
    )


def check_divides(batch_size: int, count: int) -> None:
    """Raise `ValueError` unless `count` processes can share the rows of a batch evenly."""
    if batch_size % count:
        divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
        raise ValueError(
            f"The run's batch has {batch_size} rows, which {count} processes cannot share evenly; expected a number "
            f"that divides it ({', '.join(map(str, divisors))}): start so many."
        )


def check_local_sgd(num_steps: int, count: int) -> None:
    """Raise `ValueError` where there are no processes to average the weights of. num_steps: 0 without local SGD."""
    if num_steps and count == 1:
        raise ValueError(
            f"The run averages the weights of its processes every {num_steps} steps (--local-sgd-steps) and has a "
            "single one; expected several: start them by `torchrun --nproc-per-node 2 -m training ...`, or begin a "
            "run without it."
        )


def slower_note(count: int, step_seconds: float, exchange_seconds: float, *, every: int = 1) -> str:
    """A warning if `count` processes take longer for a step than one would; "" otherwise.

    step_seconds: of a whole batch in one process. exchange_seconds: of the gradients among all, or of the weights,
    which are exchanged once in `every` steps.
    """
    shared = step_seconds / count + exchange_seconds / every
    if shared < step_seconds:
        return ""
    return (
        f"a step takes {1000 * step_seconds:.0f} ms in one process, and here {1000 * step_seconds / count:.0f} ms in "
        f"each of {count} and {1000 * exchange_seconds / every:.0f} ms to exchange what they learn: fewer processes "
        "are faster"
    )
