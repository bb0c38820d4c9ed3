"""`python -m training sweep`: runs for seeds and settings, compared, continued, and as teachers."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.errors import HubError
from tests.support.hub_client import Client
from tests.support.hub_jobs import HubJob
from tests.support.hub_server import Hub
from tests.support.training_cli import ROOT, TEXT, TINY, refused
from training import jobs, sweep
from training.__main__ import main
from training.job_request import JobRequest
from training.recipe import Recipe
from training.run_folder import is_finished
from training.sweep import Grid
from training.sweep_report import Comparison
from training.trials import JobTrial, ProcessTrial, Trial, run_all

SHORT = [*TINY, "--max-train-chars", "1500"]


def trial(folder: Path, seed: int) -> Trial:
    return Trial(f"seed-{seed}", {}, seed, folder / f"seed-{seed}", "text.txt", ("--seed", str(seed)))


def teacher_words(one: Trial) -> tuple[str, ...]:
    """What follows --teacher, which comes last."""
    return one.words[one.words.index("--teacher") + 1 :] if "--teacher" in one.words else ()


def finish(one: Trial, val_loss: float = 1.0) -> None:
    """Leave what a finished run leaves."""
    folder = one.run / "model"
    folder.mkdir(parents=True)
    record = {"val_loss": val_loss, "val_bpc": 1.4, "best_epoch": 2.0, "seconds": 60.0, "samples": []}
    record["history"] = [{"chars": 1000, "val_loss": val_loss}]
    (folder / "training.json").write_text(json.dumps(record), encoding="utf-8")
    settings: dict[str, Any] = {
        "recipe": Recipe().to_dict(), "source": {"corpus": "text.txt"}, "dtype": "float32", "sha256": "",
        "teachers": [{"name": str(Path(place).resolve()), "fingerprint": ""} for place in teacher_words(one)],
    }  # fmt: skip
    (one.run / "run.json").write_text(json.dumps(settings), encoding="utf-8")


class Finisher:
    """A trial that takes some polls and then ends as it is told to."""

    active = 0
    most = 0

    def __init__(self, one: Trial, error: str = "") -> None:
        self.trial, self.error, self.polls = one, error, 3
        Finisher.active += 1
        Finisher.most = max(Finisher.most, Finisher.active)

    def poll(self) -> str | None:
        self.polls -= 1
        if self.polls:
            return None
        Finisher.active -= 1
        if not self.error:
            (self.trial.run / "model").mkdir(parents=True)
            (self.trial.run / "model" / "training.json").write_text('{"samples": []}', encoding="utf-8")
        return self.error

    def stop(self) -> None:
        self.polls, self.error = 1, "stopped"


def test_a_failed_run_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    trials = [trial(tmp_path, seed) for seed in range(5)]
    Finisher.most = 0
    ended: list[str] = []
    errors, is_stopped = run_all(
        trials, lambda one: Finisher(one, "no memory" if one.seed == 1 else ""), processes=2,
        on_end=lambda one: ended.append(one.name),
    )  # fmt: skip
    assert errors == {"seed-1": "no memory"} and not is_stopped
    assert sorted(ended) == [one.name for one in trials] and Finisher.most == 2
    again: list[str] = []
    run_all(trials, lambda one: Finisher(one), processes=1, on_end=lambda one: again.append(one.name))
    assert again == ["seed-1"]


def test_a_signal_stops_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    trials = [trial(tmp_path, seed) for seed in range(5)]
    started: list[str] = []

    def start(one: Trial) -> Finisher:
        started.append(one.name)
        if len(started) == 2:
            signal.raise_signal(signal.SIGTERM)
        return Finisher(one)

    errors, is_stopped = run_all(trials, start, processes=2, on_end=lambda one: None)
    assert is_stopped and errors == {} and started == ["seed-0", "seed-1"]


def test_the_grid_is_every_setting_with_every_seed(tmp_path: Path) -> None:
    grid = Grid.of("macbeth", (1, 2), {"dropout": ("0.2", "0.4"), "hidden-size": ("8",)}, ["--preset", "base"])
    trials = grid.trials(tmp_path)
    assert [one.name for one in trials] == [
        f"dropout-{dropout}_hidden-size-8_seed-{seed}" for seed in (1, 2) for dropout in ("0.2", "0.4")
    ]
    assert trials[1].fit_words == [
        "fit", "macbeth", "--out", str(tmp_path / "runs" / trials[1].name), "--preset", "base", "--dropout", "0.4",
        "--hidden-size", "8", "--seed", "1",
    ]  # fmt: skip


def wait_until(is_true: Callable[[], bool]) -> None:
    while not is_true():
        time.sleep(0.1)


@pytest.mark.slow
def test_a_grid_search_goes_on_where_it_stopped_compares_and_lets_the_best_teach(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    words = ["sweep", str(corpus), "--out", str(out), "--seeds", "1,2", "--set", "dropout=0.3", "--teach", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *words, "--", *SHORT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: bool(list(out.glob("runs/*/checkpoint"))))
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "The same command goes on:" in shown
    assert {path.name for path in (out / "runs").iterdir()} == {"dropout-0.3_seed-1"}
    assert "holds a sweep of another text" in refused([*words, "--", "--preset", "base"], capsys)
    assert main([*words, "--", *SHORT]) == 0
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    by_name = {row["name"]: row for row in results["runs"]}
    assert set(by_name) == {"dropout-0.3_seed-1", "dropout-0.3_seed-2", "student"}
    assert {row["state"] for row in by_name.values()} == {"finished"}
    assert set(by_name["student"]["teachers"]) == {"dropout-0.3_seed-1", "dropout-0.3_seed-2"}
    assert results["best"] == min(by_name, key=lambda name: by_name[name]["val_loss"])
    best = CharLSTM.from_pretrained(by_name[results["best"]]["run"])
    assert CharLSTM.from_pretrained(out).fingerprint == best.fingerprint
    assert best.record["recipe"]["dropout"] == 0.3
    assert results["best"] in capsys.readouterr().out


@pytest.mark.slow
def test_what_ends_a_process_is_told_by_its_own_sentence(corpus: Path, tmp_path: Path) -> None:
    one = Trial("wild", {"dropout": "7"}, 1, tmp_path / "wild", str(corpus), (*SHORT, "--dropout", "7"))
    active = ProcessTrial(one, tmp_path / "logs" / "wild.txt", threads=1)
    wait_until(lambda: active.process.poll() is not None)
    assert (active.poll() or "").startswith("dropout is 7.0; expected")


def test_a_grid_search_by_jobs_brings_each_run_back_and_sends_none_twice(
    hub: Hub, author: Client, finished: Path, tmp_path: Path
) -> None:
    def complete(hub: Hub, job: HubJob) -> None:
        files = {f"run/{path.relative_to(finished)}": path.read_bytes() for path in finished.rglob("[!.]*")
                 if path.is_file()}  # fmt: skip
        words = shlex.split(job.spec["environment"]["TRAINING_JOB"])
        hub.repos[f"datasets/{words[words.index('--repository') + 1]}"].commit(dict(files))
        job.stage = "COMPLETED"

    (tmp_path / "play.txt").write_text(TEXT, encoding="utf-8")
    line = shlex.join(["sweep", "play.txt", "--flavor", "cpu-upgrade", "--seeds", "1,2", "--", *SHORT])
    before = len(hub.jobs)
    hub.runner = complete
    try:
        done = author.call("train", line, str(tmp_path))
        assert done["code"] == 0, done
        again = author.call("train", line, str(tmp_path))
    finally:
        hub.runner = None
    sent = [job.spec["environment"]["TRAINING_JOB"] for job in list(hub.jobs.values())[before:]]
    assert [words.rpartition(" ")[2] for words in sent] == ["1", "2"]
    assert again["code"] == 0 and "2 runs, 2 of them finished" in again["out"]
    results = json.loads((tmp_path / "sweeps" / "play" / "results.json").read_text(encoding="utf-8"))
    assert [row["state"] for row in results["runs"]] == ["finished", "finished"]


def test_a_hub_that_is_away_begins_no_job_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished Job whose run could not be fetched was forgotten, and trained from the start by another one."""
    one, answers = trial(tmp_path, 1), [HubError("The Hub is away."), jobs.NothingStoredError("Nothing is stored.")]
    ticket = jobs.JobTicket("1", "user", "https://hub/1", "user/run", "text.txt", None, ("fit",))
    ticket.save(one.run)
    begun: list[tuple[str, ...]] = []

    def away(*args: object) -> int:
        raise answers.pop(0)

    def start(request: JobRequest, **machine: object) -> jobs.JobTicket:
        begun.append(request.words)
        return ticket

    monkeypatch.setattr(jobs, "stage_of", lambda ticket: "COMPLETED")
    monkeypatch.setattr(jobs, "finish", away)
    monkeypatch.setattr(jobs, "start", start)
    monkeypatch.setattr(
        "training.trials.parse_request", lambda words: JobRequest(one.run, tuple(words), ("", None), (), "")
    )
    with pytest.raises(HubError, match="is away"):
        JobTrial(one, {})
    assert jobs.JobTicket.load(one.run) == ticket and not begun
    JobTrial(one, {})
    assert [words[0] for words in begun] == ["fit"] and not one.run.exists()


