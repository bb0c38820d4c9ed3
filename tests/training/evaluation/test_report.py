"""`python -m training evaluate`: carried, cold and adapting, and a warning where the text is not new to the model."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest

from hubcharlstm import CharLSTM
from training.__main__ import main
from training.data.corpus import load_corpus
from training.evaluation.losses import carried_loss, cold_loss, dynamic_loss
from training.evaluation.report import report

SETTINGS = ["--embedding-dim", "4", "--hidden-size", "16", "--num-layers", "1", "--batch-size", "4"]
SETTINGS += ["--seq-len", "16", "--max-train-chars", "4000"]


def story(seed: int, num_lines: int = 150) -> str:
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(1, 6))) for _ in range(50)]
    return "\n".join(" ".join(draw.choices(words, k=6)) for _ in range(num_lines)) + "\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "seen.txt").write_text(story(1))
    assert main(["fit", str(folder / "seen.txt"), "--out", str(folder / "run"), *SETTINGS]) == 0
    return folder


def nats(lines: list[str]) -> list[float]:
    return [float(found[1]) for line in lines if (found := re.search(r"(\d\.\d{4}) nats", line))]


def test_of_the_text_it_was_trained_on_the_held_out_part_is_scored(trained: Path) -> None:
    lines = list(report(str(trained / "run"), str(trained / "seen.txt")))
    model = CharLSTM.from_pretrained(trained / "run", device="cpu")
    held_out = load_corpus(str(trained / "seen.txt")).held_out
    assert "scored is what was held out" in lines[0]
    ids = np.array(model.vocabulary.encode("\n" + held_out).ids)
    assert nats(lines) == pytest.approx([carried_loss(model, ids), cold_loss(model, ids)], abs=1e-4)
    assert lines[1] == f"{len(held_out):,} characters"
    assert f"perplexity {math.exp(carried_loss(model, ids)):.3f}" in lines[2]


def test_a_text_that_overlaps_is_warned_of_and_a_new_one_is_not(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "partly.txt").write_text(story(1)[:3000] + story(2)[:3000])
    lines = list(report(str(trained / "run"), str(tmp_path / "partly.txt")))
    assert re.match(r"warning: about [3-6]\d % of this text's runs of 40 characters occur in what", lines[0])
    (tmp_path / "new.txt").write_text(story(3) + "日本\n")
    assert main(["evaluate", str(trained / "run"), str(tmp_path / "new.txt"), "--dynamic"]) == 0
    shown = capsys.readouterr().out
    assert "warning" not in shown
    assert "note: 日本 skipped" in shown
    carried, _cold, learning = nats(shown.splitlines())
    assert learning < carried


def test_dynamic_evaluation_leaves_the_model_alone_and_scores_before_it_learns(trained: Path) -> None:
    model = CharLSTM.from_pretrained(trained / "run", device="cpu")
    ids = np.array(model.vocabulary.encode(story(4)).ids)
    before = carried_loss(model, ids)
    assert dynamic_loss(model, ids, rate=0.0) == pytest.approx(before, rel=1e-5)
    first = dynamic_loss(model, ids[:33], window=32, rate=1.0)
    assert first == pytest.approx(carried_loss(model, ids[:33]), rel=1e-5)
    dynamic_loss(model, ids)
    assert carried_loss(model, ids) == before


def test_a_text_that_the_model_cannot_read_is_one_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kanji.txt").write_text("日本" * 200)
    assert main(["evaluate", str(trained / "run"), str(tmp_path / "kanji.txt")]) == 2
    assert "The model can read nothing of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "old_record"),
    [
        (["--val-fraction", "0.3"], False),
        (["--val-fraction", "0.3", "--lowercase"], False),
        (["--min-count", "10"], False),
        (["--val-fraction", "0.2", "--min-count", "10"], True),
    ],
)
def test_the_held_out_part_of_the_run_is_scored_however_it_was_split(
    tmp_path: Path, options: list[str], old_record: bool
) -> None:
    """The text was split anew by the default fraction, so that training text was scored with only a warning.

    old_record: of a version that did not record min_count.
    """
    text = story(1, 3000)
    (tmp_path / "seen.txt").write_text("É. Ü" + text[:1000] + "X" * 5 + text[1000:], encoding="utf-8")
    assert main(["fit", str(tmp_path / "seen.txt"), "--out", str(tmp_path / "run"), *SETTINGS, *options]) == 0
    file = tmp_path / "run" / "model" / "training.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    if old_record:
        del record["corpus"]["min_count"]
        file.write_text(json.dumps(record), encoding="utf-8")
    lines = list(report(str(tmp_path / "run"), str(tmp_path / "seen.txt")))
    assert record["corpus"]["held_out"] in lines[0]
    assert lines[1] == f"{record['corpus']['held_out_chars']:,} characters"
    assert nats(lines)[0] == pytest.approx(record["val_loss"], abs=1e-4)


def test_a_text_too_long_for_memory_is_split_as_its_run_split_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is made of its ids' file."""
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 1000)
    (tmp_path / "seen.txt").write_text(story(1))
    argv = ["fit", str(tmp_path / "seen.txt"), "--out", str(tmp_path / "run"), "--val-fraction", "0.3", *SETTINGS]
    assert main(argv) == 0
    monkeypatch.undo()
    assert "scored is what was held out" in next(report(str(tmp_path / "run"), str(tmp_path / "seen.txt")))
