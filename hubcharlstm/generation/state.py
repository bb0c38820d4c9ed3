"""The state to continue a completion from, as a value that can be saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hubcharlstm.arguments import MAX_COUNT, checked_path, shown
from hubcharlstm.decoding.clamping import Clamp, check_clamp
from hubcharlstm.decoding.sampling import RandomStream
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.network import CharLSTMConfig

MAX_HIDDEN = 1.0
"""h = o * tanh(c), and both lie between -1 and 1."""
MAX_CELL = 2.0**24
"""c grows by at most 1 at each step, and stops where float32 does."""
MAX_BYTES = 64 * 2**20
"""Of a saved state, which takes some kilobytes."""


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
        """Write it as a safetensors file; raises `ValueError` for a damaged state, and `OSError` as files do."""
        path = checked_path("path", path)
        if path.exists() and not path.is_file():  # the file is renamed into place, over a device as well
            raise ValueError(
                f"path is {shown(str(path))}, which is no regular file; expected a file: choose another name."
            )
        if not _is_state(self, MAX_COUNT):
            raise ValueError("The state is damaged; expected one that a completion returned: save another one.")
        numbers = {
            "last_id": str(self.last_id),
            "key": str(self.rng.key),
            "draws": str(self.rng.draws),
            "held": ",".join(map(str, self.held)),
            "fingerprint": self.fingerprint,
            **({"clamp": json.dumps(self.clamp)} if self.clamp else {}),
        }
        try:
            save_file({"h": self.h.cpu().contiguous(), "c": self.c.cpu().contiguous()}, path, metadata=numbers)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> GenerationState:
        """Read what `save` wrote; raises `ValueError` if `path` holds anything else."""
        path = checked_path("path", path)
        try:
            size = path.stat().st_size
            if not path.is_file() or size > MAX_BYTES:
                raise ValueError(f"it is no file of at most {MAX_BYTES // 2**20} MiB")
            with safe_open(path, framework="pt", device="cpu") as file:
                numbers = file.metadata() or {}
                held = tuple(int(part) for part in numbers["held"].split(",") if part)
                rng = RandomStream(int(numbers["key"]), int(numbers["draws"]))
                h, c = file.get_tensor("h"), file.get_tensor("c")
            cells = json.loads(numbers.get("clamp", "[]"))
            clamp = tuple((int(layer), int(unit), float(value)) for layer, unit, value in cells)
            state = cls(h, c, int(numbers["last_id"]), rng, held, numbers["fingerprint"], clamp)
            if not _is_state(state, MAX_COUNT):
                raise ValueError("its numbers are out of range")
            return state
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ValueError(
                f"{shown(str(path))} is no saved state ({reason}); expected one that save wrote: check it."
            ) from error


def check_state(state: GenerationState, config: CharLSTMConfig, fingerprint: str) -> None:
    """Raise `ValueError` for a state of another model, or one that cannot be this model's whatever it says."""
    if not isinstance(state, GenerationState):
        raise ValueError(f"state is {shown(state)}; expected the state of a completion: pass one, or leave it out.")
    if state.fingerprint != fingerprint:
        raise ValueError(
            "The state comes from another model; expected one that this model returned: "
            "continue with the model that wrote the text, or give the text as prompt."
        )
    shape = (config.num_layers, 1, config.hidden_size)
    if not _is_state(state, config.vocab_size) or state.h.shape != shape:
        raise ValueError(
            f"The state is damaged; expected finite numbers {shape} as an LSTM has them, and ids below "
            f"{config.vocab_size}: go on from another one."
        )
    check_clamp({(layer, unit): value for layer, unit, value in state.clamp}, config)


def _is_state(state: GenerationState, vocab_size: int) -> bool:
    """Whether all values are of a kind and in a range that generation produces, but for the cells that are clamped."""
    h, c, rng = state.h, state.c, state.rng
    if not all(isinstance(part, torch.Tensor) and part.dtype == torch.float32 for part in (h, c)):
        return False
    if h.shape != c.shape or h.numel() == 0 or {h.layout, c.layout} != {torch.strided} or h.is_meta or c.is_meta:
        return False
    ids = (state.last_id, *state.held) if isinstance(state.held, tuple) else (None,)
    return (
        bool(h.abs().max() <= MAX_HIDDEN)  # false for NaN, too
        and bool(c.abs().max() <= MAX_CELL)
        and all(is_id(one_id, vocab_size) for one_id in ids)
        and isinstance(rng, RandomStream)
        and is_id(rng.key, 2**128)
        and is_id(rng.draws, 2**63)
        and isinstance(state.fingerprint, str)
        and _is_clamp(state.clamp)
    )


def is_id(value: object, count: int) -> bool:
    """Whether `value` is a whole number from 0 to below `count`."""
    return type(value) is int and 0 <= value < count


def _is_clamp(clamp: object) -> bool:
    return isinstance(clamp, tuple) and all(
        isinstance(cell, tuple) and len(cell) == 3 and all(isinstance(number, int | float) for number in cell)
        for cell in clamp
    )
