"""Clamped cells: values that overwrite c after its update and before its tanh, row by row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hubcharlstm.arguments import finite_number, shown, whole_number
from hubcharlstm.network import CharLSTMConfig

Clamp = tuple[tuple[int, int, float], ...]
"""(layer, unit, value) of each clamped cell in order; () for none."""

MAX_CLAMP = 100.0
"""A cell grows by at most 1 at a step, and tanh is 1 to the last bit beyond 10."""

ClampedCells = tuple[Tensor, Tensor, Tensor]
"""Rows, units (N,) int64 and values (N,) fp32 of the clamped cells of one layer."""


def check_clamp(clamp: Mapping[tuple[int, int], float], config: CharLSTMConfig) -> Clamp:
    """`clamp`, values by (layer, unit), as a `Clamp`; raises `ValueError` for a cell or a value out of range."""
    if not isinstance(clamp, Mapping):
        raise ValueError(f"clamp is {shown(clamp)}; expected values by (layer, unit), such as {{(0, 12): 2.0}}.")
    cells: dict[tuple[int, int], float] = {}
    for cell, value in clamp.items():
        layer, unit = _cell(cell, config)
        number = finite_number(value)
        if number is None or abs(number) > MAX_CLAMP:
            raise ValueError(
                f"clamp has the value {shown(value)} for layer {layer}, unit {unit}; expected a number from "
                f"{-MAX_CLAMP:g} to {MAX_CLAMP:g}: correct it."
            )
        cells[layer, unit] = float(np.float32(number))
    return tuple((layer, unit, value) for (layer, unit), value in sorted(cells.items()))


def _cell(cell: Any, config: CharLSTMConfig) -> tuple[int, int]:
    pair = tuple(whole_number(number) for number in cell) if isinstance(cell, tuple) else ()
    if len(pair) == 2:
        layer, unit = pair
        if layer is not None and unit is not None and 0 <= layer < config.num_layers and 0 <= unit < config.hidden_size:
            return layer, unit
    raise ValueError(
        f"clamp has the cell {shown(cell)}; expected (layer, unit) with a layer from 0 to {config.num_layers - 1} and "
        f"a unit from 0 to {config.hidden_size - 1}: correct it."
    )


def cell_as_text(layer: int, unit: int, value: float) -> str:
    """A clamped cell as `parse_cell` reads it, to the last bit of the value."""
    return f"{layer}:{unit}:{value:.9g}"


def parse_cell(text: str) -> tuple[int, int, float]:
    """(layer, unit, value) of a text such as 0:12:2.5; raises `ValueError` for any other."""
    found = re.fullmatch(r"(\d{1,6}):(\d{1,6}):([+-]?\d{1,20}(?:\.\d{1,20})?(?:e[+-]?\d{1,2})?)", text, re.ASCII)
    if found is None:
        raise ValueError(
            f"The clamped cell is {text[:40]!r}; expected its layer, unit and value, such as 0:12:2.5: correct it."
        )
    return int(found[1]), int(found[2]), float(found[3])


def clamped_cells(clamps: Mapping[int, Clamp], layer: int, rows: slice, device: torch.device) -> ClampedCells | None:
    """The clamped cells of a layer in some rows, counted from the first of them; None if there are none.

    clamps: by row, only of rows that have one.
    """
    cells = [
        (row - rows.start, unit, value)
        for row, clamp in clamps.items()
        if rows.start <= row < rows.stop
        for number, unit, value in clamp
        if number == layer
    ]
    if not cells:
        return None
    numbers, units, values = zip(*cells, strict=True)
    return (
        torch.tensor(numbers, device=device),
        torch.tensor(units, device=device),
        torch.tensor(values, dtype=torch.float32, device=device),
    )
