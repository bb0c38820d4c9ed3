"""The clamp of a reply, as the page and a permalink hold it: [layer, unit, value] of each cell."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator

from hubcharlstm.arguments import finite_number, whole_number
from hubcharlstm.decoding.clamping import MAX_CLAMP, Clamp, cell_as_text, parse_cell
from hubcharlstm.demo.errors import UserError

MAX_CELLS = 16
"""Cells that one request may clamp."""


def check_clamp(value: Any) -> Clamp:
    """A list of [layer, unit, value] as a `Clamp`, () for None; raises `UserError` for anything else.

    Whether the model has the cells is the model's to say.
    """
    cells = [] if value is None else value
    if not isinstance(cells, (list, tuple)):
        raise UserError("The clamp is no list; expected [layer, unit, value] of each cell: send it as such.")
    if len(cells) > MAX_CELLS:
        raise UserError(f"{len(cells)} cells are clamped; expected {MAX_CELLS} at most: release some.")
    clamp: dict[tuple[int, int], float] = {}
    for cell in cells:
        layer, unit, number = check_cell(cell)
        if (layer, unit) in clamp:
            raise UserError(f"The clamp names layer {layer}, unit {unit} twice; expected it once: leave one out.")
        clamp[layer, unit] = float(np.float32(number))
    return tuple((layer, unit, number) for (layer, unit), number in sorted(clamp.items()))


def check_cell(cell: Any) -> tuple[int, int, float]:
    """[layer, unit, value] of a cell; raises `UserError` for anything else."""
    if isinstance(cell, (list, tuple)) and len(cell) == 3:
        layer, unit, value = whole_number(cell[0]), whole_number(cell[1]), finite_number(cell[2])
        is_cell = layer is not None and unit is not None and min(layer, unit) >= 0
        if is_cell and value is not None and abs(value) <= MAX_CLAMP:
            return int(cell[0]), int(cell[1]), value
    raise UserError(
        f"The clamp holds {str(cell)[:60]}; expected [layer, unit, value] with a value from {-MAX_CLAMP:g} to "
        f"{MAX_CLAMP:g}: correct it."
    )


def clamp_as_lists(clamp: Clamp) -> list[list[float]]:
    """The clamp as a reply holds it."""
    return [list(cell) for cell in clamp]


def clamp_as_text(cells: list[list[float]]) -> str:
    """The clamp of a reply as a permalink's parameter, such as 0:12:2.5,0:40:-1; "" for none."""
    return ",".join(cell_as_text(*cell) for cell in check_clamp(cells))


def parse_clamp(text: str) -> Clamp:
    """The clamp of such a parameter; raises `UserError` for a damaged one."""
    try:
        return check_clamp([parse_cell(part) for part in text[:2_000].split(",")] if text else [])
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{error} It stands in the link.") from None


ClampedCells = Annotated[Clamp, PlainValidator(check_clamp)]
"""The clamp of a request, which may be missing."""
