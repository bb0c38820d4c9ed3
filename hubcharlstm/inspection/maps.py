"""The values of all units of a layer as a picture: one byte each, and an order in which alike units are neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.inspection.trace import Trace

Bytes = NDArray[np.uint8]

GATES = ("input_gate", "forget_gate", "output_gate")
"""Series from 0 to 1; all others are from -1 to 1, of which the cell as its tanh."""
MAX_COLUMNS = 256
"""Characters whose values decide the order of the units."""
MIN_COLUMNS = 3
"""Fewer characters give no two directions; then the units stand in the order of their numbers."""
ITERATIONS = 12


def byte_map(trace: Trace, series: str, layer: int) -> Bytes:
    """(units, T): 0 to 255 for the lowest to the highest value that the series can have."""
    values: NDArray[np.float32] = getattr(trace, series)[trace.layers.index(layer)].T
    if series in GATES:
        return np.rint(values * 255).astype(np.uint8)
    return np.rint((np.tanh(values) if series == "cell" else values) * 127.5 + 127.5).astype(np.uint8)


def likeness_order(trace: Trace, layer: int) -> NDArray[np.uint16]:
    """The units of a layer, (units,), by the angle of their tanh(c) between the two directions in which they vary most.

    Units of like angle rise and fall together; the order begins after the widest gap (principal components as in
    Friendly 2002, "Corrgrams").
    """
    cell = np.tanh(trace.cell[trace.layers.index(layer)])  # (T, units)
    if len(cell) < MIN_COLUMNS:
        return np.arange(cell.shape[1], dtype=np.uint16)
    columns = np.linspace(0, len(cell) - 1, min(len(cell), MAX_COLUMNS)).astype(int)
    values = cell[columns] - cell[columns].mean(axis=0)
    values /= np.maximum(np.linalg.norm(values, axis=0), 1e-6)
    gram = (torch.from_numpy(values) @ torch.from_numpy(values.T)).numpy()  # (T, T)
    directions = np.random.default_rng(0).standard_normal((len(columns), 2))
    for _ in range(ITERATIONS):  # of subspace iteration, cheaper than all eigenvectors
        directions, _ = np.linalg.qr(gram @ directions)
    first, second = directions.astype(np.float32).T @ values
    angle = np.arctan2(second, first)
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(angle[order], append=angle[order[0]] + 2 * np.pi)
    return np.roll(order, -1 - int(gaps.argmax())).astype(np.uint16)
