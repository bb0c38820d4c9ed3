"""hubcharlstm: a character-level LSTM to train, publish, load and chat with."""

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
