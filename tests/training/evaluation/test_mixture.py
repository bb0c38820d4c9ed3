"""A network and n-grams mixed: a distribution at every place, weights from the past alone, and less loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.__main__ import main
from training.evaluation.baselines import kneser_ney
from training.evaluation.mixture import causal_mixture, mixed_log_probs, ngrams_beside

VOCAB_SIZE = 7
DRAW = np.random.default_rng(0)


def markov(length: int) -> NDArray[np.int64]:
    """A text in which two characters tell much of the next."""
    ids = [0, 1]
    for _ in range(length - 2):
        likely = (3 * ids[-1] + ids[-2]) % VOCAB_SIZE
        ids.append(likely if DRAW.random() < 0.8 else int(DRAW.integers(VOCAB_SIZE)))
    return np.array(ids)


TRAIN, HELD_OUT = markov(1500), markov(300)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("place", [0, 1, 17, 130, 299])
def test_n_grams_and_mixture_sum_to_one_over_the_vocabulary(adaptive: bool, place: int) -> None:
    network = np.log(DRAW.dirichlet(np.ones(VOCAB_SIZE), size=place + 1))  # (place + 1, V)
    ngrams, mixed = [], []
    for candidate in range(VOCAB_SIZE):
        held_out = np.append(HELD_OUT[:place], candidate)
        ngrams.append(kneser_ney(TRAIN, held_out, VOCAB_SIZE, adaptive=adaptive)[-1])
        log_probs = network[np.arange(place + 1), held_out]
        mixed.append(mixed_log_probs(log_probs, ngrams_beside(TRAIN, held_out, VOCAB_SIZE, adaptive=adaptive))[-1])
    assert sum(ngrams) == pytest.approx(1, abs=1e-9)
    assert np.exp(mixed).sum() == pytest.approx(1, abs=1e-9)


def test_nothing_depends_on_what_comes_later() -> None:
    log_probs = [np.log(DRAW.random(400)) for _ in range(3)]
    kinds = [DRAW.integers(0, size, size=400) for size in (1, 5)]
    whole = causal_mixture(log_probs, kinds)
    for end in (1, 50, 220):
        assert np.array_equal(causal_mixture([one[:end] for one in log_probs], [k[:end] for k in kinds]), whole[:end])


def test_a_mixture_lies_between_the_models() -> None:
    log_probs = np.log(DRAW.random((3, 400)))
    mixed = causal_mixture(list(log_probs), [DRAW.integers(0, 5, size=400)])
    assert (mixed <= log_probs.max(axis=0) + 1e-9).all() and (mixed >= log_probs.min(axis=0) - 1e-9).all()


def test_the_weight_finds_the_better_model_of_each_kind() -> None:
    kinds = np.arange(4000) % 2
    good, bad = np.log(0.6), np.log(0.1)
    first, second = np.where(kinds == 0, good, bad), np.where(kinds == 0, bad, good)
    assert -causal_mixture([first, second], [kinds])[-100:].mean() < -np.log(0.55)


def test_a_kind_that_is_new_begins_with_the_weights_of_the_wider_one() -> None:
    wide, narrow = np.zeros(400, dtype=np.int64), np.repeat([0, 1], [399, 1])
    bad, good = np.full(400, np.log(0.1)), np.full(400, np.log(0.6))
    assert causal_mixture([bad, good], [wide, narrow])[-1] > np.log(0.55)
    assert causal_mixture([bad, good], [narrow])[-1] < np.log(0.25)


def test_the_weights_follow_a_text_that_changes() -> None:
    first, second = np.log(np.repeat([[0.6, 0.1], [0.1, 0.6]], 3000, axis=1))
    mixed = causal_mixture([first, second], [np.zeros(6000, dtype=np.int64)])
    assert mixed[2999] > np.log(0.55) and mixed[4000] > np.log(0.55)  # a thousand characters after the change


def test_a_network_that_knows_nothing_hardly_counts_once_some_text_is_read() -> None:
    held_out = markov(4000)
    ngrams = -np.log(kneser_ney(TRAIN, held_out, VOCAB_SIZE, adaptive=True))
    mixed = -mixed_log_probs(np.full(4000, -np.log(VOCAB_SIZE)), ngrams_beside(TRAIN, held_out, VOCAB_SIZE))
    assert mixed[1000:].mean() < ngrams[1000:].mean() + 0.05


def test_what_the_text_alone_repeats_is_learned_beside_the_n_grams_of_training() -> None:
    """Its own repetitions tell more than the training text, of which there is much more."""
    other, own = DRAW.integers(VOCAB_SIZE, size=20_000), np.tile(DRAW.integers(VOCAB_SIZE, size=150), 8)
    network = np.full(1200, -np.log(VOCAB_SIZE))
    alone = mixed_log_probs(network, ngrams_beside(other[-1:], own, VOCAB_SIZE))
    both = mixed_log_probs(network, ngrams_beside(other, own, VOCAB_SIZE))
    ngrams = np.log(kneser_ney(other, own, VOCAB_SIZE, adaptive=True))
    assert both[600:].mean() > ngrams[600:].mean() + 0.1 and both[600:].mean() > alone[600:].mean() - 0.1


def test_evaluate_prints_what_the_mixture_reaches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("".join("abcdefg "[n] for n in markov(4000)), encoding="utf-8")
    sizes = ["--hidden-size", "8", "--embedding-dim", "4", "--max-train-chars", "3000"]
    assert main(["fit", str(tmp_path / "text.txt"), "--out", str(tmp_path / "run"), *sizes]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), str(tmp_path / "text.txt"), "--ngram", "--dynamic"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (title,) = [n for n, line in enumerate(lines) if "mixed in, which has counted 3,600 characters" in line]
    losses = [float(line[22:].split()[0]) for line in (*lines[title - 3 : title], *lines[title + 1 :])]
    carried, _, dynamic, mixed, dynamic_mixed = losses
    assert mixed < carried and dynamic_mixed < dynamic
