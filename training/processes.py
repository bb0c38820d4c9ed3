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


def launched() -> int:
    """How many processes a launcher has started, by the variable that each of them has; 1 without one."""
    count = os.environ.get("WORLD_SIZE", "1")
    if not count.isdecimal():
        raise ValueError(
            f"The variable WORLD_SIZE is {count[:40]!r}; expected a number of processes, as torchrun sets it: unset it."
        )
    return int(count)


@cache
def join() -> Processes:
    """Join the other processes of this run, if a launcher started several; a single one otherwise."""
    if launched() < 2:
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


def leave() -> None:
    """Leave the group of this run's processes, at an end that all have agreed on; nothing is exchanged after it.

    Where a group is still there when the interpreter shuts down, its threads may be ended in C++, which aborts then.
    """
    if launched() > 1:
        from accelerate import PartialState

        PartialState().destroy_process_group()


def check_divides(batch_size: int, count: int) -> None:
    """Raise `ValueError` unless `count` processes can share the rows of a batch evenly."""
    if batch_size % count:
        divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
        raise ValueError(
            f"The run's batch has {batch_size} rows, which {count} processes cannot share evenly; expected a number "
            f"that divides it ({', '.join(map(str, divisors))}): start so many."
        )


def check_alone(command: str) -> None:
    """Raise `ValueError` where a launcher has started several processes of a command that does its work in one."""
    if (count := launched()) > 1:
        raise ValueError(
            f"`{command}` was started in {count} processes; expected a single one, since only `fit` and `resume` share "
            "their work: start it without the launcher, or unset WORLD_SIZE."
        )


def launcher_note() -> str:
    """A note where Accelerate was asked for several processes and has started one, as it does on CPUs; "" otherwise."""
    is_simple = "ACCELERATE_MIXED_PRECISION" in os.environ and "WORLD_SIZE" not in os.environ
    if not (is_simple and "MASTER_PORT" in os.environ):
        return ""
    return (
        "Accelerate has started a single process, as it does on CPUs; `accelerate launch --multi_gpu` and `torchrun` "
        "start several there, too"
    )


def check_local_sgd(num_steps: int, count: int) -> None:
    """Raise `ValueError` where there are no processes to average the weights of. num_steps: 0 without local SGD."""
    if num_steps and count == 1:
        raise ValueError(
            f"The run averages the weights of its processes every {num_steps} steps (--local-sgd-steps) and has a "
            "single one; expected several: start them by `torchrun --nproc-per-node 2 -m training ...`, or begin a "
            "run without it."
        )


def slower_note(count: int, alone: float, shared: float, exchange: float, *, every: int = 1) -> str:
    """A warning if `count` processes take longer for a step than one would; "" otherwise.

    alone: seconds of a whole batch in one process, with all cores of its machine. shared: of its part in each of them
    at the same time. exchange: of the gradients among all, or of the weights, once in `every` steps.
    """
    if shared + exchange / every < alone:
        return ""
    return (
        f"a step takes {1000 * alone:.0f} ms in one process, and here {1000 * shared:.0f} ms in each of {count} and "
        f"{1000 * exchange / every:.0f} ms to exchange what they learn: fewer processes are faster"
    )
