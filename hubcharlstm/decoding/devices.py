"""Which device and precision a model decodes in."""

from __future__ import annotations

import time

import torch

from hubcharlstm.arguments import is_utf8, shown
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.torch_compat import has_fast_int8

DEVICE_TYPES = ("cpu", "cuda")
"""What the tests run on. Others of PyTorch, such as mps, are refused: nobody has compared their texts."""


def resolve_precision(precision: str, device: torch.device) -> str:
    """ "auto" as the precision that `device` decodes in: int8 on a CPU that is fast at it, else fp32.

    Raises `ValueError` for int8 on another device than a CPU.
    """
    if precision == "auto":
        return "int8" if device.type == "cpu" and has_fast_int8() else "fp32"
    if precision == "int8" and device.type != "cpu":
        raise ValueError(f'precision is "int8" on {device}; expected a CPU for exact int8 sums: leave it at "auto".')
    return precision


def tested_accelerator() -> torch.device | None:
    """The accelerator of this machine, if it is of a kind that the tests run on."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found if found is not None and found.type in DEVICE_TYPES else None


def fastest_device(network: CharLSTMNetwork, precision: str = "auto") -> torch.device:
    """The device whose step of one row takes less time, measured in the precision that it would decode in.

    A single row is often faster on the CPU than on an accelerator, whose launches cost more than its products. The CPU
    where there is no other, and for int8. Leaves `network` on the device that was measured last.
    """
    cpu = torch.device("cpu")
    accelerator = tested_accelerator()
    if accelerator is None or precision == "int8":
        return cpu
    return min(
        (cpu, accelerator),
        key=lambda device: seconds_per_step(Decoder(network.to(device), resolve_precision(precision, device))),
    )


def seconds_per_step(decoder: Decoder, steps: int = 30) -> float:
    """The median time of one row's step, with its logits copied to the CPU as sampling does."""
    ids, buffer = torch.zeros(1, dtype=torch.int64, device=decoder.device), decoder.state_buffer(1)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        decoder.step(ids, buffer).cpu()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[steps // 2]


def select_device(network: CharLSTMNetwork, device: str | torch.device, precision: str) -> torch.device:
    """`device` itself, or for "auto" the fastest; raises `ValueError` for one that cannot be used here."""
    if isinstance(device, str) and device == "auto":
        return fastest_device(network, precision)
    if not isinstance(device, str | torch.device) or not is_utf8(str(device)):
        raise ValueError(f'device is {shown(device)}; expected "auto", "cpu" or another of torch: correct it.')
    try:
        chosen = torch.device(device)
        if chosen.type not in DEVICE_TYPES:
            raise ValueError(
                f'device is {shown(str(device))}, a kind that this library is not tested on; expected "auto", "cpu" or '
                '"cuda": choose one.'
            )
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(
            f'device is {shown(str(device))}, which torch cannot use here ({reason}); expected "auto" or "cpu".'
        ) from None
    return chosen
