"""hubcharlstm: a character-level LSTM to train, publish, load and chat with.

What it exports is imported where it is first used (PEP 562), so that `hubcharlstm --help` waits for no PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hubcharlstm.imports import paused_collection

if TYPE_CHECKING:
    from hubcharlstm.decoding.sampling import SamplingParams
    from hubcharlstm.engine.engine import Engine
    from hubcharlstm.errors import (
        BusyError,
        DamagedModelError,
        EngineError,
        HubCharLSTMError,
        HubError,
        NotAModelError,
    )
    from hubcharlstm.generation.stream import Completion, GenerationState, TextStream
    from hubcharlstm.generation_config import GenerationConfig
    from hubcharlstm.inspection.alternatives import Alternative, Alternatives
    from hubcharlstm.inspection.connectivity import Connectivity
    from hubcharlstm.inspection.scoring import Score
    from hubcharlstm.inspection.trace import Trace
    from hubcharlstm.model import CharLSTM
    from hubcharlstm.network import CharLSTMConfig
    from hubcharlstm.vocabulary import Encoding, Vocabulary

__version__ = "0.1.0"

__all__ = [
    "Alternative",
    "Alternatives",
    "BusyError",
    "CharLSTM",
    "CharLSTMConfig",
    "Completion",
    "Connectivity",
    "DamagedModelError",
    "Encoding",
    "Engine",
    "EngineError",
    "GenerationConfig",
    "GenerationState",
    "HubCharLSTMError",
    "HubError",
    "NotAModelError",
    "SamplingParams",
    "Score",
    "TextStream",
    "Trace",
    "Vocabulary",
    "__version__",
]

_MODULES = {
    "Alternative": "hubcharlstm.inspection.alternatives",
    "Alternatives": "hubcharlstm.inspection.alternatives",
    "BusyError": "hubcharlstm.errors",
    "CharLSTM": "hubcharlstm.model",
    "CharLSTMConfig": "hubcharlstm.network",
    "Completion": "hubcharlstm.generation.stream",
    "Connectivity": "hubcharlstm.inspection.connectivity",
    "DamagedModelError": "hubcharlstm.errors",
    "Encoding": "hubcharlstm.vocabulary",
    "Engine": "hubcharlstm.engine.engine",
    "EngineError": "hubcharlstm.errors",
    "GenerationConfig": "hubcharlstm.generation_config",
    "GenerationState": "hubcharlstm.generation.stream",
    "HubCharLSTMError": "hubcharlstm.errors",
    "HubError": "hubcharlstm.errors",
    "NotAModelError": "hubcharlstm.errors",
    "SamplingParams": "hubcharlstm.decoding.sampling",
    "Score": "hubcharlstm.inspection.scoring",
    "TextStream": "hubcharlstm.generation.stream",
    "Trace": "hubcharlstm.inspection.trace",
    "Vocabulary": "hubcharlstm.vocabulary",
}
"""The module of each exported name."""

if not TYPE_CHECKING:  # to a type checker any name would exist

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with paused_collection():
            value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value  # found there from now on
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
