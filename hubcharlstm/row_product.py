"""The product of one row with a weight by NumPy's BLAS, on all of its threads or on one, with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_SERIAL_SIZE = 65_536
"""Elements of a weight that OpenBLAS (gemv) multiplies by a row on the calling thread; NumPy's wheels split from
460,800 elements on. Its number of threads can be set for the whole process only, so a large weight is multiplied in
blocks instead."""

PROBES = 4


class RowProduct(NamedTuple):
    """Two calls that write the same product into the same buffer: on the calling thread, and on several."""

    serial: Callable[[], NDArray[np.generic]]
    parallel: Callable[[], NDArray[np.generic]]


def bind_row_product(x: NDArray[np.float32], weight: NDArray[np.float32]) -> RowProduct:
    """Calls that multiply what x (1, K) then holds by weight (N, K), contiguous -> x @ weight.T, (1, N).

    Both are the serial one where the blocks of this BLAS give other bits than its whole product.
    """
    out = np.empty((1, len(weight)), np.float32)
    columns = weight.T

    def parallel() -> NDArray[np.generic]:
        return np.matmul(x, columns, out)

    rows = _rows_per_block(*weight.shape)
    if rows == len(weight):
        return RowProduct(parallel, parallel)
    blocks = weight.reshape(-1, rows, weight.shape[1]).transpose(0, 2, 1)  # (N / rows, K, rows)
    block_out = out.reshape(-1, 1, rows)

    def serial() -> NDArray[np.generic]:
        np.matmul(x, blocks, block_out)
        return out

    return RowProduct(serial, parallel if _gives_same_bits(rows, *weight.shape) else serial)


def serial_product(matrix: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """matrix (N, K) @ vector (K,), (N,), on the calling thread."""
    rows = _rows_per_block(*matrix.shape)
    if rows * matrix.shape[1] > MAX_SERIAL_SIZE:
        products: NDArray[np.float32] = np.vecdot(matrix, vector)  # NumPy calls BLAS once for each row
    else:
        products = np.matmul(matrix.reshape(-1, rows, matrix.shape[1]), vector).ravel()
    return products


def _rows_per_block(num_rows: int, size: int) -> int:
    """The largest halving of `num_rows` whose blocks are small enough, but at least 8: BLAS kernels take 4 or 8."""
    rows = num_rows
    while rows * size > MAX_SERIAL_SIZE and rows % 16 == 0:
        rows //= 2
    return rows


@cache
def _gives_same_bits(rows: int, num_rows: int, size: int) -> bool:
    """Whether products of random rows and weights in blocks of `rows` are equal to the whole ones to the bit.

    A kernel adds up in an order of its own, by the shape. Asked once for each: it wakes the threads of BLAS, which then
    spin for some 0.1 s.
    """
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((num_rows, size), dtype=np.float32)
    columns, blocks = weight.T, weight.reshape(-1, rows, size).transpose(0, 2, 1)
    for _ in range(PROBES):
        x = rng.standard_normal((1, size), dtype=np.float32)
        if not np.array_equal(np.matmul(x, columns).ravel(), np.matmul(x, blocks).ravel()):
            return False
    return True
