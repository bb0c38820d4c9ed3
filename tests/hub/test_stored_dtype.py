"""A model is stored as it was where it came from, unless its user asks for another dtype."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file

from hubcharlstm import CharLSTM
from hubcharlstm.hub.download import load as load_artifact
from tests.support.hub_client import Client
from tests.support.hub_server import Hub

DTYPES = ("float32", "float16", "bfloat16")
OLD_FP16 = Path(__file__).parents[1] / "data" / "660d95b" / "model_fp16"


def stored(content: bytes) -> set[str]:
    return {str(tensor.dtype).removeprefix("torch.") for tensor in load(content).values()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_is_saved_again_as_it_was_stored(model: CharLSTM, tmp_path: Path, dtype: str) -> None:
    model.save_pretrained(tmp_path / "first", dtype=dtype)
    again = CharLSTM.from_pretrained(tmp_path / "first")
    assert again.stored_dtype == load_artifact(tmp_path / "first").dtype == dtype
    again.save_pretrained(tmp_path / "second")
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    again.save_pretrained(tmp_path / "third", dtype="float32")
    assert stored((tmp_path / "third" / "model.safetensors").read_bytes()) == {"float32"}
    assert again.stored_dtype == dtype  # what was loaded has not changed by it


def test_a_new_model_is_stored_in_fp32(model: CharLSTM, model_folder: Path) -> None:
    assert model.stored_dtype == "float32"
    assert stored((model_folder / "model.safetensors").read_bytes()) == {"float32"}


def test_a_folder_of_an_earlier_version_tells_its_dtype() -> None:
    assert CharLSTM.from_pretrained(OLD_FP16, device="cpu").stored_dtype == "float16"


@pytest.mark.parametrize("steps", [0, 1])
def test_a_push_of_fp16_weights_is_fp16(hub: Hub, author: Client, tmp_path: Path, steps: int) -> None:
    """It published fp32, twice the size; a model that was trained further after loading, too."""
    author.call("save_and_push", str(tmp_path / "half"), 200, "a plot", repo_id="user/half-size", dtype="float16")
    small = hub.repos["user/half-size"].files()["model.safetensors"]
    author.call("push_again", "user/half-size", f"user/half-again-{steps}", steps=steps)
    again = hub.repos[f"user/half-again-{steps}"].files()["model.safetensors"]
    assert stored(small) == stored(again) == {"float16"}
    assert (again == small) == (steps == 0)
    author.call("push_again", "user/half-size", "user/full-size", dtype="float32")
    assert stored(hub.repos["user/full-size"].files()["model.safetensors"]) == {"float32"}
    author.call("push", "user/half-of-new", 201, dtype="bfloat16")
    assert stored(hub.repos["user/half-of-new"].files()["model.safetensors"]) == {"bfloat16"}


def test_a_run_is_published_as_it_is_stored(hub: Hub, author: Client, tmp_path: Path) -> None:
    """`python -m training push` copies the files of the model and writes only the card anew."""
    run = tmp_path / "run"
    shutil.copytree(OLD_FP16, run / "model")
    done = author.call("train", "push run user/half-run", str(tmp_path))
    assert done["code"] == 0, done
    pushed = hub.repos["user/half-run"].files()["model.safetensors"]
    assert pushed == (run / "model" / "model.safetensors").read_bytes()
    assert {str(t.dtype) for t in load_file(run / "model" / "model.safetensors").values()} == {"torch.float16"}


@pytest.mark.parametrize(
    ("value", "dtype"), [(float("nan"), "float32"), (float("-inf"), "bfloat16"), (2e9, "float32"), (7e4, "float16")]
)
def test_weights_that_would_not_load_again_are_not_saved(
    model: CharLSTM, model_folder: Path, value: float, dtype: str
) -> None:
    """A model whose training had failed replaced the good one, and then nothing could be loaded from the folder."""
    before = {path.name: path.read_bytes() for path in model_folder.iterdir()}
    with torch.no_grad():
        model.head.bias[0] = value
    with pytest.raises(ValueError, match=r"head\.bias has weights that are not finite or beyond .*; expected weights"):
        model.save_pretrained(model_folder, dtype=dtype)
    assert {path.name: path.read_bytes() for path in model_folder.iterdir()} == before
