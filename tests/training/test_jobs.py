"""`python -m training job`, by the real client against the loopback Hub; the Job runs from the wheel alone."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hf_xet
import pytest
import torch

from hubcharlstm.errors import HubError
from tests.support.distributions import Distributions
from tests.support.hub_client import Client, clean_environment
from tests.support.hub_jobs import HubJob
from tests.support.hub_server import OWNER_TOKEN, Hub
from tests.support.job_machine import JobMachine, install, kill
from tests.support.tiny_runs import weights
from tests.support.training_cli import ROOT, TEXT, TINY, refused
from training import jobs
from training.__main__ import main
from training.job_request import parse_request, timeout_seconds
from training.publishing.wheel import write_wheel
from training.run_settings import RunSettings, TeacherSource

SHORT = [*TINY, "--max-train-chars", "2000"]
LONG = [*TINY, "--max-train-chars", "20000"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("site"))


@pytest.fixture
def machine(site: Path, hub: Hub, tmp_path: Path) -> Iterator[JobMachine]:
    hub.runner = JobMachine(site, tmp_path / "machine", on_line=lambda line, process: None)
    yield hub.runner
    hub.runner = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the user types commands; a file there is named like a word of the command."""
    place = tmp_path / "here"
    place.mkdir()
    (place / "my play.py").write_text(TEXT, encoding="utf-8")
    (place / "training.job_worker").write_text("none of the Job's files", encoding="utf-8")
    return place


def newest(hub: Hub) -> HubJob:
    job: HubJob = list(hub.jobs.values())[-1]
    return job


def wait_until(is_true: Callable[[], Any]) -> None:
    while not is_true():
        time.sleep(0.1)


def command_line(*words: str) -> str:
    return shlex.join(["job", *words])


@pytest.mark.slow
def test_a_job_trains_from_the_wheel_and_its_model_comes_back(
    hub: Hub, author: Client, machine: JobMachine, folder: Path, site: Path, wheel: Path
) -> None:
    words = ["fit", "my play.py", "--out", "runs/play", "--push-to-hub", "user/from-a-job", *SHORT]
    done = author.call("train", command_line("--flavor", "cpu-upgrade", "--", *words), str(folder))
    assert done["code"] == 0, done
    job, run = newest(hub), folder / "runs" / "play"
    assert "Held-out loss" in done["out"] and "its model is in runs/play/model" in done["out"]
    assert {Path(place).parents[1] for place in machine.places} == {site}
    assert job.spec["flavor"] == "cpu-upgrade" and job.spec["timeoutSeconds"] == 7200
    [files] = [volume for volume in job.spec["volumes"] if volume["type"] == "bucket"]
    [(name, xet_hash)] = [item for item in hub.buckets[files["source"]].items() if item[0].startswith(files["path"])]
    assert name.endswith(f"/{wheel.name}")
    assert xet_hash == hf_xet.hash_files([str(wheel)])[0].hash
    assert (run / "model" / "model.safetensors").read_bytes() == hub.repos["user/from-a-job"].files()[
        "model.safetensors"
    ]
    source = RunSettings.load(run).source
    assert source.corpus == str(folder / "my play.py")
    ticket = json.loads((run / "job.json").read_text(encoding="utf-8"))
    assert hub.repos[f"datasets/{ticket['repository']}"].private
    assert author.call("train", "evaluate runs/play 'my play.py'", str(folder))["code"] == 0
    assert job.spec["secrets"] == {"HF_TOKEN": OWNER_TOKEN}
    spec = {name: value for name, value in job.spec.items() if name != "secrets"}
    shown = [done["out"], done["err"], json.dumps(spec), *job.logs]
    assert not [text for text in shown if OWNER_TOKEN in text]
    stored = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    stored += hub.repos[f"datasets/{ticket['repository']}"].files().values()
    assert len(stored) > 20 and not [content for content in stored if OWNER_TOKEN.encode() in content]


@pytest.mark.slow
def test_a_run_goes_on_here_and_there_to_the_same_bits(
    hub: Hub, author: Client, machine: JobMachine, folder: Path
) -> None:
    def cancel(line: str, process: subprocess.Popen[str]) -> None:
        if "best so far" in line and not newest(hub).cancelled.is_set():
            newest(hub).cancelled.set()
            process.terminate()

    machine.on_line = cancel
    words = ["fit", "my play.py", "--out", "run", *LONG]
    done = author.call("train", command_line("--", *words), str(folder))
    assert done["code"] == 2, done
    assert "has the stage CANCELED" in done["out"] and "goes on here by" in done["out"]
    assert not json.loads((folder / "run" / "model" / "training.json").read_text()).get("samples")
    shutil.copytree(folder / "run", folder / "local", ignore=shutil.ignore_patterns("job.json"))
    assert author.call("train", "resume run", str(folder))["code"] == 0
    machine.on_line = lambda line, process: None
    done = author.call("train", command_line("--", "resume", "local"), str(folder))
    assert done["code"] == 0 and "its model is in local/model" in done["out"], done
    assert author.call("train", shlex.join(["fit", "my play.py", "--out", "whole", *LONG]), str(folder))["code"] == 0
    for name in ("model/model.safetensors", "checkpoint/tensors.safetensors"):
        whole = weights(folder / "whole", name)
        for continued in ("run", "local"):
            found = weights(folder / continued, name)
            assert [key for key in whole if not torch.equal(whole[key], found[key])] == [], continued


