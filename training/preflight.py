"""Before the training: statistics of the text, the settings that follow from them, baselines, time and memory."""

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

SCANNED_CHARS = 8_000_000
"""Characters of a long text that are searched for repeated lines."""
MUCH_REPEATED = 0.25
RUNTIME_BYTES = 400 * 2**20
"""What Python and torch take before any weight."""

Baselines = dict[str, dict[str, float]]


def measure_baselines(corpus: Corpus, vocabulary: Vocabulary) -> Baselines:
    """Kneser-Ney, static and adaptive, and PPMd on the corpus's split."""
    train = TrainIds(corpus.train, vocabulary)
    held_out = TrainIds(corpus.held_out, vocabulary)
    baselines = number_to_beat(train[-MAX_CHARS:], held_out[:], len(vocabulary))
    return baselines | {PPMD: ppmd(corpus.train[-MAX_CHARS:], corpus.held_out)}


def examine(
    corpus: Corpus, recipe: Recipe, config: CharLSTMConfig, generation: GenerationConfig, baselines: Baselines
) -> list[str]:
    """Lines to print. Raises `ValueError` if the run does not fit into this machine's memory."""
    schedule = TrainSchedule.of(recipe, len(corpus.train))
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
        "schedule": f"preset {recipe.preset}: {schedule.total_steps:,} windows of "
        f"{recipe.batch_size} x {recipe.seq_len}, "
        f"{schedule.total_steps / schedule.steps_per_epoch:.1f} times through the text, dropout {recipe.dropout:g}"
        + (f", weight drop {recipe.weight_drop:g}" if recipe.weight_drop else "")
        + (f", ends after {recipe.patience} evaluations without an improvement" if recipe.patience else ""),
        "expected": f"{in_words(expected_minutes(config, recipe, schedule))} and {gigabytes(needed)} of memory here",
        "to beat": f"{baselines[KNESER_NEY]['nats']:.4f} nats per character, {KNESER_NEY}"
        + (f" on the last {MAX_CHARS:,} characters" if len(corpus.train) > MAX_CHARS else ""),
    }
    rows |= {f"  {name}": f"{value['nats']:.4f}" for name, value in baselines.items() if name != KNESER_NEY}
    return [f"{name:12} {value}" if len(name) <= 12 else f"{name}: {value}" for name, value in rows.items()]


def _text_row(corpus: Corpus) -> str:
    stats = corpus.file_stats
    if stats is None:
        return "made from plays"
    ends = {"\\r\\n": stats.crlf, "\\r": stats.cr, "\\n": stats.lf}
    lines = ", ".join(f"{count:,} {name}" for name, count in ends.items() if count) or "none"
    boms = f"byte-order mark in {stats.num_boms}" if stats.num_boms else "no byte-order mark"
    packed = "".join(f", {count} with {kind}" for kind, count in stats.compressed.items())
    turned = " (all become \\n)" if stats.crlf or stats.cr else ""
    files = f"{stats.files} file{'s' if stats.files > 1 else ''}{packed}"
    return f"{files}, {stats.encoding}, {boms}; line ends: {lines}{turned}"


def _characters_row(corpus: Corpus) -> str:
    counts = Counter(corpus.train[:SCANNED_CHARS]) + Counter(corpus.held_out)
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
    share = repeated_share(corpus.train[:SCANNED_CHARS])
    line = f"{100 * share:.1f} % of the lines of 20 characters or more occur before"
    if share < MUCH_REPEATED:
        return line
    return f"{line}: what is held out may occur in the training part, too, and the loss be too low"


def repeated_share(text: str) -> float:
    """The share of lines of at least 20 characters that occur before in the text."""
    lines = [line for line in text.split("\n") if len(line) >= 20]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def memory_needed(config: CharLSTMConfig, recipe: Recipe, corpus: Corpus) -> int:
    """Estimate in bytes: weights, EMA, gradients, Adam's moments; activations saved for backward; the text."""
    weights = 5 * 4 * config.num_parameters
    activations = config.embedding_dim + config.num_layers * 12 * config.hidden_size + 3 * config.vocab_size
    text = (2 if isinstance(corpus.train, str) else 0) * len(corpus.train)
    return RUNTIME_BYTES + weights + 4 * recipe.batch_size * recipe.seq_len * activations + text


def expected_minutes(config: CharLSTMConfig, recipe: Recipe, schedule: TrainSchedule) -> float:
    """Extrapolated from a few windows of a network of the same shape on the CPU."""
    with torch.random.fork_rng():
        network = CharLSTMNetwork(config)
        training, state = TrainingNetwork(network, recipe.weight_drop), network.initial_state(recipe.batch_size)
        ids = torch.randint(config.vocab_size, (recipe.seq_len, recipe.batch_size))
        seconds = []
        for _ in range(4):
            started = time.perf_counter()
            logits, _ = training(ids, state)
            cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()  # type: ignore[no-untyped-call]  # Tensor.backward has no annotations
            seconds.append(time.perf_counter() - started)
    return min(seconds) * schedule.total_steps * 1.1 / 60  # a tenth for the optimizer, evaluations and samples


def in_words(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    if minutes < 100:
        return f"about {minutes:.0f} minute{'' if round(minutes) == 1 else 's'}"
    return f"about {minutes / 60:.0f} hours" if minutes < 48 * 60 else f"about {minutes / 60 / 24:.0f} days"


def gigabytes(count: float) -> str:
    return f"{count / 2**30:.1f} GB"
