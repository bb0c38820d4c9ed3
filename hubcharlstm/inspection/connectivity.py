"""How much each earlier character moves a guess (Madsen 2019, "Visualizing memorization in RNNs", Distill)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.generation.state import GenerationState, check_state
from hubcharlstm.inspection.context import Context
from hubcharlstm.inspection.scoring import evaluating
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary, shorten

MAX_CHARACTERS = 4096
"""Characters of one backward pass: some 150 MB for a layer of 896 units."""


@dataclass(frozen=True, eq=False)
class Connectivity:
    """How much each earlier character moves the guess at a position.

    text: as encoded. character: the one whose log-probability is differentiated: the one at `position`, or at the end
    of the text the likeliest. log_prob: its natural logarithm. norms (position,) float32: the Euclidean norm of the
    gradient by the embedding of each character before it.
    """

    text: str
    position: int
    character: str
    log_prob: float
    norms: NDArray[np.float32]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Connectivity({shorten(self.text)!r}, position={self.position}, character={self.character!r})"


@torch.inference_mode(mode=False)
def connectivity(
    network: CharLSTMNetwork,
    vocabulary: Vocabulary,
    text: str,
    position: int,
    *,
    start_text: str,
    fingerprint: str,
    state: GenerationState | None = None,
) -> Connectivity:
    """The norms of the gradient of the guess at `position` of `text`, in one backward pass in fp32.

    The text is read after `state` and then `start_text`, which have no norms. Raises `ValueError` for a position out of
    range and for more than `MAX_CHARACTERS` characters before it.
    """
    if state is not None:
        check_state(state, network.config, fingerprint)
        if state.clamp:
            raise ValueError(
                "The state clamps cells, through which no gradient flows; expected one without: continue it with "
                "clamp={} first."
            )
    context = Context.of(vocabulary, text, start_text=start_text, state=state, empty=True)
    position, before = context.check_position(position), len(context.before)
    if before + position > MAX_CHARACTERS:
        raise ValueError(
            f"The guess at position {position} comes after {before + position:,} characters; expected at most "
            f"{MAX_CHARACTERS:,}: leave out the beginning of the text."
        )
    device = network.head.weight.device
    ids = torch.tensor([(*context.before, *context.text.ids[:position])], device=device)
    start = None if context.state is None else tuple(part.to(device).clone() for part in context.state)
    # cuDNN has no backward pass of an LSTM in evaluation mode.
    with evaluating(network), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        embeddings = network.embedding(ids).detach().requires_grad_()
        hidden, _ = network.lstm(embeddings, start)
        log_probs = network.head(hidden[0, -1]).float().log_softmax(dim=-1)
        target = context.text.ids[position] if position < len(context.text.ids) else int(log_probs.argmax())
        (gradient,) = torch.autograd.grad(log_probs[target], embeddings)
    norms = gradient[0, before:].float().norm(dim=1).cpu().numpy()
    return Connectivity(
        context.text.text, position, vocabulary.chars[target], float(log_probs[target].detach()), norms,
        context.warnings,
    )  # fmt: skip
