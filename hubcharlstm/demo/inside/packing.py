"""The answers of the view as bytes: a JSON header and arrays, which a page uses as they lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubcharlstm.demo.inside.requests import Cell
from hubcharlstm.inspection.maps import byte_map, likeness_order
from hubcharlstm.inspection.report_page import liveliest
from hubcharlstm.inspection.terms import UnitTerms, layer_terms
from hubcharlstm.inspection.trace import SERIES, Trace
from hubcharlstm.model import CharLSTM

ALIGNMENT = 4
GUESSES = 5
"""Likeliest characters that are told for each place."""
NAMED_CELLS = 12
"""Cells that the menu offers."""


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Four bytes with the header's length, the header, and the arrays one after another, each at a multiple of four.

    The header's `arrays` lists [name, type, shape] of each; all numbers are little-endian.
    """
    listed = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({**header, "arrays": listed}, ensure_ascii=False).encode()
    parts = [len(text).to_bytes(4, "little"), padded(text, b" ")]
    parts += [padded(np.ascontiguousarray(array).tobytes(), b"\0") for array in arrays.values()]
    return b"".join(parts)


def padded(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % ALIGNMENT)


def menu_cells(model: CharLSTM, trace: Trace) -> list[dict[str, Any]]:
    """The cells that the view offers by name: the strongest few of each probe, else those that vary most."""
    found: list[dict[str, Any]] = []
    cells = model.cells.cells if model.cells is not None else ()
    for repeat in range(3):
        for cell in strongest_of_each(cells, repeat):
            found.append(
                {
                    "layer": cell.layer,
                    "unit": cell.unit,
                    "probe": cell.probe,
                    "name": cell.description,
                    "strength": cell.correlation,
                }
            )
    found = found[:NAMED_CELLS]
    if not found:
        found = [
            {"layer": layer, "unit": unit, "probe": "", "name": "", "strength": None}
            for layer, unit in liveliest(trace, NAMED_CELLS)
        ]
    return found


def strongest_of_each(cells: Any, repeat: int) -> list[Any]:
    """Of each probe the cell that is the strongest but `repeat`, in the order of their strength."""
    by_probe: dict[str, list[Any]] = {}
    for cell in cells:
        by_probe.setdefault(cell.probe, []).append(cell)
    return [ranked[repeat] for ranked in by_probe.values() if len(ranked) > repeat]


def trace_arrays(trace: Trace) -> dict[str, NDArray[Any]]:
    """surprise (T,) in bits; the likeliest characters of each place and of the one after the text, (T + 1, k)."""
    log_probs = np.concatenate([trace.log_probs, trace.next_log_probs[None]])
    ids = np.argsort(-log_probs, axis=1, kind="stable")[:, :GUESSES]
    chances = np.exp(np.take_along_axis(log_probs, ids, axis=1))
    return {"surprise": trace.surprise, "guess_ids": ids.astype(np.uint16), "guess_probs": chances.astype(np.float32)}


def cell_arrays(model: CharLSTM, trace: Trace, cells: list[Cell]) -> dict[str, NDArray[Any]]:
    """Of each cell, exact: series (cells, 6, T) in the order of `SERIES`; input and recurrent (cells, 4, T) and
    bias (cells, 4) of its gates; initial (cells, 2), c and h before the text."""
    if not cells:
        return {}
    found: dict[Cell, UnitTerms] = {}
    for layer in {layer for layer, _ in cells}:
        units = list(dict.fromkeys(unit for other, unit in cells if other == layer))
        found |= zip(((layer, unit) for unit in units), layer_terms(model, trace, layer, units), strict=True)
    terms = [found[cell] for cell in cells]
    return {
        "series": np.stack([[getattr(trace, name)[layer, :, unit] for name in SERIES] for layer, unit in cells]),
        "input": np.stack([term.input for term in terms]),
        "recurrent": np.stack([term.recurrent for term in terms]),
        "bias": np.stack([term.bias for term in terms]),
        "initial": np.stack([[trace.initial_cell[cell], trace.initial_hidden[cell]] for cell in cells]),
    }


def map_arrays(trace: Trace, maps: tuple[tuple[str, int], ...]) -> dict[str, NDArray[Any]]:
    """Each map (units, T) uint8 as `map:SERIES:LAYER`, and the order of its layer's units as `order:LAYER`."""
    arrays: dict[str, NDArray[Any]] = {
        f"map:{series}:{layer}": byte_map(trace, series, layer) for series, layer in maps
    }
    return arrays | {f"order:{layer}": likeness_order(trace, layer) for layer in {layer for _, layer in maps}}
