"""Runs whose speakers get other names: what the network reads, which texts have it by themselves, what is refused."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from tests.conftest import tiny_model
from tests.support.tiny_runs import RECIPE, assert_same_run, at_step, run
from tests.support.training_cli import TINY, refused
from training.__main__ import main
from training.bptt import TruncatedBPTT
from training.data.corpus import Corpus
from training.data.encoded import TrainIds
from training.data.renaming import SpeakerRenaming
from training.new_model import config_of
from training.recipe import NEW_SPEAKERS, PRESETS, RENAME_SPEAKERS
from training.schedule import TrainSchedule


def play(*names: str, turns: int) -> str:
    """A play in which these speakers take turns."""
    return "".join(
        f"{names[turn % len(names)]}:\nWhat news of the king?\nHe is well, I hear.\n\n" for turn in range(turns)
    )


PLAY = play("MORNA", "ULRIC", "OSWIN", turns=60)
PLAYS = "".join(play(f"{initial}ELMAR", f"{initial}ORVIA", turns=20) for initial in "BCDFGHKLMN")
RENAMED = replace(RECIPE, rename_speakers=0.7)
CORPUS = Corpus("play", "play.txt", PLAY, PLAY[:480], "some of it", card={})


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path / "unbroken", RENAMED, CORPUS).finished
    at_step(monkeypatch, 17, lambda: signal.raise_signal(signal.SIGTERM))
    assert not run(tmp_path / "run", RENAMED, CORPUS).finished
    torch.rand(17)  # the random state of the process is another one by now
    assert run(tmp_path / "run", RENAMED, CORPUS, resume=True).finished
    assert_same_run(tmp_path / "run", tmp_path / "unbroken")


@pytest.mark.parametrize("on_device", [False, True])
def test_each_epoch_reads_its_own_names(on_device: bool) -> None:
    vocabulary, recipe = Vocabulary(sorted(set(PLAY))), replace(RECIPE, hidden_size=4)
    schedule, model = TrainSchedule.of(recipe, len(PLAY)), CharLSTM(config_of(recipe, vocabulary), vocabulary)
    renaming = SpeakerRenaming(PLAY, 1.0, seed=1)
    bptt = TruncatedBPTT(model, recipe, schedule, TrainIds(PLAY, vocabulary), renaming)
    if on_device:
        bptt.load_to_device()
    assert (bptt.device_ids is not None) == on_device
    for epoch in (0, 1, 0):
        text = renaming.text_of_epoch(epoch)
        assert text != PLAY
        start = schedule.offset(recipe, epoch) + 2 * recipe.seq_len
        inputs, _ = bptt.window(epoch, 2)
        assert "".join(vocabulary.chars[i] for i in inputs[:, 0].tolist()) == text[start : start + recipe.seq_len]


def test_a_preset_renames_where_speakers_change() -> None:
    for preset in PRESETS.values():
        renamed, note = preset.fitted_to(1_000_000, new_speakers=NEW_SPEAKERS)
        assert renamed.rename_speakers == RENAME_SPEAKERS
        change = f"the share of renamed passages is {RENAME_SPEAKERS:g} instead of 0"
        assert f"the text's speakers change, so {change}" in note
        assert preset.fitted_to(1_000_000, new_speakers=NEW_SPEAKERS - 0.01)[0].rename_speakers == 0
        assert preset.fitted_to(1_000_000, new_speakers=1, given={"rename_speakers"})[0].rename_speakers == 0
        assert replace(preset, rename_speakers=0.9).fitted_to(1_000_000, new_speakers=1)[0].rename_speakers == 0.9


def test_a_run_on_plays_records_that_it_renames_and_one_with_teachers_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plays.txt").write_text(PLAYS)
    argv = ["fit", str(tmp_path / "plays.txt"), *TINY, "--max-train-chars", "1500"]
    assert main([*argv, "--out", str(tmp_path / "run")]) == 0
    note = "note: the text's speakers change, so the share of renamed passages is"
    assert note in capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["recipe"]["rename_speakers"] == RENAME_SPEAKERS
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert f"In {100 * RENAME_SPEAKERS:g} % of it the speakers had invented names, others in each epoch." in card
    tiny_model(Vocabulary(sorted(set(PLAYS)))).save_pretrained(tmp_path / "teacher")
    taught = [*argv, "--out", str(tmp_path / "taught"), "--teacher", str(tmp_path / "teacher")]
    assert main(taught) == 0
    assert note not in capsys.readouterr().out
    record = json.loads((tmp_path / "taught" / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["recipe"]["rename_speakers"] == 0
    assert "invented names" not in (tmp_path / "taught" / "model" / "README.md").read_text(encoding="utf-8")


def test_what_does_not_suit_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plays.txt").write_text(PLAYS)
    (tmp_path / "prose.txt").write_text("It was a dark night, and nobody spoke of what the day would bring. " * 40)
    out = ["--out", str(tmp_path / "run")]
    for share in ("1.5", "-0.1", "nan"):
        shown = refused(["fit", str(tmp_path / "plays.txt"), *out, "--rename-speakers", share], capsys)
        assert f"rename_speakers is {float(share)}; expected a share from 0 to 1" in shown
    for dry_run in ([], ["--dry-run"]):
        shown = refused(["fit", str(tmp_path / "prose.txt"), *out, "--rename-speakers", "0.3", *dry_run], capsys)
        assert "The text has no speakers with names of their own" in shown and "leave out --rename-speakers" in shown
    tiny_model(Vocabulary(sorted(set(PLAYS)))).save_pretrained(tmp_path / "teacher")
    argv = [
        "fit",
        str(tmp_path / "plays.txt"),
        *out,
        "--rename-speakers",
        "0.3",
        "--teacher",
        str(tmp_path / "teacher"),
    ]
    assert "The run has teachers and renames speakers (a share of 0.3)" in refused(argv, capsys)
    assert not (tmp_path / "run").exists()
