"""What a model makes of a text: scores, traces, alternatives, and what its cells follow."""

from hubcharlstm.inspection.cells import NamedCell, name_cells
from hubcharlstm.inspection.gates import GateStatistics, gate_statistics

__all__ = ["GateStatistics", "NamedCell", "gate_statistics", "name_cells"]