def test_where_others_are_the_best_by_now_they_teach_a_student_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished student was shown with the settings of the best of a larger sweep, which had not taught it."""
    losses = {"dropout-0.2_seed-1": 1.5, "dropout-0.4_seed-2": 1.2}

    def run_all(trials: list[Trial], start: object, **options: object) -> tuple[dict[str, str], bool]:
        for one in trials:
            if not is_finished(one.run):
                finish(one, losses.get(one.name, 1.9))
        return {}, False

    monkeypatch.setattr(sweep, "run_all", run_all)
    for seeds in ((1,), (1, 2), (1, 2)):
        grid = Grid.of("macbeth", seeds, {"dropout": ("0.2", "0.4")}, [])
        assert sweep.run(grid, tmp_path / "out", "again", processes=1, num_teachers=1, machine=None) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    students = [row for row in results["runs"] if "teachers" in row]
    assert [(row["name"], row["teachers"]) for row in students] == [("student-2", ["dropout-0.4_seed-2"])]
    assert students[0]["settings"] == {"dropout": "0.4"}
    assert is_finished(tmp_path / "out" / "student") and not (tmp_path / "out" / "student-3").exists()


def test_the_comparison_ranks_the_runs_and_averages_the_seeds(tmp_path: Path) -> None:
    trials = [
        Trial(f"dropout-{d}_seed-{s}", {"dropout": d}, s, tmp_path / f"{d}-{s}", "text.txt", ())
        for d in ("0.2", "0.4")
        for s in (1, 2)
    ]
    for one, loss in zip(trials[:3], (1.5, 1.7, 1.2), strict=True):
        finish(one, loss)
    comparison = Comparison.of(trials, {trials[3].name: "no memory"})
    assert comparison.ranked == [trials[2].name, trials[0].name, trials[1].name]
    first, second = comparison.settings()
    assert first == {"setting": "dropout 0.4", "mean": 1.2, "std": None, "runs": 1}
    assert second["setting"] == "dropout 0.2" and second["mean"] == pytest.approx(1.6)
    assert second["std"] == pytest.approx(0.2 / 2**0.5)
    assert "| dropout-0.4_seed-2 | failed |" in comparison.markdown()
    assert comparison.plot().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sweep - --seeds 1", "comes through a pipe"),
        ("sweep nowhere.txt", "no file or folder 'nowhere.txt'"),
        ("sweep macbeth --set colour=red", "--set has 'colour'"),
        ("sweep macbeth --set seed=1,2", "--set has 'seed'"),
        ("sweep macbeth --processes 0", "--processes is 0"),
        ("sweep macbeth --set init-from=user/one,user-one", "would share the folder init-from-user-one_"),
        ("sweep macbeth --teach 2", "--teach is 2; expected 0 to 1"),
        ("sweep macbeth --timeout 3h", "--timeout is given without a Job"),
        ("sweep macbeth --out docs", "exists already and is no sweep"),
        ("sweep macbeth -- --seed 3", "--seed is given for every run"),
        ("sweep macbeth -- --push-to-hub user/x", "--push-to-hub is given for every run"),
    ],
)
def test_what_is_no_grid_search_is_refused(
    words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert message in refused(shlex.split(words), capsys)


def test_a_grid_search_of_a_pattern_is_named_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder was called `*`."""
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "one.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    folders: list[Path] = []
    monkeypatch.setattr("training.sweep.run", lambda grid, out, *_, **__: folders.append(out) or 0)
    assert main(["sweep", "books/*.txt"]) == 0
    assert folders == [Path("sweeps/books")]
