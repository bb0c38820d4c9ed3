"""The number to beat, said both ways: passed, lost with what would help, and not at all where it tells nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hubcharlstm import Vocabulary
from training.__main__ import main
from training.data.corpus import Corpus, load_corpus
from training.data.encoded import TrainIds
from training.evaluation.baselines import ADAPTIVE, KNESER_NEY, number_to_beat
from training.evaluation.comparison import doubt, final_line, passed_line
from training.preflight import measure_baselines, trained_spans
from training.recipe import PRESETS
from training.schedule import TrainSchedule
from training.trainer import portion


def baselines(static: float, adaptive: float) -> dict[str, dict[str, float]]:
    return {KNESER_NEY: {"nats": static}, ADAPTIVE: {"nats": adaptive}}


def rows(*losses: float) -> list[dict[str, float]]:
    return [{"val_loss": loss} for loss in losses]


def line(static: float, losses: list[dict[str, float]], *, chars: int = 10**6, warm: bool = False) -> str:
    found = baselines(static, static - 0.05)
    return final_line(found, losses, vocab_size=65, train_chars=chars, may_start_warm=warm)


def test_a_model_that_wins_says_by_how_much() -> None:
    assert line(1.6, rows(1.8, 1.5)) == "That is 0.1000 below the number to beat (1.6000, Kneser-Ney, 6-gram)."
    assert passed_line(baselines(1.6, 1.5), 1.5, 1.8, 65).startswith("It has passed the number to beat: 1.6000")
    assert passed_line(baselines(1.6, 1.5), 1.4, 1.5, 65) == passed_line(baselines(1.6, 1.5), 1.7, 1.8, 65) == ""


@pytest.mark.parametrize(
    ("losses", "chars", "warm", "advice"),
    [
        (rows(1.9, 1.8, 1.7), 10**6, False, "train longer"),
        (rows(1.9, 1.7, 1.8, 1.9, 2.0), 10**6, False, "raise --dropout"),
        (rows(1.9, 1.8, 1.7, 1.75), 10**6, False, "--preset base"),
        (rows(1.9, 1.8, 1.7, 1.75), 40_000, False, "give it more text than these 40,000 characters"),
        (rows(1.9, 1.8, 1.7, 1.75), 40_000, True, "--init-from pretrained"),
    ],
)
def test_a_model_that_loses_says_so_and_what_would_help(
    losses: list[dict[str, float]], chars: int, warm: bool, advice: str
) -> None:
    """Losing was never said: every run ended with "Chat with it, publish it"."""
    said = line(1.6, losses, chars=chars, warm=warm)
    assert said.startswith("That is 0.1000 above the number to beat (1.6000") and advice in said


def test_a_number_worse_than_guessing_evenly_is_no_number_to_beat() -> None:
    """A sorted list gave 4.0168 nats, and the run announced that it had passed it."""
    worse = baselines(4.0168, 3.9)
    assert "worse than guessing evenly" in doubt(worse, 27) and "--val-place spread" in doubt(worse, 27)
    assert passed_line(worse, 2.4, 5.0, 27) == ""
    assert "worse than guessing evenly" in final_line(
        worse, rows(2.4), vocab_size=27, train_chars=50_000, may_start_warm=False
    )
    assert "if it learns as it reads" in doubt(baselines(2.5, 1.9), 65)
    assert doubt(baselines(1.6, 1.5), 65) == doubt({}, 65) == ""
    assert final_line({}, rows(1.0), vocab_size=65, train_chars=9, may_start_warm=False) == ""


def test_the_end_of_a_sorted_list_is_such_a_part(tmp_path: Path) -> None:
    draw = random.Random(0)
    names = sorted("".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6)) for _ in range(3000))
    (tmp_path / "names.txt").write_text("\n".join(names), encoding="utf-8")
    found = {}
    for place in ("end", "auto"):
        corpus = load_corpus(str(tmp_path / "names.txt"), val_place=place)
        recipe, _ = PRESETS["small"].fitted_to(len(corpus.train))
        found[place] = measure_baselines(corpus, Vocabulary(corpus.chars), recipe)
    assert found["auto"][KNESER_NEY]["nats"] < found["end"][KNESER_NEY]["nats"] - 0.3


def test_kneser_ney_learns_from_what_the_network_reads() -> None:
    """Of a long text the network reads the beginning of each batch row, and the baseline read the last 4 million."""
    draw = np.random.default_rng(0)
    text = "".join(map(chr, draw.integers(97, 123, 60_000)))
    corpus = Corpus("name", "title", text, text[:2000], "")
    recipe, _ = PRESETS["small"].fitted_to(len(text))
    short = replace(recipe, max_train_chars=12_000)
    schedule = TrainSchedule.of(short, len(text))
    spans = trained_spans(short, schedule, len(text))
    assert len(spans) == short.batch_size and sum(end - start for start, end in spans) < 20_000
    ids = TrainIds(text, Vocabulary(corpus.chars))
    ids_of_run = np.concatenate([ids[start:end] for start, end in spans])
    expected = number_to_beat(ids_of_run, ids[:2000], 26)[KNESER_NEY]["nats"]
    assert measure_baselines(corpus, Vocabulary(corpus.chars), short)[KNESER_NEY]["nats"] == pytest.approx(expected)
    assert trained_spans(recipe, TrainSchedule.of(recipe, len(text)), len(text)) == [(0, len(text))]


def test_a_run_of_a_part_of_a_text_says_which_part() -> None:
    assert portion(1.23, 6.4) == "epoch 1.2 of 6.4"
    assert portion(0.012, 0.05) == "1.2 of 5 % of the text"


def test_the_pre_flight_says_what_share_is_read_and_every_phase_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """32 MB: "epoch 0.0 of 0.0", 5 % of the text read without a word, a silent minute after "0 s left"."""
    draw = random.Random(1)
    words = ["river", "sailor", "lantern", "garden", "winter", "old", "the", "a", "crossed", "mended"]
    (tmp_path / "long.txt").write_text("".join(f"{' '.join(draw.choices(words, k=8))}.\n" for _ in range(4000)))
    argv = ["fit", str(tmp_path / "long.txt"), "--hidden-size", "16", "--max-train-chars", "20000"]
    assert main([*argv, "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    corpus = load_corpus(str(tmp_path / "long.txt"))
    assert f"--max-train-chars {len(corpus.train)} reads it once, in less than a minute" in shown
    assert "% of the text, " in shown and "epoch 0.0" not in shown
    phases = ["Measuring what counting alone predicts", "Writing samples", "Comparing what it writes with the training"]
    assert [shown.index(phase) for phase in phases] == sorted(shown.index(phase) for phase in phases)
    assert "above the number to beat" in shown and "What would help" in shown
