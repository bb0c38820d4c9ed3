"""A run learns, keeps its best weights, and a run that was stopped or killed ends as if it never had been."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from tqdm import tqdm

import training.bptt
import training.lstm
import training.trainer
from hubcharlstm import CharLSTM, GenerationConfig, Vocabulary
from hubcharlstm.hub.model_folder import MODEL_FILES
from hubcharlstm.vocabulary import normalize
from training import checkpoint
from training.checkpoint import Progress
from training.data.corpus import Corpus
from training.data.examples import suggest
from training.evaluation.losses import carried_loss
from training.pipeline import encode, fit
from training.recipe import Recipe
from training.record import loss_plot
from training.schedule import TrainSchedule
from training.trainer import TrainingError, TrainResult, duration

TEXT = "One two three, four five six.\nSeven eight nine, ten and out.\n" * 32
CORPUS = Corpus("count", "count.txt", TEXT, TEXT[:480], "some of it", card={"language": "en"})
RECIPE = Recipe(
    embedding_dim=8,
    hidden_size=24,
    num_layers=2,
    dropout=0.2,
    batch_size=4,
    seq_len=16,
    learning_rate=1e-2,
    state_reset_prob=0.2,
    chars=3_000,
)


def run(out: Path, recipe: Recipe = RECIPE, corpus: Corpus = CORPUS, **settings: Any) -> TrainResult:
    return fit(corpus, recipe, suggest(corpus), out, **settings)


def weights(out: Path, name: str = "model/model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(out / name)


def record(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "model" / "training.json").read_text(encoding="utf-8"))
    return data


def without_seconds(data: dict[str, Any]) -> dict[str, Any]:
    """A record without what a clock measured."""
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in data["history"]]
    moments = [{k: v for k, v in moment.items() if k != "minutes"} for moment in data["time_lapse"]]
    return {k: v for k, v in data.items() if k != "seconds"} | {"history": history, "time_lapse": moments}


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: best weights, last weights, optimizer, random state, record."""
    for name in ("model/model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = weights(one, name), weights(other, name)
        assert a.keys() == b.keys()
        different = [key for key in a if not torch.equal(a[key], b[key])]
        assert not different
    assert without_seconds(record(one)) == without_seconds(record(other))


# --- learning ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    out = tmp_path_factory.mktemp("learned") / "run"
    recipe = replace(RECIPE, chars=25_000, max_epochs=100, patience=0, dropout=0.0, num_layers=1, hidden_size=48)
    return out, run(out, recipe, dtype="float16", settings={"command": "python -m training fit count.txt"})


def test_a_text_that_repeats_is_learned(learned: tuple[Path, TrainResult]) -> None:
    out, outcome = learned
    counts = Counter(TEXT)
    entropy = -sum(n / len(TEXT) * math.log(n / len(TEXT)) for n in counts.values())
    assert outcome.finished
    assert outcome.val_loss < 0.2 * entropy
    model = CharLSTM.from_pretrained(out, device="cpu")
    for cut in (5, 20, 50):  # from a zero state, in the middle of a line
        assert model.generate(TEXT[:cut], temperature=0, max_new_tokens=100) == TEXT[cut:][:100]


def test_the_model_folder_is_whole_and_explains_itself(learned: tuple[Path, TrainResult]) -> None:
    out, outcome = learned
    assert outcome.model_folder == out / "model"
    assert {path.name for path in outcome.model_folder.iterdir()} == set(MODEL_FILES)
    assert {path.name for path in out.iterdir()} == {"model", "checkpoint", "run.json", "metrics.jsonl"}
    assert (out / "model" / "loss.png").read_bytes().startswith(b"\x89PNG")
    told = record(out)
    assert told["corpus"]["sha256"] == CORPUS.sha256
    assert told["recipe"]["hidden_size"] == 48
    assert told["command"] == "python -m training fit count.txt"
    assert told["val_loss"] == outcome.val_loss == min(row["val_loss"] for row in told["history"])
    assert told["val_bpc"] == pytest.approx(told["val_loss"] / math.log(2))
    assert [sample["temperature"] for sample in told["samples"]] == [0.2, 0.5, 0.8, 1.0]
    assert all(len(sample["text"]) == 400 for sample in told["samples"])
    card = (out / "model" / "README.md").read_text(encoding="utf-8")
    assert told["samples"][0]["text"][:20] in card
    assert "language: en" in card


def test_the_history_and_the_time_lapse_cover_the_run(learned: tuple[Path, TrainResult]) -> None:
    told = record(learned[0])
    plan = TrainSchedule.of(Recipe.from_dict(told["recipe"]), len(TEXT))
    per_step = told["recipe"]["batch_size"] * told["recipe"]["seq_len"]
    assert [row["chars"] for row in told["history"]] == [step * per_step for step in sorted(plan.evaluate_at)]
    moments = told["time_lapse"]
    assert [moment["characters_read"] for moment in moments] == [step * per_step for step in sorted(plan.snapshot_at)]
    assert len({moment["text"] for moment in moments}) >= 5  # the last may be the same: all has been learned
    assert told["time_lapse_prompt"] == told["sample_prompt"]
    model = CharLSTM.from_pretrained(learned[0], device="cpu")
    sample = told["samples"][1]
    again = model.generate(sample["prompt"], max_new_tokens=400, temperature=sample["temperature"], seed=sample["seed"])
    assert again == sample["text"]  # what the card shows can be had again


def test_weights_are_stored_as_asked(learned: tuple[Path, TrainResult]) -> None:
    with safe_open(learned[0] / "model" / "model.safetensors", framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    """Held-out text that the training text teaches away from: its loss rises again after a while."""
    corpus = replace(CORPUS, held_out="owt eno.\nThree six, neves.\n" * 20)
    outcome = run(
        tmp_path / "run", replace(RECIPE, chars=15_000, max_epochs=100, patience=0, learning_rate=3e-2), corpus
    )
    history = record(tmp_path / "run")["history"]
    assert outcome.val_loss < history[-1]["val_loss"]
    model = CharLSTM.from_pretrained(outcome.model_folder, device="cpu")
    assert carried_loss(model, encode(corpus.held_out, model.vocabulary)) == pytest.approx(outcome.val_loss, rel=1e-6)
    last = checkpoint_weights(tmp_path / "run")
    assert not torch.equal(last["head.weight"], model.head.weight)


def checkpoint_weights(out: Path) -> dict[str, torch.Tensor]:
    stored = weights(out, "checkpoint/tensors.safetensors")
    return {name.removeprefix("network."): value for name, value in stored.items() if name.startswith("network.")}


@pytest.mark.parametrize("text", ["ab" * 100, "道可道非常道" * 40, " \n" * 150], ids=["200", "chinese", "blank"])
def test_the_shortest_texts_train(tmp_path: Path, text: str) -> None:
    corpus = Corpus("short", "short.txt", text[:-20], text[-20:], "the last 20")
    recipe, note = replace(RECIPE, batch_size=24, seq_len=100).fitted_to(len(corpus.train))
    assert "short" in note
    assert run(tmp_path / "run", replace(recipe, chars=200), corpus).finished
    assert CharLSTM.from_pretrained(tmp_path / "run", device="cpu").vocabulary == Vocabulary.from_text(text)


def test_characters_of_the_held_out_part_alone_are_in_the_vocabulary(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", replace(RECIPE, chars=200), replace(CORPUS, held_out=TEXT[:50] + "É?"))
    assert math.isfinite(outcome.val_loss)
    assert "É" in CharLSTM.from_pretrained(tmp_path / "run", device="cpu").vocabulary


# --- reading the text ----------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.booleans())
def test_encode_gives_the_ids_of_the_vocabulary(text: str, lowercase: bool) -> None:
    text = normalize(text.replace("\ufeff", "."), lowercase=lowercase)
    vocabulary = Vocabulary.from_text(text, lowercase=lowercase)
    assert encode(text, vocabulary).tolist() == list(vocabulary.encode(text).ids)


class Watched(torch.nn.Module):
    """A network that notes what a run shows it and what it answers."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def forward(self, ids: torch.Tensor, state: Any) -> Any:
        logits, new_state = self.inner(ids, state)
        self.calls.append((ids.t(), state[0], logits.detach().transpose(0, 1)))  # a lane a row
        return logits, new_state


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """The networks of the runs to come, each between Accelerate and the loop."""
    networks = []

    class WatchingAccelerator(training.loop.Accelerator):  # type: ignore[misc]
        def prepare(self, model: Any, optimizer: Any) -> Any:
            networks.append(Watched(model))
            return networks[-1], super().prepare(optimizer)

    monkeypatch.setattr(training.loop, "Accelerator", WatchingAccelerator)
    return networks


def test_windows_carry_the_state_along_their_lanes(
    tmp_path: Path, watched: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a learning rate of almost nothing, windows in a row give what one long forward pass over a lane gives."""
    monkeypatch.setattr(training.lstm, "has_fast_bf16", lambda: False)  # the figures are compared closely
    recipe = replace(
        RECIPE, dropout=0.0, learning_rate=1e-30, weight_decay=0.0, chars=4_000, warmup=0.0, state_reset_prob=0.0,
        seed=2, softmax_temperature=1.0,
    )  # fmt: skip
    run(tmp_path / "run", recipe)
    plan, stream_len = TrainSchedule.of(recipe, len(TEXT)), len(TEXT) // recipe.batch_size
    model = CharLSTM.from_pretrained(tmp_path / "run", device="cpu")
    ids = encode(TEXT, model.vocabulary)
    calls = watched[0].calls
    assert len(calls) == plan.total_steps > plan.steps_per_epoch  # more than one epoch
    for epoch in (0, 1):
        part = calls[epoch * plan.steps_per_epoch : (epoch + 1) * plan.steps_per_epoch]
        inputs, logits = (torch.cat([call[n] for call in part], dim=1) for n in (0, 2))
        start = plan.offset(recipe, epoch)
        rows = [
            ids[n * stream_len + start : n * stream_len + start + inputs.shape[1]] for n in range(recipe.batch_size)
        ]
        assert torch.equal(inputs, torch.stack(rows))
        assert not part[0][1].any()  # each epoch begins with a zero state
        assert part[1][1].any()
        expected, _ = model(inputs)
        torch.testing.assert_close(logits, expected.detach(), rtol=1e-4, atol=1e-5)
    assert plan.offset(recipe, 0) != plan.offset(recipe, 1)
    # The training loss told is the mean over all windows since the look before.
    first = sorted(plan.evaluate_at)[0]
    targets = [
        ids[torch.arange(4)[:, None] * stream_len + plan.offset(recipe, 0) + n * 16 + torch.arange(1, 17)]
        for n in range(first)
    ]
    losses = [cross_entropy(calls[n][2].flatten(0, 1), targets[n].flatten()) for n in range(first)]
    assert record(tmp_path / "run")["history"][0]["train_loss"] == pytest.approx(float(torch.stack(losses).mean()))


def test_some_lanes_start_cold_and_the_others_carry_on(tmp_path: Path, watched: list[Watched]) -> None:
    recipe = replace(RECIPE, state_reset_prob=0.3)
    run(tmp_path / "run", recipe)
    steps = TrainSchedule.of(recipe, len(TEXT)).steps_per_epoch
    cold = torch.stack([(call[1] == 0).all(dim=2).all(dim=0) for call in watched[0].calls])  # (steps, B)
    warm = torch.stack([(call[1] != 0).any(dim=2).any(dim=0) for call in watched[0].calls])
    assert torch.equal(cold, ~warm)  # a lane is cold in all layers or in none
    assert cold[::steps].all()
    share = float(cold[1:steps].float().mean())
    assert 0.1 < share < 0.5
    run(tmp_path / "never", replace(recipe, state_reset_prob=0.0))
    assert not any((call[1] == 0).all(dim=2).any() for call in watched[1].calls[1:steps])


# --- stopping and resuming -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    assert run(out).finished
    return out


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Call `act` when the progress bar is told of a run's window number `step`, counted from now."""

    class Bar(tqdm):  # type: ignore[type-arg]
        seen = 0

        def update(self, n: float | None = 1) -> bool | None:
            Bar.seen += 1
            if Bar.seen == step:
                act()
            return super().update(n)

    monkeypatch.setattr(training.run, "tqdm", Bar)


@pytest.mark.parametrize(
    ("step", "number"), [(1, signal.SIGTERM), (7, signal.SIGINT), (29, signal.SIGTERM), (30, signal.SIGTERM)]
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals
) -> None:
    """Dropout is on: the random state, the carried state and the sums of losses all have to come back."""
    out = tmp_path / "run"
    at_step(monkeypatch, step, lambda: signal.raise_signal(number))
    outcome = run(out)
    assert not outcome.finished
    assert json.loads((out / "checkpoint" / "progress.json").read_text())["step"] == step
    torch.rand(step)  # the random state of the process is another one by now
    assert run(out, resume=True).finished
    assert_same_run(out, unbroken)


def test_a_run_stopped_again_and_again_still_ends_the_same(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stops = tmp_path / "run", 0
    at_step(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGTERM))
    while not run(out, resume=stops > 0).finished:
        stops += 1
        at_step(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGTERM))
    assert stops >= 8
    assert_same_run(out, unbroken)


class Killed(Exception):
    """Stands for a power cut: nothing more is saved."""


@pytest.mark.parametrize(("step", "seconds"), [(1, 60.0), (20, 60.0), (20, 0.0)])
def test_a_killed_run_goes_on_from_its_last_checkpoint(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch, step: int, seconds: float
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(training.run, "CHECKPOINT_SECONDS", seconds)

    def kill() -> None:
        raise Killed

    at_step(monkeypatch, step, kill)
    with pytest.raises(Killed):
        run(out)
    assert run(out, resume=True).finished
    assert_same_run(out, unbroken)


def test_a_run_from_before_weights_were_averaged_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, average=0.0)
    run(tmp_path / "unbroken", recipe)
    at_step(monkeypatch, 20, lambda: signal.raise_signal(signal.SIGTERM))
    run(tmp_path / "run", recipe)
    monkeypatch.undo()
    stored = tmp_path / "run" / "checkpoint" / "tensors.safetensors"
    save_file({name: value for name, value in load_file(stored).items() if not name.startswith("average.")}, stored)
    assert run(tmp_path / "run", recipe, resume=True).finished
    assert_same_run(tmp_path / "run", tmp_path / "unbroken")


def test_a_second_signal_stops_at_once_and_loses_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    at_step(monkeypatch, 20, twice)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert run(tmp_path / "run", resume=True).finished


def test_a_finished_run_that_is_resumed_stays_as_it_is(tmp_path: Path, unbroken: Path) -> None:
    before = weights(unbroken), record(unbroken)
    assert run(unbroken, resume=True).finished
    assert all(torch.equal(value, before[0][name]) for name, value in weights(unbroken).items())
    assert record(unbroken) == before[1]


def test_a_run_leaves_the_arithmetic_of_the_process_as_it_was(unbroken: Path) -> None:
    """Denormals stayed flushed to zero in all that came after a run."""
    assert float(torch.tensor([1e-39]) * 0.5) > 0.0
    with pytest.raises(ValueError):
        run(unbroken.parent / "none", resume=True)
    assert float(torch.tensor([1e-39]) * 0.5) > 0.0


def test_a_run_works_off_the_main_thread(tmp_path: Path) -> None:
    outcomes: list[TrainResult] = []
    thread = threading.Thread(target=lambda: outcomes.append(run(tmp_path / "run", replace(RECIPE, chars=200))))
    thread.start()
    thread.join()
    assert outcomes[0].finished


def test_checkpoints_leave_nothing_else_behind(unbroken: Path) -> None:
    assert sorted(path.name for path in unbroken.iterdir()) == ["checkpoint", "metrics.jsonl", "model", "run.json"]
    assert sorted(p.name for p in (unbroken / "checkpoint").iterdir()) == ["progress.json", "tensors.safetensors"]
    # Strict JSON: other readers know no Infinity and no NaN.
    json.loads((unbroken / "checkpoint" / "progress.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "damage", ["none", "no tensors", "cut tensors", "cut progress", "other progress", "other sizes"]
)
def test_a_damaged_checkpoint_is_refused_and_left_alone(tmp_path: Path, unbroken: Path, damage: str) -> None:
    out = tmp_path / "run"
    source, folder = unbroken / "checkpoint", out / "checkpoint"
    folder.mkdir(parents=True)
    tensors, progress = (source / name for name in ("tensors.safetensors", "progress.json"))
    if damage != "none":
        (folder / "progress.json").write_bytes(progress.read_bytes())
        (folder / "tensors.safetensors").write_bytes(tensors.read_bytes())
    if damage == "no tensors":
        (folder / "tensors.safetensors").unlink()
    elif damage == "cut tensors":
        (folder / "tensors.safetensors").write_bytes(tensors.read_bytes()[:-100])
    elif damage == "cut progress":
        (folder / "progress.json").write_bytes(progress.read_bytes()[:-10])
    elif damage == "other progress":
        (folder / "progress.json").write_text("[1, 2]")
    elif damage == "other sizes":
        stored = weights(unbroken, "checkpoint/tensors.safetensors")
        save_file(stored | {"network.head.bias": torch.zeros(3)}, folder / "tensors.safetensors")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    expected = "has no whole checkpoint" if damage in ("none", "no tensors") else r"is damaged \("
    with pytest.raises(ValueError, match=expected) as refused:
        run(out, resume=True)
    assert "\n" not in str(refused.value)
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}


# --- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 4, 20, 22])
def test_a_loss_that_is_no_number_ends_the_run_and_is_never_kept(
    tmp_path: Path, watched: list[Watched], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """At a moment of the time-lapse (1, 3), at a look (20), and where nothing but a checkpoint is due (4, 22)."""
    out = tmp_path / "run"
    monkeypatch.setattr(training.run, "CHECKPOINT_SECONDS", 0.0)

    def poison() -> None:
        with torch.no_grad():
            next(watched[0].parameters()).mul_(math.nan)

    at_step(monkeypatch, step, poison)
    with pytest.raises(TrainingError, match=rf"no finite number any more after step {step}; .*--learning-rate 0\.005"):
        run(out)
    assert all(bool(value.isfinite().all()) for value in checkpoint_weights(out).values())
    kept = json.loads((out / "checkpoint" / "progress.json").read_text())
    assert kept["step"] == step - 1
    assert (out / "model").exists() == bool(kept["history"])
    if kept["history"]:
        assert all(bool(value.isfinite().all()) for value in weights(out).values())


def test_a_loss_that_runs_away_by_itself_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="start a new run with half the learning rate"):
        run(tmp_path / "run", replace(RECIPE, learning_rate=1e37, warmup=0.0))
    assert all(bool(value.isfinite().all()) for value in checkpoint_weights(tmp_path / "run").values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"hidden_size": 10**10}, r"weights; expected at most .*smaller sizes"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", replace(RECIPE, **settings))
    with pytest.raises(ValueError, match="dtype is 'float8'"):
        run(tmp_path / "run", dtype="float8")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_an_os_error_whoever_notices_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"serializing|open|directory") as refused, checkpoint.disk_errors(tmp_path):
        save_file({"a": torch.zeros(3)}, tmp_path / "file" / "x.safetensors")
    assert refused.value.filename == str(tmp_path)


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_a_log_gets_the_looks_and_no_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    run(tmp_path / "run", replace(RECIPE, chars=300))
    assert "| 5/5 [" in capsys.readouterr().err


def test_progress_survives_its_record() -> None:
    progress = Progress(step=3, history=[{"val_loss": 2.0}, {"val_loss": 1.0}, {"val_loss": 1.5}])
    assert Progress.from_dict(json.loads(json.dumps(vars(progress)))) == progress
    assert progress.best_loss == 1.0
    assert Progress().best_loss == math.inf
    assert Progress.from_dict(vars(progress) | {"best_loss": 1.0}) == progress  # what an older version wrote
    with pytest.raises(KeyError):
        Progress.from_dict({"step": 3})


def test_small_things_of_the_record() -> None:
    row = {"chars": 10, "train_loss": 2.0, "val_loss": 1.0}
    assert loss_plot([row]).startswith(b"\x89PNG")
    assert (duration(5), duration(89), duration(90), duration(3600)) == ("5 s", "89 s", "2 min", "60 min")


def test_a_model_without_examples_starts_from_its_start_text(tmp_path: Path) -> None:
    outcome = fit(CORPUS, replace(RECIPE, chars=100), GenerationConfig(), tmp_path / "run")
    assert outcome.finished
    assert record(tmp_path / "run")["sample_prompt"] == "\n"
