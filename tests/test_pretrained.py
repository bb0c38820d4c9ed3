"""The model that ships is the one its record tells of, and writes plays."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.hub.model_folder import PRETRAINED
from training.data.corpus import Corpus, load_corpus
from training.data.encoded import encode
from training.evaluation.losses import carried_loss
from training.options import parser
from training.recipe import Recipe
from training.run_settings import ADDED


@pytest.fixture(scope="module")
def shipped() -> CharLSTM:
    return CharLSTM.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus("shakespeare")


def test_it_is_small_on_disk_and_tells_of_itself(shipped: CharLSTM) -> None:
    assert sum(path.stat().st_size for path in PRETRAINED.iterdir()) < 10_000_000
    assert (shipped.config.num_layers, shipped.config.hidden_size) == (1, 896)
    assert shipped.record["corpus"]["held_out"] == "the whole of Twelfth Night, King John, Timon of Athens"
    assert len(shipped.record["time_lapse"]) == 8
    assert {"MACBETH", "HAMLET"} & set(shipped.generation_config.speakers)
    assert shipped.generation_config.examples


def test_it_was_trained_on_the_corpus_that_the_command_reads_today(shipped: CharLSTM, corpus: Corpus) -> None:
    assert shipped.record["corpus"]["sha256"] == corpus.sha256


def test_its_record_has_the_names_of_today(shipped: CharLSTM) -> None:
    """Its command can be typed as the card shows it."""
    recipe = Recipe(**ADDED | shipped.record["recipe"])
    options = parser().parse_args(shlex.split(shipped.record["command"])[3:])
    assert (options.preset, options.max_train_chars) == (recipe.preset, recipe.max_train_chars)
    assert len(shipped.record["corpus"]["bottom_k_sketch"]) == 256


def test_its_card_is_the_one_of_its_record(shipped: CharLSTM, tmp_path: Path) -> None:
    shipped.save_pretrained(tmp_path, extra_files={"loss.png": (PRETRAINED / "loss.png").read_bytes()})
    assert (tmp_path / "README.md").read_text("utf-8") == (PRETRAINED / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_its_loss_on_the_held_out_plays_is_the_recorded_one(shipped: CharLSTM, corpus: Corpus) -> None:
    """Half precision on disk may cost a thousandth of a nat, no more."""
    loss = carried_loss(shipped, encode(corpus.held_out, shipped.vocabulary))
    assert loss == pytest.approx(shipped.record["val_loss"], abs=1e-3)


def test_a_cold_start_is_no_garbage(shipped: CharLSTM, corpus: Corpus) -> None:
    """An earlier one wrote digits for hundreds of characters after a prompt, for it had hardly seen a zero state."""
    known = set(re.findall(r"[a-z']+", corpus.train.lower()))
    for prompt in ("", "To be, or ", *shipped.generation_config.examples):
        text = shipped.generate(prompt, max_new_tokens=300, temperature=0.7, seed=1)
        words = re.findall(r"[a-z']+", (prompt + text).lower())[:-1]
        assert len(words) > 25
        assert sum(word in known for word in words) > 0.85 * len(words), text
