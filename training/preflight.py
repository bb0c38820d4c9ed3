"""What is found in a text before anything is trained, what was therefore chosen, and the number to beat."""

from __future__ import annotations

import json
import time
from collections import Counter

import psutil
import torch
from torch.nn.functional import cross_entropy

from hubcharlstm import CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import visible
from training.data.corpus import Corpus
from training.data.encoded import TrainIds
from training.evaluation.baselines import KNESER_NEY, MAX_CHARS, PPMD, number_to_beat, ppmd
from training.network import TrainingNetwork
from training.recipe import Recipe
from training.schedule import TrainSchedule

LOOKED_AT = 8_000_000
"""Characters of a long text in which repeated lines are sought."""
MUCH_REPEATED = 0.25
ROOM = 400 * 2**20
"""Bytes that Python and torch take before any weight."""

Baselines = dict[str, dict[str, float]]


def measure_baselines(corpus: Corpus, vocabulary: Vocabulary) -> Baselines:
    """Kneser-Ney, static and adaptive, and PPMd on the corpus's split."""
    train = TrainIds(corpus.train, vocabulary)
    held_out = TrainIds(corpus.held_out, vocabulary)
    found = number_to_beat(train[-MAX_CHARS:], held_out[:], len(vocabulary))
    return found | {PPMD: ppmd(corpus.train[-MAX_CHARS:], corpus.held_out)}


def examine(
    corpus: Corpus, recipe: Recipe, config: CharLSTMConfig, generation: GenerationConfig, baselines: Baselines
) -> list[str]:
    """Lines for a person. Raises `ValueError` if the run cannot fit into this machine's memory."""
    plan = TrainSchedule.of(recipe, len(corpus.train))
    needed, free = memory_needed(config, recipe, corpus), psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"The preset {recipe.preset} with these settings needs about {gigabytes(needed)} of memory and "
            f"{gigabytes(free)} are free; expected it to fit: choose a smaller preset, --hidden-size, --batch-size or "
            "--seq-len."
        )
    per_weight = len(corpus.train) / config.num_parameters
    rows = {
        "text": _text_row(corpus),
        "characters": _characters_row(corpus),
        "repeated": _repeated_row(corpus),
        "speakers": _speakers_row(generation),
        "network": f"{config.num_layers} x {config.hidden_size}, {config.num_parameters:,} weights, "
        f"{per_weight:.2g} characters per weight",
        "plan": f"preset {recipe.preset}: {plan.total_steps:,} windows of {recipe.batch_size} x {recipe.seq_len}, "
        f"{plan.total_steps / plan.steps_per_epoch:.1f} times through the text, dropout {recipe.dropout:g}"
        + (f", weight drop {recipe.weight_drop:g}" if recipe.weight_drop else "")
        + (f", ends early after {recipe.patience} looks without gain" if recipe.patience else ""),
        "expected": f"{in_words(expected_minutes(config, recipe, plan))} and {gigabytes(needed)} of memory here",
        "to beat": f"{baselines[KNESER_NEY]['nats']:.4f} nats per character, {KNESER_NEY}"
        + (f" on the last {MAX_CHARS:,} characters" if len(corpus.train) > MAX_CHARS else ""),
    }
    rows |= {f"  {name}": f"{value['nats']:.4f}" for name, value in baselines.items() if name != KNESER_NEY}
    return [f"{name:12} {value}" if len(name) <= 12 else f"{name}: {value}" for name, value in rows.items()]


def _text_row(corpus: Corpus) -> str:
    found = corpus.found
    if found is None or not found.files:
        return "made from plays"
    ends = {"\\r\\n": found.crlf, "\\r": found.cr, "\\n": found.lf}
    lines = ", ".join(f"{count:,} {name}" for name, count in ends.items() if count) or "none"
    marks = f"byte-order mark in {found.byte_order_marks}" if found.byte_order_marks else "no byte-order mark"
    packed = f", {found.gzipped} gzipped" if found.gzipped else ""
    turned = " (all become \\n)" if found.crlf or found.cr else ""
    files = f"{found.files} file{'s' if found.files > 1 else ''}{packed}"
    return f"{files}, {found.encoding}, {marks}; line ends: {lines}{turned}"


def _characters_row(corpus: Corpus) -> str:
    counts = Counter(corpus.train[:LOOKED_AT]) + Counter(corpus.held_out)
    rare = sorted(char for char, count in counts.items() if count < 10)
    shown = " ".join(visible(char) for char in rare[:12]) + (" ..." if len(rare) > 12 else "")
    return f"{len(corpus.chars)} different" + (f", {len(rare)} of them fewer than 10 times: {shown}" if rare else "")


def _speakers_row(generation: GenerationConfig) -> str:
    if not generation.speakers:
        return "none found"
    named = ", ".join(generation.speakers[:6]) + (" ..." if len(generation.speakers) > 6 else "")
    turn = generation.turn_template.replace("{speaker}", generation.speakers[0]).replace("{message}", "...")
    return f"{named}; who talks with them writes {json.dumps(turn, ensure_ascii=False)}"


def _repeated_row(corpus: Corpus) -> str:
    share = repeated_share(corpus.train[:LOOKED_AT])
    told = f"{100 * share:.1f} % of the lines of 20 characters or more stood before"
    if share < MUCH_REPEATED:
        return told
    return f"{told}: what is held out may stand in the training part as well, and its loss be too good"


def repeated_share(text: str) -> float:
    """The share of lines of at least 20 characters that stood before."""
    lines = [line for line in text.split("\n") if len(line) >= 20]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def memory_needed(config: CharLSTMConfig, recipe: Recipe, corpus: Corpus) -> int:
    """Bytes, about: weights, their average, gradients and Adam's two; what backward keeps of each window; the text."""
    weights = 5 * 4 * config.num_parameters
    kept = config.embedding_dim + config.num_layers * 12 * config.hidden_size + 3 * config.vocab_size
    text = (2 if isinstance(corpus.train, str) else 0) * len(corpus.train)
    return ROOM + weights + 4 * recipe.batch_size * recipe.seq_len * kept + text


def expected_minutes(config: CharLSTMConfig, recipe: Recipe, plan: TrainSchedule) -> float:
    """From a few windows of a network of the same shape, on the processor."""
    with torch.random.fork_rng():
        network = CharLSTMNetwork(config)
        training, state = TrainingNetwork(network, recipe.weight_drop), network.initial_state(recipe.batch_size)
        ids = torch.randint(config.vocab_size, (recipe.seq_len, recipe.batch_size))
        seconds = []
        for _ in range(4):
            started = time.perf_counter()
            logits, _ = training(ids, state)
            cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()  # type: ignore[no-untyped-call]
            seconds.append(time.perf_counter() - started)
    return min(seconds) * plan.total_steps * 1.1 / 60  # a tenth for the optimizer, looks and samples


def in_words(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    if minutes < 100:
        return f"about {minutes:.0f} minute{'' if round(minutes) == 1 else 's'}"
    return f"about {minutes / 60:.0f} hours" if minutes < 48 * 60 else f"about {minutes / 60 / 24:.0f} days"


def gigabytes(count: float) -> str:
    return f"{count / 2**30:.1f} GB"
