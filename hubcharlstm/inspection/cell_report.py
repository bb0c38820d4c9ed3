"""The named cells of a model as its folder stores them, `cells.json`, with what the strongest do over a passage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hubcharlstm.arguments import finite_number, whole_number
from hubcharlstm.inspection.cells import NamedCell, name_cells
from hubcharlstm.inspection.trace import trace
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary

MAX_SHOWN = 3
MAX_PASSAGE = 1000
"""Characters of a passage that a file may hold."""
PASSAGE = 240
"""Characters of the passage that a report is made with."""
PROBE = re.compile(r"[a-z][a-z_]{0,39}")


@dataclass(frozen=True)
class CellReport:
    """What is known of a model's cells.

    cells: those with a name, the strongest first. passage: a text that the model wrote. activations: of each cell of
    `strongest`, 100 * tanh(c) as a whole number for each character of the passage.
    """

    cells: tuple[NamedCell, ...]
    passage: str = ""
    activations: tuple[tuple[int, ...], ...] = ()

    def __repr__(self) -> str:
        return f"CellReport({len(self.cells)} cells with a name)"

    @property
    def strongest(self) -> tuple[NamedCell, ...]:
        """The strongest cells, up to three, each of another name."""
        by_probe: dict[str, NamedCell] = {}
        for cell in self.cells:
            by_probe.setdefault(cell.probe, cell)
        return tuple(by_probe.values())[:MAX_SHOWN]

    def to_dict(self) -> dict[str, Any]:
        """The content of `cells.json`."""
        return {
            "cells": [asdict(cell) for cell in self.cells],
            "passage": self.passage,
            "activations": [list(values) for values in self.activations],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], config: CharLSTMConfig) -> CellReport:
        """The report of a parsed `cells.json`; raises `ValueError` for anything that `to_dict` cannot have written."""
        cells, passage, activations = data.get("cells"), data.get("passage"), data.get("activations")
        total = config.num_layers * config.hidden_size
        if not isinstance(cells, list) or len(cells) > total or not isinstance(activations, list):
            raise ValueError(
                f'cells.json holds no "cells" list of at most {total} with an "activations" list; expected both: '
                "take all files from one save."
            )
        named = tuple(_named_cell(cell, config) for cell in cells)
        if len({(cell.layer, cell.unit) for cell in named}) < len(named):
            raise ValueError("cells.json names a cell twice; expected each once: take all files from one save.")
        if not isinstance(passage, str) or len(passage) > MAX_PASSAGE:
            raise ValueError(f"cells.json has no passage of at most {MAX_PASSAGE} characters; expected one.")
        report = cls(named, passage, tuple(_activations(values, len(passage)) for values in activations))
        if len(report.activations) != (len(report.strongest) if passage else 0):
            raise ValueError(
                f"cells.json has {len(report.activations)} rows of activations for {len(report.strongest)} cells; "
                "expected one for each: take all files from one save."
            )
        return report


def _named_cell(data: Any, config: CharLSTMConfig) -> NamedCell:
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    layer, unit = whole_number(fields.get("layer")), whole_number(fields.get("unit"))
    correlation, p_value = finite_number(fields.get("correlation")), finite_number(fields.get("p_value"))
    probe = fields.get("probe")
    if (
        layer is None or not 0 <= layer < config.num_layers
        or unit is None or not 0 <= unit < config.hidden_size
        or correlation is None or not -1 <= correlation <= 1
        or p_value is None or not 0 <= p_value <= 1
        or not isinstance(probe, str) or not PROBE.fullmatch(probe)
    ):  # fmt: skip
        raise ValueError(
            f"cells.json has the cell {str(data)[:100]}; expected a layer below {config.num_layers}, a unit below "
            f"{config.hidden_size}, a probe, a correlation from -1 to 1 and a p_value: take all files from one save."
        )
    return NamedCell(layer, unit, probe, float(correlation), float(p_value))


def _activations(values: Any, length: int) -> tuple[int, ...]:
    numbers = [whole_number(value) for value in values] if isinstance(values, list) else []
    good = tuple(number for number in numbers if number is not None and -100 <= number <= 100)
    if len(good) != length or len(numbers) != length:
        raise ValueError(
            f"cells.json has activations that are no {length} whole numbers from -100 to 100; expected one for each "
            "character of the passage: take all files from one save."
        )
    return good


def cell_report(
    network: CharLSTMNetwork, vocabulary: Vocabulary, text: str, *, passage: str, start_text: str, fingerprint: str
) -> CellReport:
    """The cells that `text`, which the network was not trained on, gives a name, and the strongest over `passage`.

    passage: read after `start_text`; up to `PASSAGE` characters of it are kept, and none if no cell has a name.
    """
    report = CellReport(name_cells(network, vocabulary, text))
    chosen, shown = report.strongest, vocabulary.encode(passage).text[:PASSAGE]
    if not chosen or not shown:
        return report
    layers, units = (sorted(set(numbers)) for numbers in zip(*((c.layer, c.unit) for c in chosen), strict=True))
    found = trace(
        network, vocabulary, shown, start_text=start_text, fingerprint=fingerprint, layers=layers, units=units
    )
    activations = tuple(
        tuple(np.rint(100 * np.tanh(found.cell[layers.index(c.layer), :, units.index(c.unit)])).astype(int).tolist())
        for c in chosen
    )
    return CellReport(report.cells, found.text, activations)
