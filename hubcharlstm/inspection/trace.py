"""A trace: every gate, cell and guess of a network while it reads a text.

Position t is the character t of the text. The guess for it (`log_probs[t]`, and so `surprise[t]`) was made before it
was read; gates, cell and hidden state at t are those of the step that reads it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.arguments import shown, whole_number
from hubcharlstm.colored_text import colored, sequential
from hubcharlstm.generation.state import GenerationState, check_state
from hubcharlstm.inspection.context import Context
from hubcharlstm.inspection.equations import COPY_STEPS, LayerSteps, network_steps, transposed_recurrent
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary, shorten

Floats = NDArray[np.float32]

MAX_TRACE_BYTES = 256 * 2**20
"""Of the arrays of one trace: 12,000 characters of one layer of 896 units, or a million of ten of its units."""
WINDOW = 256
"""Characters whose steps of all units are in memory at once."""
SERIES = ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden")


@dataclass(frozen=True, eq=False)
class Trace:
    """What a network computes while it reads a text of T characters.

    text: the text as encoded. ids: its ids. layers, units: those that were chosen, in the order of the arrays.
    input_gate, forget_gate, candidate, output_gate, cell, hidden: (layers, T, units) float32, at the step that reads
    character t. initial_cell, initial_hidden: (layers, units) float32, before the first character. log_probs (T, V)
    float32: the natural logarithm of the guess for character t, made before it is read. surprise (T,) float32: bits of
    the character that came, -log2 of its probability. next_log_probs (V,): the guess for the character after the text.
    state: to go on from, for another trace or for `generate`. warnings: substituted and dropped characters, for a
    person.
    """

    text: str
    ids: tuple[int, ...]
    layers: tuple[int, ...]
    units: tuple[int, ...]
    input_gate: Floats
    forget_gate: Floats
    candidate: Floats
    output_gate: Floats
    cell: Floats
    hidden: Floats
    initial_cell: Floats
    initial_hidden: Floats
    log_probs: Floats
    surprise: Floats
    next_log_probs: Floats
    state: GenerationState
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Trace({shorten(self.text)!r}, {len(self.text):,} characters, {len(self.layers)} x {len(self.units)} "
            f"units, bpc={self.bpc:.4f})"
        )

    def _repr_html_(self) -> str:
        """In a notebook: the text coloured by surprise."""
        bits = self.surprise.tolist()
        return colored(self.text, bits, sequential, titles=[f"{value:.1f} bits" for value in bits])

    @property
    def bpc(self) -> float:
        """Bits per character: the mean surprise."""
        return float(self.surprise.mean(dtype=np.float64))


@torch.inference_mode()
def trace(
    network: CharLSTMNetwork,
    vocabulary: Vocabulary,
    text: str,
    *,
    start_text: str,
    fingerprint: str,
    state: GenerationState | None = None,
    layers: Sequence[int] | None = None,
    units: Sequence[int] | None = None,
    recurrent: Sequence[torch.Tensor] | None = None,
) -> Trace:
    """The trace of `text` after `state` and then `start_text`, in fp32.

    layers, units: which to return; None for all. fingerprint: of the model, for the state after the text. recurrent:
    `transposed_recurrent(network)`, where many texts are traced. Raises `ValueError` for a text that holds nothing to
    read, for numbers out of range, and for more than `MAX_TRACE_BYTES`.
    """
    config = network.config
    chosen_layers = _chosen("layers", layers, config.num_layers)
    chosen_units = _chosen("units", units, config.hidden_size)
    if state is not None:
        check_state(state, config, fingerprint)
    context = Context.of(vocabulary, text, start_text=start_text, state=state)
    count, before = len(context.text.ids), len(context.before)
    check_size(count, len(SERIES) * len(chosen_layers) * len(chosen_units) + config.vocab_size)
    series = {name: np.empty((len(chosen_layers), count, len(chosen_units)), np.float32) for name in SERIES}
    initial = np.empty((2, len(chosen_layers), len(chosen_units)), np.float32)  # c and h before the first character
    log_probs = np.empty((count + 1, config.vocab_size), np.float32)
    device = network.head.weight.device
    ids = torch.tensor((*context.before, *context.text.ids), device=device)[:, None]
    h, c = network.initial_state(1) if context.state is None else (part.to(device) for part in context.state)
    last_state = h, c
    if recurrent is None and len(ids) > COPY_STEPS:
        recurrent = transposed_recurrent(network)
    for start in (*range(0, len(ids) - 1, WINDOW), len(ids) - 1):
        end = len(ids) if start == len(ids) - 1 else min(start + WINDOW, len(ids) - 1)
        offset = min(max(0, before - start), end - start)  # steps of the window before the text
        rows = slice(start + offset - before, end - before)
        last_state, states = (h, c), []
        for layer, (steps, after) in enumerate(
            network_steps(network, ids[start:end], (h, c), context.clamp, recurrent)
        ):
            if layer in chosen_layers and offset < end - start:
                place = chosen_layers.index(layer)
                _store(series, place, rows, steps, offset, chosen_units)
                if rows.start == 0:
                    parts = (steps.cell, steps.hidden) if offset else (c[None, layer], h[None, layer])
                    for part, values in zip(initial, parts, strict=True):
                        part[place] = values[offset - 1 if offset else 0, 0].float().cpu().numpy()[list(chosen_units)]
            states.append(after)
            hidden = steps.hidden
        h, c = (torch.stack(parts) for parts in zip(*states, strict=True))
        first = max(start, before - 1)
        if first < end:
            guesses = network.head(hidden[first - start :, 0]).float().log_softmax(dim=-1)
            log_probs[first + 1 - before : end + 1 - before] = guesses.cpu().numpy()
    surprise = -log_probs[np.arange(count), list(context.text.ids)] / np.float32(math.log(2))
    state_after = context.state_at(count - 1, last_state, context.text.ids[-1], fingerprint)
    return Trace(
        context.text.text, context.text.ids, chosen_layers, chosen_units, **series, initial_cell=initial[0],
        initial_hidden=initial[1], log_probs=log_probs[:-1], surprise=surprise, next_log_probs=log_probs[-1],
        state=state_after, warnings=context.warnings,
    )  # fmt: skip


def check_size(count: int, floats_per_character: int) -> None:
    """Raise `ValueError` for more than `MAX_TRACE_BYTES` of float32."""
    most = MAX_TRACE_BYTES // (4 * floats_per_character)
    if count > most:
        raise ValueError(
            f"The trace of {count:,} characters would take {4 * count * floats_per_character / 2**20:,.0f} MiB; "
            f"expected at most {MAX_TRACE_BYTES // 2**20} MiB, {most:,} characters: choose layers or units, or trace "
            "the text in pieces, each from the state of the one before."
        )


def _store(
    series: dict[str, Floats], place: int, rows: slice, steps: LayerSteps, offset: int, units: tuple[int, ...]
) -> None:
    """Copy the chosen units of a layer's steps to their rows, without the first `offset` steps."""
    for name in SERIES:
        values = getattr(steps, name)[offset:, 0].float().cpu().numpy()
        series[name][place, rows] = values[:, list(units)]


def _chosen(name: str, numbers: Sequence[int] | None, count: int) -> tuple[int, ...]:
    if numbers is None:
        return tuple(range(count))
    chosen = tuple(map(whole_number, numbers)) if isinstance(numbers, Collection) else ()
    found = tuple(number for number in chosen if number is not None and 0 <= number < count)
    if not chosen or found != chosen or len(set(found)) < len(found):
        raise ValueError(
            f"{name} is {shown(numbers)}; expected different whole numbers from 0 to {count - 1}, at least one: "
            "correct it."
        )
    return found