class EndingLog(list[str]):
    """A log whose Job ends right after somebody has asked for it, with one more line."""

    def __init__(self, job: HubJob) -> None:
        super().__init__(["the first line"])
        self.job = job

    def __iter__(self) -> Iterator[str]:
        yield from list(super().__iter__())
        if self.job.stage == "RUNNING":
            self.append("the last line")
            self.job.stage = "COMPLETED"


def test_the_log_is_printed_to_its_end(hub: Hub, author: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the stream breaks off and the Job ends before the client asks for its stage, the rest was lost."""

    def run(hub: Hub, job: HubJob) -> None:
        job.logs, job.stage = EndingLog(job), "RUNNING"

    monkeypatch.setattr(hub, "runner", run)
    done = author.call("train", command_line("--", "fit", "my play.py", "--out", "run", *SHORT), str(folder))
    assert done["code"] == 2 and "no run is stored" in done["err"]
    assert done["out"].count("the first line") == 1 and done["out"].count("the last line") == 1


@pytest.mark.parametrize("is_at_end", [False, True])
def test_a_log_that_breaks_off_costs_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_at_end: bool
) -> None:
    """For want of its last lines the run was not fetched, and before the end nothing said that the Job may go on."""
    ticket = jobs.JobTicket("1", "user", "https://hub/1", "user/run", "text.txt", None, ("fit",))
    fetched: list[Path] = []

    def print_log(ticket: jobs.JobTicket, token: str | None, *, start: int = 0, follow: bool = True) -> int:
        if follow != is_at_end:
            raise ConnectionError("the network is down")
        return start

    def finish(ticket: jobs.JobTicket, run: Path, stage: str, message: str | None) -> int:
        fetched.append(run)
        return 0

    ended = SimpleNamespace(status=SimpleNamespace(stage="COMPLETED", message=None))
    monkeypatch.setattr(jobs, "_print_log", print_log)
    monkeypatch.setattr(jobs, "finish", finish)
    monkeypatch.setattr(jobs, "HfApi", lambda: SimpleNamespace(wait_for_job=lambda job, namespace: ended))
    lost = pytest.raises(HubError, match="network is down")
    outcome: AbstractContextManager[object] = nullcontext() if is_at_end else lost
    with outcome:
        assert jobs.follow(ticket, tmp_path) == 0
    assert fetched == ([tmp_path] if is_at_end else [])
    shown = capsys.readouterr().out
    assert ("network is down" in shown) == is_at_end and (f"job {tmp_path}" in shown) != is_at_end


@pytest.mark.slow
def test_a_machine_that_is_lost_costs_what_was_not_stored(
    hub: Hub, author: Client, machine: JobMachine, folder: Path, tmp_path: Path
) -> None:
    hub.runner = None
    assert author.call("train", command_line("--detach", "--", "fit", "my play.py", "--out", "run", *LONG), str(folder))
    job = newest(hub)
    ticket = json.loads((folder / "run" / "job.json").read_text(encoding="utf-8"))
    repo = hub.repos[f"datasets/{ticket['repository']}"]
    line = job.spec["environment"]["TRAINING_JOB"]
    job.spec["environment"]["TRAINING_JOB"] = f"--store-seconds 0.2 {line}"

    def lose(line: str, process: subprocess.Popen[str]) -> None:
        if "run/checkpoint/progress.json" in repo.files():
            kill(process)

    machine.on_line = lose
    machine(hub, job)
    assert job.stage == "ERROR" and "run/checkpoint/progress.json" in repo.files()
    assert not (folder / "run" / "run.json").exists()
    machine.folder = tmp_path / "another machine"
    machine.on_line = lambda line, process: None
    machine(hub, job)
    assert job.stage == "COMPLETED", job.logs
    done = author.call("train", "job run", str(folder))
    assert done["code"] == 0 and "its model is in run/model" in done["out"]


def test_ctrl_c_detaches_and_the_job_goes_on(hub: Hub, author: Client, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "job", "--", "fit", "my play.py", "--out", "run", *SHORT], cwd=folder,
        env=clean_environment(hub.url, folder / "home") | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: (folder / "run" / "job.json").exists())
    job = newest(hub)
    wait_until(lambda: hub.requested("GET", f"/{job.id}/logs"))
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on" in shown and "job run --cancel" in shown
    assert job.stage == "SCHEDULING" and not job.cancelled.is_set()
    assert (
        "follow its Job by"
        in author.call("train", command_line("--", "fit", "my play.py", "--out", "run"), str(folder))["err"]
    )
    assert author.call("train", "job run --cancel", str(folder))["code"] == 0
    assert job.stage == "CANCELED"
    ended = author.call("train", "job run", str(folder))
    assert ended["code"] == 2 and "no run is stored" in ended["err"]


def test_a_dry_run_sends_nothing_and_shows_the_request(hub: Hub, author: Client, folder: Path) -> None:
    words = ["fit", "my play.py", "--out", "run", *SHORT]
    sent = hub.requests_for("/jobs", "/buckets")
    line = command_line("--dry-run", "--flavor", "a10g-small", "--timeout", "90m", "--", *words)
    shown = json.loads(author.call("train", line, str(folder))["out"])
    assert hub.requests_for("/jobs", "/buckets") == sent and not (folder / "run").exists()
    assert shown["timeout"] == 5400 and shown["flavor"] == "a10g-small" and shown["secrets"] == ["HF_TOKEN"]
    assert shown["uploads"] == {"corpus/text/my play.py": len(TEXT)}
    assert author.call("train", command_line("--detach", "--", *words), str(folder))["code"] == 0
    sent = newest(hub).spec
    dependencies = [word for option, word in zip(sent["command"], sent["command"][1:], strict=False)
                    if option == "--with"]  # fmt: skip
    assert dependencies == shown["dependencies"]
    assert sent["timeoutSeconds"] == 7200


def test_a_hub_that_refuses_is_told_in_one_sentence(hub: Hub, author: Client, folder: Path) -> None:
    hub.fail("POST", "^/api/jobs/user$", status=402, message="Pre-paid credit balance is insufficient")
    done = author.call("train", command_line("--", "fit", "my play.py", "--out", "run", *SHORT), str(folder))
    assert done["code"] == 2 and "credit balance is insufficient" in done["err"]
    assert "stays in the private dataset user/hubcharlstm-run-" in done["out"]
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("job", "asked for 'nothing'"),
        ("job -- push run user/x", "asked for 'push run user/x'"),
        ("job nowhere", "belongs to no Job"),
        ("job --cancel -- fit macbeth", "expected its run folder alone"),
        ("job -- fit -", "comes through a pipe"),
        ("job -- fit nowhere.txt", "no file or folder 'nowhere.txt'"),
        ("job -- fit macbeth --tracker trackio", "--tracker is given to a Job"),
        ("job --dry-run -- fit macbeth --push-to-hub u/m --space u/s", "--space is given to a Job"),
        ("job --dry-run -- fit tests/*.py", "is a pattern"),
        ("job -- fit macbeth --teacher tests", "lies on this machine"),
        ("job --timeout soon -- fit macbeth", "--timeout is 'soon'"),
        ("job --timeout 30 --dry-run -- fit macbeth", "--timeout is '30'"),
        (f"job --timeout {'9' * 400}d --dry-run -- fit macbeth", "expected a time of at least a minute"),
    ],
)
def test_what_no_job_can_do_is_refused(
    words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert message in refused(shlex.split(words), capsys)


def test_a_run_that_needs_this_machine_is_refused_as_a_job(finished: Path, tmp_path: Path) -> None:
    """It was uploaded, and the Job ended at the teacher's name or at the missing package."""
    teacher = TeacherSource(name=str(finished), fingerprint="")
    for change, message in (
        ({"teachers": (teacher,)}, "lies on this machine; expected one of the Hub"),
        ({"tracker": "trackio"}, "logs to trackio"),
    ):
        RunSettings.load(finished).model_copy(update=change).save(tmp_path / "run")
        with pytest.raises(ValueError, match=message):
            parse_request(["resume", str(tmp_path / "run")])


def test_a_named_corpus_needs_no_upload(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where a folder of that name lies, which went there instead of the play."""
    monkeypatch.chdir(tmp_path)
    Path("macbeth").mkdir()
    Path("macbeth", "notes.txt").write_text(TEXT, encoding="utf-8")
    assert main(["job", "--dry-run", "--", "fit", "macbeth", "--out", str(tmp_path / "run"), "--preset", "base"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["uploads"] == {} and shown["volumes"] == [] and shown["timeout"] == timeout_seconds("8h")
    pinned = {dependency.partition("==")[0] for dependency in shown["dependencies"]}
    assert {"torch", "accelerate", "pyarrow", "zstandard"} <= pinned  # datasets of the Hub are Parquet
    assert shown["env"]["TRAINING_JOB"].endswith("-- fit macbeth --out runs/run --preset base")


@pytest.mark.slow
def test_the_wheel_is_that_of_the_build(distributions: Distributions, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(distributions.wheel) as built:
        assert set(ours.namelist()) == set(built.namelist())
        own = ("RECORD", "WHEEL", "METADATA")
        same = [name for name in ours.namelist() if not name.endswith(own)]
        assert not [name for name in same if ours.read(name) != built.read(name)]
