"""A run on several processes learns what it learns on one, writes once, and survives the loss of a process."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hubcharlstm import CharLSTMConfig, Vocabulary
from hubcharlstm.decoding.openmp import gnu_openmp
from tests.conftest import tiny_model
from tests.support.hub_client import clean_environment
from tests.support.hub_server import Hub
from tests.support.tiny_runs import CORPUS, record, weights
from tests.support.training_cli import refused
from training import checkpoint, estimate, run_folder
from training.checkpoint import Progress
from training.local_sgd import agree_steps
from training.processes import Processes, check_divides, check_local_sgd, launcher_note, slower_note
from training.recipe import Recipe

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "tests" / "support" / "train_in_float32.py"
SETTINGS = shlex.split(
    "--embedding-dim 8 --hidden-size 32 --batch-size 8 --seq-len 20 --dropout 0.3 --dropout-samples 3 "
    "--weight-drop 0.2 --muon-rate 0.02 --max-epochs 100 --max-train-chars 40000 --patience 0"
)
TEXT = CORPUS.train * 2


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("text") / "count.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


def launched(num_processes: int, *arguments: str, restarts: int = 0, **environment: str) -> subprocess.Popen[str]:
    """`python -m training ARGUMENTS` on so many processes, by torchrun."""
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(num_processes),
        "--max-restarts", str(restarts), "--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint",
        "127.0.0.1:0", str(DRIVER),
    ]  # fmt: skip
    return begun([sys.executable, str(DRIVER)] if num_processes == 1 else launcher, *arguments, **environment)


def begun(command: Sequence[str], *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A command with arguments, on one thread in each process."""
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it printed; it ends well."""
    try:
        output, _ = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its workers
        raise
    assert process.returncode == 0, output
    return output


def losses(run: Path) -> list[tuple[float, float]]:
    """Training and held-out loss at each evaluation."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["train_loss"], row["val_loss"]) for row in rows]


