"""A cheap value that changes with a network's weights: it tells that a decoder built from them is out of date."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.row_product import serial_product


def weights_version(parameters: Iterable[torch.Tensor]) -> tuple[Any, ...]:
    """Equal for equal weights in the same tensors; another one after any change larger than rounding.

    PyTorch counts the operations that change a tensor (`_version`), but fused optimizers, `.data` and NumPy views
    change weights without being counted. So each row is multiplied by a fixed random vector, and the products are
    hashed in order: a swap within a row changes its product, a swap of rows the hash. One pass over the weights, at the
    speed of memory on one thread; a plain sum costs the same and misses every permutation.
    """
    return tuple(
        (value.data_ptr(), _count_of_changes(value), value.device, tuple(value.shape), _checksum(value.detach()))
        for value in parameters
    )


def _count_of_changes(value: torch.Tensor) -> int:
    """PyTorch's count; 0 for a model that was made or loaded in inference mode, whose tensors have none."""
    return 0 if value.is_inference() else value._version


def _checksum(value: torch.Tensor) -> int:
    if value.device.type == "cpu" and value.dtype == torch.float32:
        with np.errstate(all="ignore"):  # a damaged model may hold infinities
            products = serial_product(value.numpy().reshape(-1, value.shape[-1]), _projection(value.shape[-1]))
    else:
        projection = torch.from_numpy(_projection(value.shape[-1])).to(value.device)
        products = (value.float() @ projection).cpu().numpy()
    return zlib.crc32(np.ascontiguousarray(products).tobytes())


@cache
def _projection(size: int) -> NDArray[np.float32]:
    """Numbers from 1/2 to 3/2, all different for all practical purposes; the same in every process."""
    return np.random.default_rng(size).random(size, dtype=np.float32) + np.float32(0.5)
