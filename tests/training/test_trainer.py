"""A run learns, saves its best weights, and prints its progress."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import training.artifacts
from hubcharlstm import CharLSTM, GenerationConfig, Vocabulary
from hubcharlstm.hub.model_folder import MODEL_FILES
from hubcharlstm.inspection import gate_statistics, name_cells
from tests.support.tiny_runs import (
    CORPUS,
    RECIPE,
    TEXT,
    at_step,
    checkpoint_weights,
    record,
    run,
)
from training.data.corpus import Corpus
from training.data.encoded import encode
from training.evaluation.baselines import KNESER_NEY
from training.evaluation.losses import carried_loss
from training.pipeline import fit
from training.recipe import Recipe
from training.record import loss_plot
from training.schedule import TrainSchedule
from training.trainer import TrainResult, duration


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    out = tmp_path_factory.mktemp("learned") / "run"
    recipe = replace(
        RECIPE, max_train_chars=25_000, max_epochs=100, patience=0, dropout=0.0, num_layers=1, hidden_size=48
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.artifacts, "loss_plot", loss_plot)
        return out, run(out, recipe, dtype="float16", command="python -m training fit count.txt")


def test_a_text_that_repeats_is_learned(learned: tuple[Path, TrainResult]) -> None:
    out, result = learned
    counts = Counter(TEXT)
    entropy = -sum(n / len(TEXT) * math.log(n / len(TEXT)) for n in counts.values())
    assert result.finished
    assert result.val_loss < 0.2 * entropy
    model = CharLSTM.from_pretrained(out, device="cpu")
    for cut in (5, 20, 50):  # from a zero state, in the middle of a line
        assert model.generate(TEXT[:cut], temperature=0, max_new_tokens=100) == TEXT[cut:][:100]


def test_the_model_folder_is_whole_and_explains_itself(learned: tuple[Path, TrainResult]) -> None:
    out, result = learned
    assert result.model_folder == out / "model"
    assert {path.name for path in result.model_folder.iterdir()} == set(MODEL_FILES)
    interface = {"run.json", "metrics.jsonl", "snapshots.jsonl", "status.json"}
    assert {path.name for path in out.iterdir()} == {".lock", "model", "checkpoint", *interface}
    assert (out / "model" / "loss.png").read_bytes().startswith(b"\x89PNG")
    found = record(out)
    assert found["corpus"]["sha256"] == CORPUS.sha256
    assert found["recipe"]["hidden_size"] == 48
    assert found["command"] == "python -m training fit count.txt"
    assert found["val_loss"] == result.val_loss == min(row["val_loss"] for row in found["history"])
    assert found["val_bpc"] == pytest.approx(found["val_loss"] / math.log(2))
    assert [sample["temperature"] for sample in found["samples"]] == [0.2, 0.5, 0.8, 1.0]
    assert all(len(sample["text"]) == 400 for sample in found["samples"])
    card = (out / "model" / "README.md").read_text(encoding="utf-8")
    assert found["samples"][0]["text"][:20] in card
    assert "language: en" in card


def test_a_run_names_cells_and_counts_open_gates_on_held_out_text(tmp_path: Path) -> None:
    words, rng = TEXT.split(), random.Random(0)
    held_out = "".join(" ".join(rng.choices(words, k=rng.randint(3, 9))) + "\n" for _ in range(60))
    model_folder = run(tmp_path / "run", corpus=replace(CORPUS, held_out=held_out)).model_folder
    model = CharLSTM.from_pretrained(model_folder, device="cpu")
    assert model.cells is not None and model.cells.cells
    assert model.cells.cells == name_cells(model, model.vocabulary, held_out)
    assert model.record["gates"] == gate_statistics(model, model.vocabulary, held_out).to_record()
    passage = model.cells.passage
    assert passage and model.record["samples"][1]["text"].startswith(passage)
    card = (model_folder / "README.md").read_text(encoding="utf-8")
    assert f"{len(model.cells.cells)} of 48 cells follow something" in card and "stand open" in card


def test_the_history_and_the_time_lapse_cover_the_run(learned: tuple[Path, TrainResult]) -> None:
    found = record(learned[0])
    schedule = TrainSchedule.of(Recipe(**found["recipe"]), len(TEXT))
    per_step = found["recipe"]["batch_size"] * found["recipe"]["seq_len"]
    assert [row["chars"] for row in found["history"]] == [step * per_step for step in sorted(schedule.evaluation_steps)]
    snapshots = found["time_lapse"]
    assert [snapshot["characters_read"] for snapshot in snapshots] == [
        step * per_step for step in sorted(schedule.snapshot_steps)
    ]
    assert len({snapshot["text"] for snapshot in snapshots}) >= 5  # the last may be the same: all has been learned
    assert found["time_lapse_prompt"] == found["sample_prompt"]
    model = CharLSTM.from_pretrained(learned[0], device="cpu")
    sample = found["samples"][1]
    again = model.generate(sample["prompt"], max_new_tokens=400, temperature=sample["temperature"], seed=sample["seed"])
    assert again == sample["text"]  # what the card shows can be had again


def test_weights_are_stored_as_asked(learned: tuple[Path, TrainResult]) -> None:
    with safe_open(learned[0] / "model" / "model.safetensors", framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    """Held-out text that the training text teaches away from: its loss rises again after a while."""
    corpus = replace(CORPUS, held_out="owt eno.\nThree six, neves.\n" * 20)
    result = run(
        tmp_path / "run",
        replace(RECIPE, max_train_chars=15_000, max_epochs=100, patience=0, learning_rate=3e-2),
        corpus,
    )
    history = record(tmp_path / "run")["history"]
    assert result.val_loss < history[-1]["val_loss"]
    model = CharLSTM.from_pretrained(result.model_folder, device="cpu")
    assert carried_loss(model, encode(corpus.held_out, model.vocabulary)) == pytest.approx(result.val_loss, rel=1e-6)
    last = checkpoint_weights(tmp_path / "run")
    assert not torch.equal(last["head.weight"], model.head.weight)


@pytest.mark.parametrize("text", ["ab" * 100, "道可道非常道" * 40, " \n" * 150], ids=["200", "chinese", "blank"])
def test_the_shortest_texts_train(tmp_path: Path, text: str) -> None:
    corpus = Corpus("short", "short.txt", text[:-20], text[-20:], "the last 20")
    recipe, note = replace(RECIPE, batch_size=24, seq_len=100).fitted_to(len(corpus.train))
    assert "short" in note
    assert run(tmp_path / "run", replace(recipe, max_train_chars=200), corpus).finished
    assert CharLSTM.from_pretrained(tmp_path / "run", device="cpu").vocabulary == Vocabulary.from_text(text)


def test_characters_of_the_held_out_part_alone_are_in_the_vocabulary(tmp_path: Path) -> None:
    result = run(tmp_path / "run", replace(RECIPE, max_train_chars=200), replace(CORPUS, held_out=TEXT[:50] + "É?"))
    assert math.isfinite(result.val_loss)
    assert "É" in CharLSTM.from_pretrained(tmp_path / "run", device="cpu").vocabulary


def test_a_log_gets_the_evaluations_and_no_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "run")
    shown = capsys.readouterr()
    assert shown.err == ""
    history = record(tmp_path / "run")["history"]
    assert shown.out.count("nats per character") == len(history)
    assert f"held-out {history[-1]['val_loss']:.4f}" in shown.out
    assert "(best so far)" in shown.out
    assert "\r" not in shown.out
    assert shown.out.count(f"\n    {record(tmp_path / 'run')['sample_prompt']}") == len(history)  # a sample each


def test_a_terminal_gets_a_progress_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(tmp_path / "run", replace(RECIPE, max_train_chars=300))
    assert "| 5/5 [" in capsys.readouterr().err


def test_small_things_of_the_record() -> None:
    row = {"chars": 10, "train_loss": 2.0, "val_loss": 1.0}
    assert loss_plot([row]).startswith(b"\x89PNG")
    assert (duration(5), duration(89), duration(90), duration(3600)) == ("5 s", "89 s", "2 min", "60 min")


def test_a_model_without_examples_starts_from_its_start_text(tmp_path: Path) -> None:
    result = fit(CORPUS, replace(RECIPE, max_train_chars=100), GenerationConfig(), tmp_path / "run")
    assert result.finished
    assert record(tmp_path / "run")["sample_prompt"] == "\n"


def test_a_run_without_improvement_ends_early_and_stays_ended(tmp_path: Path) -> None:
    corpus = replace(CORPUS, held_out="owt eno.\nThree six, neves.\n" * 20)
    recipe = replace(RECIPE, max_train_chars=60_000, max_epochs=100, learning_rate=3e-2, patience=2)
    assert run(tmp_path / "run", recipe, corpus).finished
    found = record(tmp_path / "run")
    losses = [row["val_loss"] for row in found["history"]]
    assert losses.index(min(losses)) == len(losses) - 3
    assert found["ended_early"] == "after 2 evaluations without an improvement"
    assert found["time_lapse"][-1]["characters_read"] == found["history"][-1]["chars"] < 60_000
    assert run(tmp_path / "run", recipe, corpus, resume=True).finished
    assert record(tmp_path / "run") == found


def test_the_number_to_beat_is_printed_once_it_is_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baselines = {KNESER_NEY: {"nats": 3.0, "seconds": 1.0}}
    run(tmp_path / "run", baselines=baselines)
    assert capsys.readouterr().out.count("It has passed the number to beat: 3.0000") == 1
    assert record(tmp_path / "run")["baselines"] == baselines
    run(tmp_path / "other", baselines={KNESER_NEY: {"nats": 0.001, "seconds": 1.0}})
    assert "has passed" not in capsys.readouterr().out


def test_a_loss_is_shown_once_its_weights_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who saw the first loss on the page and stopped the run could end without a model."""
    stored = []

    def write(out: Path, history: list[dict[str, float]]) -> None:
        stored.append((out / "model" / "model.safetensors").is_file())

    monkeypatch.setattr("training.trainer.write_metrics", write)
    run(tmp_path / "run", RECIPE)
    assert len(stored) > 1 and all(stored)


def test_a_text_that_vanishes_while_it_is_learned_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.data.corpus import load_corpus

    file = tmp_path / "text.txt"
    file.write_text(str(CORPUS.train))
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 100)  # the ids lie in shards
    corpus = load_corpus(str(file), store=tmp_path / "shards")
    at_step(monkeypatch, 3, file.unlink)
    assert run(tmp_path / "run", RECIPE, corpus).finished
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "shards"]