@pytest.fixture(scope="module")
def alone(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    ended(launched(1, "fit", str(text), "--out", str(out), *SETTINGS))
    assert len(losses(out)) >= 8
    return out


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(text: Path, alone: Path, tmp_path: Path) -> None:
    """In float32, dropout, weight drop, resets, Muon and the moving average included, over 250 steps."""
    output = ended(launched(2, "fit", str(text), "--out", str(tmp_path / "run"), *SETTINGS))
    for own, other in zip(losses(tmp_path / "run"), losses(alone), strict=True):
        assert own == pytest.approx(other, abs=1e-4)
    assert output.count("Held-out loss") == 1  # one process prints


@pytest.mark.slow
def test_two_processes_read_the_same_renamed_speakers(tmp_path: Path) -> None:
    """Each invents the names of an epoch by itself: both halves of a batch are of one text."""
    play = "".join(f"{name}:\nWhat news?\nHe is well.\n\n" for _ in range(40) for name in ("MORNA", "ULRIC", "OSWIN"))
    (tmp_path / "play.txt").write_text(play)
    settings = [*SETTINGS, "--rename-speakers", "0.7", "--max-train-chars", "16000"]
    for num_processes in (1, 2):
        out = str(tmp_path / str(num_processes))
        ended(launched(num_processes, "fit", str(tmp_path / "play.txt"), "--out", out, *settings))
    renamed, alone = losses(tmp_path / "2"), losses(tmp_path / "1")
    assert len(alone) >= 4
    for own, other in zip(renamed, alone, strict=True):
        assert own == pytest.approx(other, abs=1e-4)


@pytest.mark.slow
def test_two_processes_inspect_a_text_without_a_run(text: Path, tmp_path: Path) -> None:
    """Both left their group to the interpreter's shutdown, which could abort one of them."""
    output = ended(launched(2, "fit", str(text), "--out", str(tmp_path / "run"), *SETTINGS, "--dry-run"))
    assert output.count("to beat") == 1 and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(text: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = launched(1, "fit", str(text), "--out", str(out), *SETTINGS)
    assert stopped.stdout is not None
    for line in stopped.stdout:
        if line.startswith("epoch"):  # its first evaluation
            break
    stopped.terminate()
    stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    output = ended(launched(2, "resume", str(out)))
    assert "the run had 1 processes up to window" in output
    assert "each with 4 of the batch's 8 rows" in output
    for own, other in zip(losses(out), losses(alone), strict=True):
        assert own == pytest.approx(other, abs=1e-4)


@pytest.mark.slow
def test_a_run_whose_process_is_killed_is_restarted_to_the_same_result(text: Path, alone: Path, tmp_path: Path) -> None:
    """torchrun starts the workers anew by the same `fit`, which goes on from the checkpoint of the run it began."""
    out, flag = tmp_path / "run", tmp_path / "killed"
    output = ended(
        launched(2, "fit", str(text), "--out", str(out), *SETTINGS, restarts=1, KILL_AT="130", KILL_ONCE=str(flag))
    )
    assert flag.exists() and "Traceback" not in output.split("Held-out loss")[-1]
    for own, other in zip(losses(out), losses(alone), strict=True):
        assert own == pytest.approx(other, abs=1e-4)


@pytest.mark.slow
def test_accelerate_launches_the_same_command_and_one_process_publishes(
    text: Path, alone: Path, tmp_path: Path, hub: Hub
) -> None:
    """Its launcher of several GPUs starts several processes on CPUs as well; the one for CPUs starts one."""
    launcher = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines",
        "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m",
        "tests.support.train_in_float32",
    ]  # fmt: skip
    out = tmp_path / "run"
    words = ["fit", str(text), "--out", str(out), "--push-to-hub", "user/shared", *SETTINGS]
    output = ended(begun(launcher, *words, **clean_environment(hub.url, tmp_path / "home")))
    for own, other in zip(losses(out), losses(alone), strict=True):
        assert own == pytest.approx(other, abs=1e-4)
    assert output.count("Held-out loss") == 1
    progress = json.loads((out / "checkpoint" / "progress.json").read_text(encoding="utf-8"))
    assert progress["num_processes"] == 2
    assert len(hub.requested("POST", "user/shared/commit")) == 1
    assert "model.safetensors" in hub.repos["user/shared"].files()


@pytest.mark.slow
def test_local_sgd_averages_weights_and_goes_on_after_a_kill(text: Path, tmp_path: Path) -> None:
    """Weights are equal after every 8th step alone; a checkpoint is from such a step and has both optimizers."""
    out, hashes, flag = tmp_path / "run", tmp_path / "hashes", tmp_path / "killed"
    hashes.mkdir()
    short = [*SETTINGS, "--max-train-chars", "9600", "--local-sgd-steps", "8"]  # 60 steps
    output = ended(launched(2, "fit", str(text), "--out", str(tmp_path / "unbroken"), *short, WEIGHTS_TO=str(hashes)))
    assert "the 2 processes average their weights every 8 steps" in output
    for step in range(1, 61):
        one, other = ((hashes / f"{step}-{index}").read_text() for index in range(2))
        assert (one == other) == (step % 8 == 0), step
    ended(launched(2, "fit", str(text), "--out", str(out), *short, restarts=1, KILL_AT="45", KILL_ONCE=str(flag)))
    assert flag.exists()
    unbroken = losses(tmp_path / "unbroken")
    assert len(unbroken) >= 4
    for own, other_losses in zip(losses(out), unbroken, strict=True):
        assert own == pytest.approx(other_losses, abs=1e-6)
    assert record(out)["recipe"]["local_sgd_steps"] == 8 and record(out)["num_processes"] == 2
    main, second = (checkpoint_part(out, prefix) for prefix in ("optimizer.", "process.1.optimizer."))
    assert main.keys() == second.keys() and any(not torch.equal(main[name], second[name]) for name in main)


def checkpoint_part(run: Path, prefix: str) -> dict[str, torch.Tensor]:
    stored = weights(run, "checkpoint/tensors.safetensors")
    return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}


