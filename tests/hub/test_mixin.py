"""The traps of the Hub's mixin, each with the behaviour that we have in its place."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.torch import load, save

from hubcharlstm import CharLSTM, CharLSTMConfig, NotAModelError
from hubcharlstm import model as model_module
from tests.support.hub_client import Client
from tests.support.hub_server import Hub


def names(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_argument_names_are_the_mixin_s() -> None:
    ours, theirs = names(CharLSTM.from_pretrained), names(PyTorchModelHubMixin.from_pretrained)
    assert theirs - ours == {"model_kwargs"}
    assert ours - theirs == {"device", "precision", "verify"}
    assert names(CharLSTM.push_to_hub) - names(PyTorchModelHubMixin.push_to_hub) == {"dtype", "install_from"}
    inherited = names(PyTorchModelHubMixin.save_pretrained) | names(PyTorchModelHubMixin.push_to_hub)
    assert names(CharLSTM.save_pretrained) - inherited == {"dtype", "extra_files", "install_from"}
    assert names(CharLSTM.save_pretrained) > names(CharLSTM.push_to_hub) - {"self"}  # what its mixin takes as **kwargs
    assert issubclass(CharLSTM, PyTorchModelHubMixin)


def test_the_config_stays_a_config(model_folder: Path) -> None:
    """With postponed annotations in the model's module the mixin sees strings, and hands `__init__` a dict."""
    tree = ast.parse(Path(model_module.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "__future__" not in imported
    assert CharLSTM._hub_mixin_init_parameters["config"].annotation is CharLSTMConfig
    assert isinstance(CharLSTM.from_pretrained(model_folder).config, CharLSTMConfig)


def test_a_missing_tensor_is_not_left_random(model_folder: Path) -> None:
    """The mixin loads with strict=False."""
    file = model_folder / "model.safetensors"
    tensors = load(file.read_bytes())
    del tensors["head.weight"]
    file.write_bytes(save(tensors))
    with pytest.raises(NotAModelError, match=r"lacks or adds the tensors head\.weight"):
        CharLSTM.from_pretrained(model_folder)


def test_a_tensor_missing_on_the_hub_is_not_left_random(
    hub: Hub, author: Client, reader: Client, tmp_path: Path
) -> None:
    author.call("push", "user/holed", 100)
    repo = hub.repos["user/holed"]
    tensors = load(repo.files()["model.safetensors"])
    tensors["head.bias2"] = tensors.pop("head.bias")
    repo.commit({"model.safetensors": save(tensors)})
    assert "head.bias" in reader.outcome("load", "user/holed", cache_dir=str(tmp_path))["error"]


def test_a_pickle_is_no_second_choice(model: CharLSTM, model_folder: Path) -> None:
    """Where model.safetensors is missing the mixin reads pytorch_model.bin."""
    torch.save(model.state_dict(), model_folder / "pytorch_model.bin")
    (model_folder / "model.safetensors").unlink()
    with pytest.raises(NotAModelError, match="never read"):
        CharLSTM.from_pretrained(model_folder)


def test_a_pickle_on_the_hub_is_named_and_not_fetched(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/pickled", 101)
    hub.repos["user/pickled"].commit({"pytorch_model.bin": pickle.dumps({}), "model.safetensors": None})
    message = reader.refusal("load", "user/pickled", cache_dir=str(tmp_path))
    assert "pytorch_model.bin, is a pickle, which can run code and is never read" in message
    assert not hub.requested("GET", "user/pickled/resolve")


def test_nothing_is_printed(model: CharLSTM, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The mixin tells on standard output that it loads from a folder."""
    model.save_pretrained(tmp_path / "model")
    CharLSTM.from_pretrained(tmp_path / "model")
    assert capfd.readouterr() == ("", "")


def test_one_commit_serves_config_and_weights(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    """The mixin asks for config and weights in requests of their own, each for the newest at that moment."""
    author.call("push", "user/whole", 102)
    commit = hub.repos["user/whole"].branches["main"]
    before = len(hub.requests)
    assert reader.call("load", "user/whole", cache_dir=str(tmp_path))["revision"] == commit
    asked = [path for _, path in hub.requests[before:] if "/resolve/" in path]
    assert asked and all(f"/resolve/{commit}/" in path for path in asked)
