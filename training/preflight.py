"""Before the training: statistics of the text, the settings that follow from them, baselines, time and memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import psutil

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.vocabulary import visible
from training.data.corpus import Corpus
from training.data.encoded import TrainIds
from training.data.kind import is_code
from training.distillation import bytes_per_char
from training.english import is_english
from training.estimate import Estimate, Timings
from training.evaluation.baselines import KNESER_NEY, MAX_CHARS, PPMD, number_to_beat, ppmd
from training.evaluation.comparison import doubt
from training.publishing.privacy import note_of_config
from training.recipe import Recipe
from training.schedule import TrainSchedule

SCANNED_CHARS = 8_000_000
"""Characters of a long text that are searched for repeated lines."""
MUCH_REPEATED = 0.25
SHORT_CHARS = 50_000
"""Below so many characters an English text gains from weights that have read other English."""
RUNTIME_BYTES = 400 * 2**20
"""What Python and torch take before any weight."""

Baselines = dict[str, dict[str, float]]


def measure_baselines(corpus: Corpus, vocabulary: Vocabulary, recipe: Recipe) -> Baselines:
    """Kneser-Ney, static and adaptive, and PPMd on the corpus's split; they learn from what the run reads."""
    spans = trained_spans(recipe, TrainSchedule.of(recipe, len(corpus.train)), len(corpus.train))
    train_ids, held_out = TrainIds(corpus.train, vocabulary), TrainIds(corpus.held_out, vocabulary)
    train = np.concatenate([train_ids[start:end] for start, end in spans])
    text = "".join(corpus.train[start:end] for start, end in spans)
    baselines = number_to_beat(train, held_out[:], len(vocabulary))
    return baselines | {PPMD: ppmd(text, corpus.held_out)}


def trained_spans(recipe: Recipe, schedule: TrainSchedule, train_chars: int) -> list[tuple[int, int]]:
    """The parts of the text that a run reads, at most MAX_CHARS in all: the beginning of each batch row, or the end."""
    if schedule.total_steps >= schedule.steps_per_epoch:
        return [(max(0, train_chars - MAX_CHARS), train_chars)]
    row_len = train_chars // recipe.batch_size
    length = min(schedule.total_steps * recipe.seq_len + 1, MAX_CHARS // recipe.batch_size)
    return [(row * row_len, row * row_len + length) for row in range(recipe.batch_size)]


def examine(
    corpus: Corpus,
    recipe: Recipe,
    config: CharLSTMConfig,
    generation: GenerationConfig,
    baselines: Baselines,
    timings: Timings,
    *,
    warm: bool = False,
    teachers: Sequence[CharLSTM] = (),
) -> list[str]:
    """Lines to print. timings: of this network here. warm: the run begins with a model's weights.

    teachers: the models whose guesses are learned.
    """
    schedule = TrainSchedule.of(recipe, len(corpus.train))
    time_needed, needed = timings.estimate(schedule, corpus), memory_needed(config, recipe, corpus, teachers)
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
        f"{times_through(schedule)}, dropout {recipe.dropout:g}"
        + (f", weight drop {recipe.weight_drop:g}" if recipe.weight_drop else "")
        + (f", speakers renamed in {100 * recipe.rename_speakers:g} % of it" if recipe.rename_speakers else "")
        + (f", ends after {recipe.patience} evaluations without an improvement" if recipe.patience else ""),
        "teachers": _teachers_row(config, recipe, corpus, teachers),
        "expected": f"{in_words(time_needed.minutes)} and {gigabytes(needed)} of memory here",
        "reads": _share_row(corpus, recipe, schedule, time_needed),
        "to beat": f"{baselines[KNESER_NEY]['nats']:.4f} nats per character, {KNESER_NEY}"
        + (f" on the last {MAX_CHARS:,} characters" if len(corpus.train) > MAX_CHARS else ""),
    }
    if offer := warm_start_offer(corpus, warm=warm):
        rows["hint"] = offer
    if note := note_of_config(generation):
        rows["public"] = note.removeprefix("Public with the model: ")
    rows = {name: row for name, row in rows.items() if row}
    if reason := doubt(baselines, config.vocab_size):
        rows["warning"] = reason
    rows |= {f"  {name}": f"{value['nats']:.4f}" for name, value in baselines.items() if name != KNESER_NEY}
    return [f"{name:12} {value}" if len(name) <= 12 else f"{name}: {value}" for name, value in rows.items()]


