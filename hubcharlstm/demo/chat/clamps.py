"""The clamp of a reply, as the page and a permalink hold it: [layer, unit, value] of each cell."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator

from hubcharlstm.arguments import finite_number, whole_number
from hubcharlstm.decoding.clamping import MAX_CLAMP, Clamp, cell_as_text, parse_cell
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.words.catalogue import sentence

MAX_CELLS = 16
"""Cells that one request may clamp."""


def check_clamp(value: Any) -> Clamp:
    """A list of [layer, unit, value] as a `Clamp`, () for None; raises `UserError` for anything else.

    Whether the model has the cells is the model's to say.
    """
    cells = [] if value is None else value
    if not isinstance(cells, (list, tuple)):
        raise UserError(sentence("clamp.no_list"))
    if len(cells) > MAX_CELLS:
        raise UserError(sentence("clamp.too_many", count=len(cells), max=MAX_CELLS))
    clamp: dict[tuple[int, int], float] = {}
    for cell in cells:
        layer, unit, number = check_cell(cell)
        if (layer, unit) in clamp:
            raise UserError(sentence("clamp.twice", layer=layer, unit=unit))
        clamp[layer, unit] = float(np.float32(number))
    return tuple((layer, unit, number) for (layer, unit), number in sorted(clamp.items()))


def check_cell(cell: Any) -> tuple[int, int, float]:
    """[layer, unit, value] of a cell; raises `UserError` for anything else."""
    if isinstance(cell, (list, tuple)) and len(cell) == 3:
        layer, unit, value = whole_number(cell[0]), whole_number(cell[1]), finite_number(cell[2])
        is_cell = layer is not None and unit is not None and min(layer, unit) >= 0
        if is_cell and value is not None and abs(value) <= MAX_CLAMP:
            return int(cell[0]), int(cell[1]), value
    raise UserError(sentence("clamp.invalid", cell=str(cell)[:60], low=-MAX_CLAMP, high=MAX_CLAMP))


def clamp_as_lists(clamp: Clamp) -> list[list[float]]:
    """The clamp as a reply holds it."""
    return [list(cell) for cell in clamp]


def clamp_as_text(cells: list[list[float]]) -> str:
    """The clamp of a reply as a permalink's parameter, such as 0:12:2.5,0:40:-1; "" for none."""
    return ",".join(cell_as_text(*cell) for cell in check_clamp(cells))


def parse_clamp(text: str) -> Clamp:
    """The clamp of such a parameter; raises `UserError` for a damaged one."""
    return check_clamp([parse_linked_cell(part) for part in text[:2_000].split(",")] if text else [])


def parse_linked_cell(text: str) -> tuple[int, int, float]:
    """The clamped cell of a part of such a parameter."""
    try:
        return parse_cell(text)
    except ValueError:
        raise UserError(sentence("clamp.damaged_link", cell=repr(text[:40]))) from None


ClampedCells = Annotated[Clamp, PlainValidator(check_clamp)]
"""The clamp of a request, which may be missing."""
