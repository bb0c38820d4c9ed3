"""The state to continue a completion from, as a value that can be saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hubcharlstm.decoding.clamping import Clamp, check_clamp
from hubcharlstm.decoding.sampling import RandomStream
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.network import CharLSTMConfig


@dataclass(frozen=True, eq=False)
class GenerationState:
    """All that an exact continuation needs, in a few kilobytes. Immutable.

    h, c: (num_layers, 1, H) each, after every id but `last_id`, which is the next input. rng: the random stream after
    the samples so far. held: sampled ids that were not shown because they may begin a stop string. fingerprint: of
    the model that it belongs to. clamp: the cells that each step overwrites.
    """

    h: torch.Tensor
    c: torch.Tensor
    last_id: int
    rng: RandomStream
    held: Ids
    fingerprint: str
    clamp: Clamp = ()

    def __eq__(self, other: object) -> bool:
        """Whether both continue with the same text."""
        if not isinstance(other, GenerationState):
            return NotImplemented
        values, others = (
            (state.last_id, state.rng, state.held, state.fingerprint, state.clamp, state.h.shape, state.c.shape)
            for state in (self, other)
        )
        return (
            values == others and torch.equal(self.h.cpu(), other.h.cpu()) and torch.equal(self.c.cpu(), other.c.cpu())
        )

    def __hash__(self) -> int:
        return hash((self.last_id, self.rng, self.held, self.fingerprint, self.clamp))

    def __repr__(self) -> str:
        return f"GenerationState(last_id={self.last_id}, {self.rng.draws:,} samples, model {self.fingerprint[:8]})"

    def save(self, path: str | Path) -> None:
        """Write it as a safetensors file."""
        numbers = {
            "last_id": str(self.last_id),
            "key": str(self.rng.key),
            "draws": str(self.rng.draws),
            "held": ",".join(map(str, self.held)),
            "fingerprint": self.fingerprint,
            **({"clamp": json.dumps(self.clamp)} if self.clamp else {}),
        }
        save_file({"h": self.h.cpu().contiguous(), "c": self.c.cpu().contiguous()}, path, metadata=numbers)

    @classmethod
    def load(cls, path: str | Path) -> GenerationState:
        """Read what `save` wrote; raises `ValueError` if `path` holds anything else."""
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                numbers = file.metadata() or {}
                held = tuple(int(part) for part in numbers["held"].split(",") if part)
                rng = RandomStream(int(numbers["key"]), int(numbers["draws"]))
                h, c = file.get_tensor("h"), file.get_tensor("c")
            cells = json.loads(numbers.get("clamp", "[]"))
            clamp = tuple((int(layer), int(unit), float(value)) for layer, unit, value in cells)
            return cls(h, c, int(numbers["last_id"]), rng, held, numbers["fingerprint"], clamp)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is no saved state ({error}); expected one that save wrote: check it.") from error


def check_state(state: GenerationState, config: CharLSTMConfig, fingerprint: str) -> None:
    """Raise `ValueError` for a state of another model, or one that cannot be this model's whatever it says."""
    if state.fingerprint != fingerprint:
        raise ValueError(
            "The state comes from another model; expected one that this model returned: "
            "continue with the model that wrote the text, or give the text as prompt."
        )
    shape = (config.num_layers, 1, config.hidden_size)
    if any(part.shape != shape or not bool(torch.isfinite(part).all()) for part in (state.h, state.c)):
        raise ValueError(f"The state is damaged; expected finite numbers {shape}: go on from another one.")
    check_clamp({(layer, unit): value for layer, unit, value in state.clamp}, config)
