"""device="auto": the faster device for one row, each measured in the precision that it would decode in."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import torch

from hubcharlstm import CharLSTM
from hubcharlstm.decoding import decoder, devices
from hubcharlstm.decoding.devices import fastest_device, resolve_precision, seconds_per_step
from hubcharlstm.network import CharLSTMNetwork

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SECONDS = {
    ("cpu", "int8"): 1.0,
    ("cuda", "fp32"): 2.0,
    ("cpu", "fp32"): 3.0,
    ("cuda", "bf16"): 4.0,
    ("cpu", "bf16"): 5.0,
}


class MovedNetwork:
    """Where a network was moved to: all that the choice of a device does with one."""

    def to(self, device: torch.device) -> torch.device:
        return device


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A machine with a GPU whose steps take `SECONDS`; what was measured, in order."""
    measured: list[tuple[str, str]] = []

    def seconds_of(made: tuple[str, str]) -> float:
        measured.append(made)
        return SECONDS[made]

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: GPU)
    monkeypatch.setattr(devices, "Decoder", lambda device, precision="fp32": (device.type, precision))
    monkeypatch.setattr(devices, "seconds_per_step", seconds_of)
    return measured


def choose(precision: str = "auto") -> str:
    return fastest_device(cast(CharLSTMNetwork, MovedNetwork()), precision).type


def test_a_cpu_is_measured_in_the_int8_that_it_decodes_in(
    measured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fp32 was measured on the CPU, so that a GPU won that is slower than the CPU's int8."""
    monkeypatch.setattr(devices, "has_fast_int8", lambda: True)
    assert choose() == "cpu"
    assert measured == [("cpu", "int8"), ("cuda", "fp32")]


def test_a_cpu_without_fast_int8_is_measured_in_fp32(
    measured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_fast_int8", lambda: False)
    assert choose() == "cuda"
    assert measured == [("cpu", "fp32"), ("cuda", "fp32")]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_explicit_precision_is_measured_on_both(
    measured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(devices, "has_fast_int8", lambda: True)
    assert choose(precision) == "cuda"
    assert measured == [("cpu", precision), ("cuda", precision)]


def test_int8_is_for_the_cpu_whatever_else_there_is(measured: list[tuple[str, str]]) -> None:
    """The GPU could win, and loading then failed because it has no exact int8."""
    assert choose("int8") == "cpu"
    assert measured == []


def test_the_precision_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for fast in (True, False):
        monkeypatch.setattr(devices, "has_fast_int8", lambda fast=fast: fast)
        assert resolve_precision("auto", CPU) == ("int8" if fast else "fp32")
        assert resolve_precision("auto", GPU) == "fp32"
        assert [resolve_precision(precision, CPU) for precision in ("fp32", "bf16", "int8")] == ["fp32", "bf16", "int8"]
    with pytest.raises(ValueError, match='precision is "int8" on cuda; expected a CPU'):
        resolve_precision("int8", GPU)


def test_the_step_of_each_precision_is_timed(model: CharLSTM) -> None:
    for precision in ("fp32", "int8", "bf16"):
        assert 0 < seconds_per_step(decoder.Decoder(model, precision), steps=3) < 10


def test_the_cpu_is_chosen_where_it_is_alone(model: CharLSTM) -> None:
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    assert fastest_device(model) == torch.device("cpu")


def test_a_state_from_the_cpu_goes_on_with_a_prompt_on_an_accelerator(model: CharLSTM) -> None:
    """A saved state is loaded on the CPU, and `nn.LSTM` refused it beside a prompt on another device."""
    if not torch.accelerator.is_available():
        pytest.skip("this machine has no accelerator")
    done = model.complete("To be", max_new_tokens=5, seed=1)
    moved = model.to(torch.accelerator.current_accelerator())
    for precision in ("fp32", "bf16"):
        moved.precision = precision
        assert len(moved.generate(" or", state=done.state, max_new_tokens=5, seed=1)) == 5
        assert moved.alternatives(" or not", 4, state=done.state).choices


@pytest.mark.parametrize("device", ["mps", "meta", "xpu:0", torch.device("meta")], ids=str)
def test_a_kind_that_no_test_runs_on_is_refused(model_folder: Path, device: str | torch.device) -> None:
    """meta was taken, and the first text failed in PyTorch; on a Mac "auto" could choose what nobody had tried."""
    sentence = r'^device is \'[a-z:0]+\', a kind that this library is not tested on; expected "auto", "cpu" or "cuda"'
    with pytest.raises(ValueError, match=sentence):
        CharLSTM.from_pretrained(model_folder, device=device)


def test_the_cpu_is_chosen_beside_one(measured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    assert choose() == "cpu" and measured == []
