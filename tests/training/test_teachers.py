"""Runs with teachers: what is learned, recorded, refused, warned of and resumed."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from tests.conftest import tiny_model
from tests.support.hub_client import Client
from tests.support.tiny_runs import CORPUS, RECIPE, TEXT, assert_same_run, at_step, run
from tests.support.training_cli import TINY, refused
from training.__main__ import main
from training.data.corpus import Corpus, load_corpus
from training.distillation import distillation_loss
from training.recipe import DISTILL_TEMPERATURE, DISTILL_WEIGHT
from training.run_settings import RunSettings
from training.teachers import Teachers

DEFAULTS = DISTILL_WEIGHT, DISTILL_TEMPERATURE
DISTILLED = replace(RECIPE, distill_weight=0.6, distill_temperature=2.0)
SIZES = [*TINY, "--max-train-chars", "1500"]


@pytest.fixture
def teacher_folders(tmp_path: Path) -> list[Path]:
    """Two models, of other sizes and another order of characters than the runs'."""
    chars = sorted(set(TEXT), reverse=True)
    for number in range(2):
        model = tiny_model(Vocabulary([*chars, "é"]), hidden_size=8 + number, seed=number)
        model.save_pretrained(tmp_path / f"teacher{number}")
    return [tmp_path / "teacher0", tmp_path / "teacher1"]