def warm_start_offer(corpus: Corpus, *, warm: bool) -> str:
    """What a short English text gains from the shipped model's weights, "" where there is nothing to offer."""
    length = len(corpus.train) + len(corpus.held_out)
    if warm or length >= SHORT_CHARS or not is_english(corpus.train[:]) or is_code(corpus.train[:]):
        return ""
    return (
        "this is English and short: --init-from pretrained begins with the model that ships here, which took 44 kB of "
        "Ecclesiastes from 1.49 to 1.15 nats per character"
    )


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


def rare_chars(corpus: Corpus) -> list[str]:
    """Those that occur fewer than 10 times, sorted."""
    counts = Counter(corpus.train[:SCANNED_CHARS]) + Counter(corpus.held_out)
    return sorted(char for char, count in counts.items() if count < 10)


def _characters_row(corpus: Corpus) -> str:
    rare = rare_chars(corpus)
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


def check_memory(config: CharLSTMConfig, recipe: Recipe, corpus: Corpus, teachers: Sequence[CharLSTM] = ()) -> None:
    """Raise `ValueError` if the run does not fit into this machine's memory."""
    needed, free = memory_needed(config, recipe, corpus, teachers), psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"The preset {recipe.preset} with these settings needs about {gigabytes(needed)} of memory and "
            f"{gigabytes(free)} are free; expected it to fit: choose a smaller preset, --hidden-size, --batch-size, "
            "--seq-len or --dropout-samples."
        )


def memory_needed(config: CharLSTMConfig, recipe: Recipe, corpus: Corpus, teachers: Sequence[CharLSTM] = ()) -> int:
    """Estimate in bytes: weights, EMA, gradients, Adam's moments; activations saved for backward; text and teachers."""
    weights = 5 * 4 * config.num_parameters + sum(4 * model.config.num_parameters for model in teachers)
    activations = config.embedding_dim + config.num_layers * 12 * config.hidden_size + 3 * config.vocab_size
    samples = (recipe.dropout_samples - 1) * (2 * config.hidden_size + 3 * config.vocab_size)
    # Characters and ids; with other names also their places, another text and its pieces.
    text = (8 if recipe.rename_speakers else 2 if isinstance(corpus.train, str) else 0) * len(corpus.train)
    return RUNTIME_BYTES + weights + 4 * recipe.batch_size * recipe.seq_len * (activations + samples) + text


def times_through(schedule: TrainSchedule) -> str:
    """How often a run reads its text."""
    return f"{schedule.total_steps / schedule.steps_per_epoch:.2g} times through the text"


def _teachers_row(config: CharLSTMConfig, recipe: Recipe, corpus: Corpus, teachers: Sequence[CharLSTM]) -> str:
    if not teachers:
        return ""
    size = gigabytes(bytes_per_char(config.vocab_size) * len(corpus.train))
    what = "their mean guesses are" if len(teachers) > 1 else "its guesses are"
    return (
        f"{len(teachers)}; {what} {100 * recipe.distill_weight:g} % of the loss, at temperature "
        f"{recipe.distill_temperature:g}, and take {size} of disk while the run lasts"
    )


def _share_row(corpus: Corpus, recipe: Recipe, schedule: TrainSchedule, needed: Estimate) -> str:
    """Of a text that is not read to its end: the share that is, and what would read it all."""
    share = schedule.total_steps / schedule.steps_per_epoch
    if share >= 0.99:
        return ""
    whole = needed.minutes + needed.steps * (1 / share - 1) / 60  # as many evaluations and as long a report
    return f"{100 * share:.2g} % of the text; --max-train-chars {len(corpus.train)} reads it once, in {in_words(whole)}"


def in_words(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    if minutes < 100:
        return f"about {minutes:.0f} minute{'' if round(minutes) == 1 else 's'}"
    return f"about {minutes / 60:.0f} hours" if minutes < 48 * 60 else f"about {minutes / 60 / 24:.0f} days"


def gigabytes(count: float) -> str:
    return f"{count / 2**30:.1f} GB"