def test_local_sgd_needs_several_processes(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", str(text), "--out", str(tmp_path / "run"), "--local-sgd-steps"]
    assert "every 4 steps (--local-sgd-steps) and has a single one; expected several" in refused(
        [*command, "4"], capsys
    )
    assert "local_sgd_steps is -1; expected at least 0" in refused([*command, "-1"], capsys)
    assert not (tmp_path / "run").exists()
    assert "--local-sgd-steps is given to a Job" in refused(["job", "--", *command, "4"], capsys)
    check_local_sgd(4, 2)
    check_local_sgd(0, 1)


def test_processes_agree_where_their_weights_are_equal() -> None:
    assert [agree_steps(steps) for steps in (0, 1, 4, 10, 16, 100)] == [10, 10, 12, 10, 16, 100]


def test_each_process_gets_the_optimizer_that_it_had(tmp_path: Path) -> None:
    """Of a checkpoint of local SGD; one of exact steps has a single one for all."""
    model, ema = (tiny_model(Vocabulary.from_text("abc"), seed=seed) for seed in range(2))
    optimizers = [torch.optim.AdamW(model.parameters()) for _ in range(3)]
    for scale, optimizer in enumerate(optimizers, start=1):
        model.zero_grad()
        (scale * torch.stack([weight.sum() for weight in model.parameters()]).sum()).backward()
        optimizer.step()
    tensors = [checkpoint.optimizer_tensors([optimizer]) for optimizer in optimizers]
    state = model.initial_state(2)
    for others in (tensors[1:], []):
        progress = Progress(step=1, num_processes=3)
        checkpoint.save(
            tmp_path, network=model, ema=ema, optimizers=[optimizers[0]], state=state, progress=progress,
            others=others,
        )  # fmt: skip
        for process in range(5):
            new = torch.optim.AdamW(model.parameters())
            checkpoint.load(
                tmp_path, network=model, ema=ema, optimizers=[new], device=torch.device("cpu"), process=process
            )
            expected = tensors[process % 3] if others else tensors[0]
            found = checkpoint.optimizer_tensors([new])
            assert found.keys() == expected.keys()
            assert all(torch.equal(found[name], expected[name]) for name in found)


def test_processes_share_the_rows_of_a_batch() -> None:
    shares = [Processes(3, index).rows(24) for index in range(3)]
    assert [row for share in shares for row in range(24)[share]] == list(range(24))
    assert [Processes(3, index).is_main for index in range(3)] == [True, False, False]


def test_a_batch_that_cannot_be_shared_is_refused_or_made_smaller() -> None:
    with pytest.raises(ValueError, match=r"24 rows, which 5 processes .*1, 2, 3, 4, 6, 8, 12, 24.*: start so many"):
        check_divides(24, 5)
    recipe, sentence = Recipe().fitted_to(1_000_000, num_processes=5)
    assert recipe.batch_size == 15 and "the batch is 15 instead of 16" in sentence
    assert Recipe().fitted_to(1_000_000, num_processes=4)[0].batch_size == 16


def test_more_processes_than_pay_are_told() -> None:
    """Two processes on two cores were compared with one on a single core, and said to pay."""
    assert slower_note(2, 0.100, 0.050, 0.010) == ""
    assert "in one process, and here 12 ms in each of 2 and 15 ms to exchange" in slower_note(2, 0.020, 0.012, 0.015)
    assert slower_note(2, 0.020, 0.012, 0.015, every=4) == ""
    assert slower_note(2, 0.190, 0.193, 0.010).endswith("fewer processes are faster")


def test_one_process_is_timed_with_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher gives each process one thread."""
    threads: list[int] = []
    monkeypatch.setattr(estimate, "available_cores", lambda: 3)
    monkeypatch.setattr(estimate, "seconds_per_window", lambda *_: threads.append(torch.get_num_threads()) or 0.5)
    before = torch.get_num_threads()
    assert estimate.seconds_alone(CharLSTMConfig(vocab_size=3), Recipe(), torch.device("cpu")) == 0.5
    assert threads == [3 if gnu_openmp() else before] and torch.get_num_threads() == before


def test_a_window_is_timed_for_the_rows_of_a_process() -> None:
    config = CharLSTMConfig(vocab_size=5, embedding_dim=4, hidden_size=8, num_layers=2)
    random_state = torch.get_rng_state()
    assert estimate.seconds_per_window(config, replace(Recipe(), batch_size=3, seq_len=7)) > 0
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_single_process_of_accelerate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 2` starts one, and the run said nothing."""
    for name in ("WORLD_SIZE", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    assert launcher_note() == ""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert launcher_note() == ""  # one process was asked for
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert "has started a single process" in launcher_note()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launcher_note() == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("push run user/model", "`push` was started in 2 processes; expected a single one"),
        ("sweep macbeth", "`sweep` was started in 2 processes; expected a single one"),
        ("job -- fit macbeth", "`job` was started in 2 processes; expected a single one"),
        ("fit -", "comes through a pipe, and the run has 2 processes; expected a file"),
    ],
)
def test_what_processes_cannot_share_is_refused(
    words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them pushed, swept or sent a Job by itself, or trained on what it got of the pipe."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert message in refused(shlex.split(words), capsys)
    monkeypatch.setenv("WORLD_SIZE", "two")
    assert "WORLD_SIZE is 'two'; expected a number of processes" in refused(shlex.split(words), capsys)


def test_a_run_is_restarted_only_by_the_launcher_that_began_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run in the same folder is refused as ever."""
    run_folder.sign(tmp_path)
    assert not run_folder.is_restarted(tmp_path)  # no launcher
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    run_folder.sign(tmp_path)
    assert run_folder.is_restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "other")
    assert not run_folder.is_restarted(tmp_path)
