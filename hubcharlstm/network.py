"""The network: token ids and a state in, logits and the next state out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from hubcharlstm.arguments import MAX_COUNT, finite_number, shown, whole_number

MAX_LAYERS = 64
"""Far above any use. It bounds the number of tensors that a downloaded config can name."""

State = tuple[Tensor, Tensor]
"""(h, c), each (num_layers, B, hidden_size)."""


@dataclass(frozen=True)
class CharLSTMConfig:
    """Sizes of a network. `dropout` is a probability, applied after each LSTM layer in training only.

    Raises `ValueError` if a size is not a whole number of at least 1 or `dropout` is outside [0, 1).
    """

    vocab_size: int
    embedding_dim: int = 64
    hidden_size: int = 512
    num_layers: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for name in ("vocab_size", "embedding_dim", "hidden_size", "num_layers"):
            value = getattr(self, name)
            size = whole_number(value)
            if size is None or not 1 <= size <= MAX_COUNT:
                raise ValueError(
                    f"{name} is {shown(value)}; expected a whole number of at least 1 and up to {MAX_COUNT:,}: correct "
                    "the config."
                )
            object.__setattr__(self, name, size)
        if self.num_layers > MAX_LAYERS:
            raise ValueError(f"num_layers is {self.num_layers}; expected at most {MAX_LAYERS}: correct the config.")
        rate = finite_number(self.dropout)
        if rate is None or not 0 <= rate < 1:
            raise ValueError(
                f"dropout is {shown(self.dropout)}; expected a number from 0 up to but not including 1: correct it."
            )
        object.__setattr__(self, "dropout", rate)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CharLSTMConfig:
        """The config within `data` (other keys are ignored); raises `ValueError` if one is missing."""
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(
                f"The config has no {', '.join(missing)}; expected {', '.join(names)}: add what is missing."
            )
        return cls(**{name: data[name] for name in names})

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor, without building the network."""
        v, e, h = self.vocab_size, self.embedding_dim, self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (v, e)}
        for layer in range(self.num_layers):
            shapes[f"lstm.weight_ih_l{layer}"] = (4 * h, h if layer else e)
            shapes[f"lstm.weight_hh_l{layer}"] = (4 * h, h)
            shapes[f"lstm.bias_ih_l{layer}"] = (4 * h,)
            shapes[f"lstm.bias_hh_l{layer}"] = (4 * h,)
        return shapes | {"head.weight": (v, h), "head.bias": (v,)}

    @property
    def num_parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.tensor_shapes().values())


class CharLSTMNetwork(nn.Module):
    """Embedding, stacked LSTM, dropout after each of its layers, linear head (Hochreiter & Schmidhuber 1997;
    forget gate of Gers et al. 2000; dropout on the non-recurrent connections as in Zaremba et al. 2014)."""

    def __init__(self, config: CharLSTMConfig) -> None:
        super().__init__()
        self.config = config
        weight = torch.empty(config.vocab_size, config.embedding_dim)
        if not weight.is_meta:  # there, normal_ imports the compiler first, which takes as long as importing torch
            nn.init.normal_(weight)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_dim, _weight=weight)
        self.lstm = nn.LSTM(
            config.embedding_dim,
            config.hidden_size,
            config.num_layers,
            batch_first=True,
            dropout=config.dropout if config.num_layers > 1 else 0.0,  # nn.LSTM's own: between layers only
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, config.vocab_size)

    @torch.no_grad()
    def reset_for_training(self) -> None:
        """Orthogonal recurrent weights (Saxe et al. 2014) and forget biases of 1 (Jozefowicz et al. 2015)."""
        size = self.config.hidden_size
        for layer in range(self.config.num_layers):
            for gate in self.lstm.get_parameter(f"weight_hh_l{layer}").chunk(4):
                nn.init.orthogonal_(gate)
            self.lstm.get_parameter(f"bias_ih_l{layer}")[size : 2 * size] = 1.0  # PyTorch's gate order: i, f, g, o
            self.lstm.get_parameter(f"bias_hh_l{layer}")[size : 2 * size] = 0.0

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (num_layers, B, hidden_size) each, on the network's device."""
        h = self.head.weight.new_zeros(self.config.num_layers, batch_size, self.config.hidden_size)
        return h, torch.zeros_like(h)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """ids (B, T) int64, state or None for zeros -> logits (B, T, V), state after the last id."""
        hidden, state = self.lstm(self.embedding(ids), state)  # (B, T, H)
        logits: Tensor = self.head(self.dropout(hidden))
        return logits, state
