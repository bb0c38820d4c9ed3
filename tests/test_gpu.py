"""`python -m benchmarks.gpu`, and what it claims: on a GPU where there is one, on a CPU as far as that goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import CapturedStep, lstm_type, same_logits
from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.decoding.decoder import Decoder
from tests.conftest import tiny_model

ROOT = Path(__file__).parents[1]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


def measured(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_in_one_sentence() -> None:
    done = measured()
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "finds no CUDA GPU here; expected one" in done.stderr


@pytest.mark.slow
def test_it_runs_through_on_a_cpu_in_tiny_sizes() -> None:
    done = measured("--device", "cpu")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    result = json.loads(lines[-1])
    assert set(result["training"]) == {"base", "large"}
    assert set(result["decoding"]) == {
        f"{name}, {precision}, {count} rows" for name in ("base", "large") for precision in ("fp32", "bf16")
        for count in (1, 3)
    }  # fmt: skip
    assert all(row["same"] for row in result["decoding"].values())
    head = next(line for line in lines if line.startswith("| training"))
    assert result["lstm"] in head and "figures mean nothing" in lines[0]
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 2 + 8 + 2 + 2 + 2 + 4


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_captured_step_gives_the_bits_of_one_that_is_launched(
    vocabulary: Vocabulary, device: str, precision: str
) -> None:
    decoder = Decoder(tiny_model(vocabulary).to(torch.device(device)), precision)
    for count in (1, 5):
        captured = CapturedStep(decoder, count)
        assert same_logits(decoder, captured)
        captured.reset()
        captured.ids.zero_()
        first = captured().clone()
        assert not torch.equal(captured(), first)  # the state has moved on
        captured.reset()
        captured.ids.zero_()
        assert torch.equal(captured(), first)


@needs_gpu
def test_a_gpu_writes_the_text_of_the_cpu(model: CharLSTM) -> None:
    """In fp32 and greedily, where roundings do not matter."""
    texts = []
    for device in ("cpu", "cuda"):
        moved = model.to(torch.device(device))
        moved.precision = "fp32"
        texts.append(moved.generate("To be", max_new_tokens=40, temperature=0.0, seed=1))
    assert texts[0] == texts[1]


def test_the_type_of_the_trained_lstm_is_one_of_floats() -> None:
    assert lstm_type(torch.device("cpu")) in ("float32", "bfloat16")
