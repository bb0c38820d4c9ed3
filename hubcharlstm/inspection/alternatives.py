"""What could have stood at a place of a text: the distribution that the next character is sampled from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hubcharlstm.arguments import positive_integer
from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.sampling import SamplingBatch, SamplingParams, next_ids, probabilities
from hubcharlstm.errors import DamagedModelError
from hubcharlstm.generation.state import GenerationState, check_state
from hubcharlstm.inspection.context import Context
from hubcharlstm.inspection.prefix_states import PrefixStates
from hubcharlstm.vocabulary import Vocabulary


@dataclass(frozen=True)
class Alternative:
    """A character that could have stood there.

    rank: 1 for the likeliest. probability: as the network gives it, at temperature 1. sampling_probability: after
    temperature and filters, which is what `generate` samples from; 0 for a character that they exclude. state: to go
    on from after this character.
    """

    character: str
    id: int
    rank: int
    probability: float
    sampling_probability: float
    state: GenerationState


@dataclass(frozen=True)
class Alternatives:
    """What could have stood at a position of a text.

    text: as encoded. choices: the k likeliest, the likeliest first. actual: the character that came, whatever its
    rank; None at the end of the text. state: before any choice; `generate` samples the next character from there.
    """

    text: str
    position: int
    choices: tuple[Alternative, ...]
    actual: Alternative | None
    state: GenerationState
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = ", ".join(f"{choice.character!r} {choice.probability:.3f}" for choice in self.choices[:3])
        return f"Alternatives(position={self.position}, {shown}{', …' if len(self.choices) > 3 else ''})"


def alternatives(
    decoder: Decoder,
    vocabulary: Vocabulary,
    text: str,
    position: int,
    *,
    k: int,
    sampling: SamplingParams,
    start_text: str,
    fingerprint: str,
    state: GenerationState | None = None,
    clamp: Clamp | None = None,
    states: PrefixStates | None = None,
    owner: str = "",
) -> Alternatives:
    """The `k` likeliest characters at `position` of `text`, which is read after `state` and then `start_text`.

    In the decoder's precision, so that they are what `generate` samples from. position: 0 to the text's length, where
    it is what could come next. clamp: None for that of the state. states: of texts that the same `owner` has asked for,
    to read on from. Raises `ValueError` for an argument out of range.
    """
    k = min(positive_integer("k", k), len(vocabulary))
    if state is not None:
        check_state(state, decoder.config, fingerprint)
    context = Context.of(vocabulary, text, start_text=start_text, state=state, empty=True, clamp=clamp)
    position = context.check_position(position)
    *pending_ids, last_id = (*context.before, *context.text.ids[:position])
    if states is not None and context.state is None:
        before = states.prefill(decoder, pending_ids, context.clamp, f"{fingerprint} {owner}")
    else:
        before = decoder.prefill(pending_ids, context.state, context.clamp)
    buffer = decoder.state_buffer(1)
    buffer.put(0, before, context.clamp)
    logits = decoder.step(torch.tensor([last_id], device=decoder.device), buffer).cpu().numpy()
    after = buffer.get(0)
    plain, sampled = distributions(logits, sampling)
    order = np.argsort(-plain, kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)

    def alternative(choice: int) -> Alternative:
        return Alternative(
            vocabulary.chars[choice], choice, int(ranks[choice]), float(plain[choice]), float(sampled[choice]),
            context.state_at(position, after, choice, fingerprint),
        )  # fmt: skip

    ids = context.text.ids
    return Alternatives(
        context.text.text,
        position,
        tuple(alternative(int(choice)) for choice in order[:k]),
        alternative(ids[position]) if position < len(ids) else None,
        context.state_at(position, before, last_id, fingerprint),
        context.warnings,
    )


def distributions(logits: np.ndarray, sampling: SamplingParams) -> tuple[np.ndarray, np.ndarray]:
    """logits (1, V) -> probabilities (V,) at temperature 1 without filters, and as they are sampled from.

    A greedy request samples its likeliest character with probability 1.
    """
    batch = SamplingBatch.of([sampling])
    [likeliest] = next_ids(logits, batch, np.zeros(1)) if sampling.temperature == 0 else [None]
    if not np.isfinite(logits).all():
        raise DamagedModelError
    plain = probabilities(logits, SamplingBatch.of([SamplingParams(1.0)]))[0]
    if likeliest is None:
        return plain, probabilities(logits, batch)[0]
    return plain, np.eye(1, len(plain), int(likeliest))[0]
