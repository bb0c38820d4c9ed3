"""hubcharlstm: a character-level LSTM to train, publish, load and chat with."""

from hubcharlstm.engine import Engine
from hubcharlstm.folder import NotAModelError
from hubcharlstm.generation import Completion, GenerationState, TextStream
from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.hub_errors import HubError
from hubcharlstm.model import CharLSTM
from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.sampling import SamplingParams
from hubcharlstm.schedule import BusyError
from hubcharlstm.scoring import Score
from hubcharlstm.vocabulary import Reading, Vocabulary

__version__ = "0.1.0"

__all__ = [
    "BusyError",
    "CharLSTM",
    "CharLSTMConfig",
    "Completion",
    "Engine",
    "GenerationConfig",
    "GenerationState",
    "HubError",
    "NotAModelError",
    "Reading",
    "SamplingParams",
    "Score",
    "TextStream",
    "Vocabulary",
    "__version__",
]