def test_a_stopped_run_with_teachers_goes_on_to_the_same_bits(
    tmp_path: Path, teacher_folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    teachers = Teachers.load(map(str, teacher_folders))
    assert run(tmp_path / "unbroken", DISTILLED, teachers=teachers).finished
    at_step(monkeypatch, 17, lambda: signal.raise_signal(signal.SIGTERM))
    assert not run(tmp_path / "run", DISTILLED, teachers=teachers).finished
    torch.rand(17)  # the random state of the process is another one by now
    assert run(tmp_path / "run", DISTILLED, teachers=Teachers(teachers.sources), resume=True).finished
    assert_same_run(tmp_path / "run", tmp_path / "unbroken")


def test_a_student_comes_nearer_to_its_teacher(tmp_path: Path, teacher_folders: list[Path]) -> None:
    teacher = CharLSTM.from_pretrained(teacher_folders[0], device="cpu")
    ids = torch.tensor([teacher.vocabulary.chars.index(char) for char in TEXT[:400]])[None]
    divergences = []
    for weight in (0.0, 1.0):
        out, recipe = tmp_path / f"{weight}", replace(RECIPE, max_train_chars=6_000, distill_weight=weight)
        run(out, recipe, teachers=Teachers.load([str(teacher_folders[0])]))
        student = CharLSTM.from_pretrained(out, device="cpu")
        columns = torch.tensor([teacher.vocabulary.chars.index(char) for char in student.vocabulary.chars])
        same = torch.tensor([student.vocabulary.chars.index(char) for char in TEXT[:400]])[None]
        with torch.no_grad():
            expected = teacher(ids)[0][..., columns].softmax(dim=-1)
            divergences.append(float(distillation_loss(student(same)[0], expected, 1.0)))
    assert divergences[1] < divergences[0] / 2


def trained_model(folder: Path, corpus: Corpus, **record: Any) -> Path:
    """A model folder as a run on `corpus` leaves it."""
    model = tiny_model(Vocabulary(corpus.chars), hidden_size=8)
    model.record = {"name": f"charlstm-{corpus.name}", "corpus": corpus.to_record(), **record}
    model.save_pretrained(folder)
    return folder


def test_record_card_and_run_json_name_the_teachers_and_what_they_had_read(corpus: Path, tmp_path: Path) -> None:
    other = {"name": "user/other", "title": "other.txt", "train_chars": 7}
    text = load_corpus(str(corpus))
    teacher = trained_model(tmp_path / "teacher", text, ancestors=[other])
    student, heir = tmp_path / "student", tmp_path / "heir"
    argv = ["fit", str(corpus), "--out", str(student), *SIZES, "--teacher", str(teacher), str(teacher)]
    assert main(argv) == 0
    lineage = [{"name": "charlstm-my-play", "title": "my play.txt", "train_chars": len(text.train)}, other]
    record = json.loads((student / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["teachers"] == lineage and "ancestors" not in record
    assert (record["recipe"]["distill_weight"], record["recipe"]["distill_temperature"]) == DEFAULTS
    assert str(tmp_path) not in json.dumps(record)
    card = (student / "model" / "README.md").read_text(encoding="utf-8")
    assert "It has read my play.txt" in card and "read only" not in card
    assert "It also learned the guesses of models that had read my play.txt (as charlstm-my-play, " in card
    assert "), other.txt (as [user/other](https://huggingface.co/user/other), 7 characters)." in card
    assert str(tmp_path) not in card
    assert [source.name for source in RunSettings.load(student).teachers] == [str(teacher)] * 2
    # What a model learned from its teachers goes on to those that begin with it or learn from it.
    assert main(["fit", str(corpus), "--out", str(heir), "--init-from", str(student), *SIZES]) == 0
    before = (heir / "model" / "training.json").read_bytes()
    inherited = json.loads(before)
    assert inherited["ancestors"] == lineage[:1] and inherited["teachers"] == lineage
    assert Teachers.load([str(heir)]).entries == lineage
    assert main(["resume", str(heir)]) == 0
    assert (heir / "model" / "training.json").read_bytes() == before
    # A finished run needs its teachers no more.
    shutil.rmtree(teacher)
    assert main(["resume", str(student)]) == 0


def test_a_teacher_that_may_have_read_what_is_held_out_is_told(tmp_path: Path) -> None:
    note = "names another text or split than this run's, so it may have read what is held out"
    same = {"name": "charlstm-count", "title": CORPUS.title, "train_chars": len(CORPUS.train)}
    folders = {
        "same": trained_model(tmp_path / "same", CORPUS),
        "chain": trained_model(tmp_path / "chain", CORPUS, teachers=[same]),
        "warm": trained_model(tmp_path / "warm", CORPUS, ancestors=[same | {"title": "all of it"}]),
        "split": trained_model(tmp_path / "split", replace(CORPUS, train=CORPUS.train[:-1])),
        "unknown": tmp_path / "unknown",
    }
    tiny_model(Vocabulary(CORPUS.chars)).save_pretrained(folders["unknown"])
    notes = {name: Teachers.load([str(folder)]).notes(CORPUS) for name, folder in folders.items()}
    assert notes["same"] == notes["chain"] == []
    for name in ("warm", "split", "unknown"):
        assert len(notes[name]) == 1 and note in notes[name][0] and str(folders[name]) in notes[name][0]


def test_the_dry_run_shows_what_the_teachers_are_for(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained_model(tmp_path / "first", load_corpus(str(corpus)))
    argv = ["fit", str(corpus), "--dry-run", "--out", str(tmp_path / "run"), *SIZES]
    argv += ["--val-fraction", "0.2", "--distill-weight", "0.9", "--distill-temperature", "2"]
    assert main([*argv, "--teacher", str(first), str(first)]) == 0
    shown = capsys.readouterr().out
    assert "teachers     2; their mean guesses are 90 % of the loss, at temperature 2, and take 0.0 GB of disk" in shown
    assert shown.count("note: the record of the teacher") == 2


def test_what_does_not_suit_is_refused_in_one_sentence(
    corpus: Path, tmp_path: Path, teacher_folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    argv = ["fit", str(corpus), "--out", str(out), *SIZES]
    shown = refused([*argv, "--teacher", str(teacher_folders[0])], capsys)
    assert f"The teacher {teacher_folders[0]} lacks " in shown
    assert "characters of this run (" in shown and "name a teacher that was trained on this text" in shown
    assert "is neither a folder here nor a Hub id" in refused([*argv, "--teacher", str(tmp_path / "none")], capsys)
    assert "--teacher is empty" in refused([*argv, "--teacher", ""], capsys)
    for option in ("--distill-weight", "--distill-temperature"):
        assert f"{option} is given without a teacher" in refused([*argv, option, "0.5"], capsys)
    for option, value in (("--distill-weight", "1.5"), ("--distill-weight", "nan"), ("--distill-temperature", "0")):
        name = option.removeprefix("--").replace("-", "_")
        assert f"{name} is {float(value)}" in refused([*argv, "--teacher", "x", option, value], capsys)
    assert not out.exists()


def test_a_teacher_that_has_changed_is_refused_when_its_run_goes_on(
    tmp_path: Path, teacher_folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    teachers = Teachers.load([str(teacher_folders[0])])
    at_step(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGTERM))
    run(tmp_path / "run", DISTILLED, teachers=teachers)
    tiny_model(Vocabulary(sorted({*TEXT, "é"}, reverse=True)), hidden_size=8, seed=5).save_pretrained(
        teacher_folders[0]
    )
    with pytest.raises(ValueError, match=r"teacher0 has changed since the run began; expected the same weights: put"):
        run(tmp_path / "run", DISTILLED, teachers=Teachers(teachers.sources), resume=True)


@pytest.mark.slow
def test_a_teacher_of_the_hub_stays_the_commit_that_it_was(author: Client) -> None:
    pushed = author.call("push", "user/teacher", 5)
    commit = author.call("load", "user/teacher")["revision"]
    reloaded = author.call("reload_teacher", "user/teacher", 6)
    assert reloaded["name"] == f"user/teacher@{commit}"
    assert reloaded["fingerprint"] == pushed["fingerprint"] != author.call("load", "user/teacher")["fingerprint"]


def test_a_run_json_of_a_version_without_teachers_has_none(finished: Path, tmp_path: Path) -> None:
    settings = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    del settings["teachers"], settings["recipe"]["distill_weight"], settings["recipe"]["distill_temperature"]
    (tmp_path / "run.json").write_text(json.dumps(settings), encoding="utf-8")
    loaded = RunSettings.load(tmp_path)
    assert loaded.teachers == ()
    assert (loaded.recipe.distill_weight, loaded.recipe.distill_temperature) == (0.0, 1.0)
