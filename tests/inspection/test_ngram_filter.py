"""The filter of a training text misses no run of 20 characters, says how often it finds one too many, and is stored."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from hubcharlstm import CharLSTM, NotAModelError, Vocabulary
from hubcharlstm.inspection.ngram_filter import MAX_BYTES, RUN, CopiedRuns, NgramFilter, copied_runs, runs_of
from training.evaluation.memorization import filter_errors

NGRAMS = "training_ngrams.safetensors"
LETTERS = "abcdefghij \n"


def random_text(seed: int, length: int) -> str:
    return "".join(random.Random(seed).choices(LETTERS, k=length))


TRAINING = random_text(0, 30_000)
FILTER = NgramFilter.of(TRAINING)
assert FILTER is not None


def plain_runs(text: str, training: str) -> list[tuple[int, int]]:
    """The slow twin: every maximal stretch whose RUN-grams all stand in the training text."""
    windows = [text[at : at + RUN] in training for at in range(len(text) - RUN + 1)]
    return runs_of(np.array(windows, dtype=bool))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(TRAINING) - 60), st.integers(1, 60), st.integers(0, 30), st.integers(0, 2**32)),
        max_size=6,
    )
)
def test_every_run_is_told_from_end_to_end(pieces: list[tuple[int, int, int, int]]) -> None:
    text = "".join(TRAINING[start : start + length] + random_text(seed, other) for start, length, other, seed in pieces)
    assert FILTER is not None
    found = runs_of(FILTER.windows(text))
    for start, stop in plain_runs(text, TRAINING):
        assert any(first <= start and stop <= last for first, last in found)


def test_a_short_text_has_room_to_tell_nothing_else() -> None:
    assert FILTER is not None and FILTER.ngram == RUN and len(FILTER.bits) < 2.6 * len(TRAINING)
    other = random_text(1, 30_000)
    assert filter_errors(FILTER, [other], TRAINING)["windows"] < 0.001
    assert filter_errors(FILTER, [TRAINING[:5000]], TRAINING) == {"runs": 0.0}
    assert filter_errors(FILTER, ["too short"], TRAINING) == {}


def test_a_longer_text_gets_shorter_ngrams_below_two_megabytes_and_one_too_long_gets_no_filter() -> None:
    text = random_text(2, 2_500_000)
    ngrams = NgramFilter.of(text)
    assert ngrams is not None and ngrams.ngram < RUN and len(ngrams.bits) == MAX_BYTES < 2e6
    assert runs_of(ngrams.windows(text[1_999_950:2_000_050])) == [(0, 100)]  # across two blocks
    assert filter_errors(ngrams, [random_text(3, 20_000)], text)["windows"] < 0.001

    class Long(str):
        def __len__(self) -> int:
            return 20_000_000

    assert NgramFilter.of(Long()) is None
    assert NgramFilter.of("short") is None


def test_a_run_may_begin_before_the_text_and_is_told_within_it() -> None:
    vocabulary = Vocabulary(sorted(LETTERS))
    part = TRAINING[500:540]
    found = copied_runs(FILTER, vocabulary, part[12:] + "A" + "jjjj", before=part[:12])
    assert found.runs == ((0, 28),) and found.texts == (part[12:],)
    assert found.warnings and "A" not in found.text
    assert copied_runs(FILTER, vocabulary, part[:12]).runs == ()
    with pytest.raises(ValueError, match="no filter of its training text"):
        copied_runs(None, vocabulary, "text")


@pytest.fixture
def folder(model: CharLSTM, tmp_path: Path) -> Path:
    model.ngrams = NgramFilter(20, 3, np.arange(200, dtype=np.uint8), {"windows": 0.002, "runs": 0.25})
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_it_is_part_of_a_model_folder(folder: Path, tmp_path: Path) -> None:
    loaded = CharLSTM.from_pretrained(folder)
    assert loaded.ngrams is not None and loaded.ngrams.bits.tolist() == list(range(200))
    assert (loaded.ngrams.ngram, loaded.ngrams.num_hashes) == (20, 3)
    assert isinstance(loaded.copied_runs("To be, or not to be, that is"), CopiedRuns)
    card = (folder / "README.md").read_text("utf-8")
    assert "of 200 bytes" in card and "0.2 % of the other stretches" in card and "25 % of the runs" in card
    loaded.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / NGRAMS).read_bytes() == (folder / NGRAMS).read_bytes()
    loaded.ngrams = None
    loaded.save_pretrained(folder)
    assert not (folder / NGRAMS).exists()
    without = CharLSTM.from_pretrained(folder)
    assert without.ngrams is None
    with pytest.raises(ValueError, match="no filter of its training text"):
        without.copied_runs("text")


def test_a_folder_loads_without_it(folder: Path) -> None:
    (folder / NGRAMS).unlink()
    assert CharLSTM.from_pretrained(folder).ngrams is None


def stored(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors and the metadata of a folder's filter."""
    path = folder / NGRAMS
    size = int.from_bytes(path.read_bytes()[:8], "little")
    return load_file(path), json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]


DAMAGES: dict[str, Callable[[dict[str, Any], dict[str, str]], object]] = {
    "other bits than were saved": lambda tensors, _: tensors.update(bits=tensors["bits"] + 1),
    "expected U8": lambda tensors, _: tensors.update(bits=tensors["bits"].astype(np.float32)),
    "the tensors": lambda tensors, _: tensors.update(more=tensors["bits"]),
    "expected U8 of at most": lambda tensors, _: tensors.update(bits=np.zeros(MAX_BYTES + 1, dtype=np.uint8)),
    "no n-gram length": lambda _, metadata: metadata.update(ngram_filter="{}"),
    "n-grams of 3 characters": lambda _, metadata: metadata.update(
        ngram_filter=metadata["ngram_filter"].replace('"ngram": 20', '"ngram": 3')
    ),
    "filter of n-grams": lambda _, metadata: metadata.pop("ngram_filter"),
}


@pytest.mark.parametrize("found", DAMAGES)
def test_a_damaged_one_is_refused(folder: Path, found: str) -> None:
    tensors, metadata = stored(folder)
    DAMAGES[found](tensors, metadata)
    save_file(tensors, folder / NGRAMS, metadata=metadata)
    with pytest.raises(NotAModelError, match=rf"is damaged or no filter of n-grams \(.*{re.escape(found)}|{found}"):
        CharLSTM.from_pretrained(folder)


def test_one_that_is_no_safetensors_file_or_of_another_save_is_refused(folder: Path) -> None:
    tensors, metadata = stored(folder)
    save_file(tensors, folder / NGRAMS, metadata=metadata | {"save_id": "0-0"})
    with pytest.raises(NotAModelError, match="mixes files of different saves"):
        CharLSTM.from_pretrained(folder)
    (folder / NGRAMS).write_bytes(b"x" * 40)
    with pytest.raises(NotAModelError, match="damaged or no"):
        CharLSTM.from_pretrained(folder)


def test_the_shipped_model_has_one_of_its_training_text() -> None:
    model = CharLSTM.from_pretrained(device="cpu")
    assert model.ngrams is not None and len(model.ngrams.bits) < 2_000_000
    assert 0 < model.ngrams.errors["windows"] < 0.01
    famous = "Out, out, brief candle! Life's but a walking shadow, a poor player that struts and frets his hour"
    assert any("a walking shadow, a poor player" in run for run in model.copied_runs(famous).texts)
    assert model.copied_runs("The stock market fell by two percent on Monday afternoon.").runs == ()
