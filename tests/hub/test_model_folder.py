"""A model folder loads whole and equal, or not at all with one sentence; a killed save loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubcharlstm import CharLSTM, CharLSTMConfig, NotAModelError, Vocabulary
from hubcharlstm.hub.atomic import replace_folder
from hubcharlstm.hub.model_folder import MODEL_FILES


def test_saved_and_loaded_it_is_the_same_model(model: CharLSTM, model_folder: Path) -> None:
    again = CharLSTM.from_pretrained(model_folder)
    assert again.fingerprint == model.fingerprint
    assert again.generation_config == model.generation_config
    assert again.generate("To be", seed=1) == model.generate("To be", seed=1)
    assert not again.training
    assert sorted(p.name for p in model_folder.iterdir()) == [
        "README.md", "config.json", "generation_config.json", "model.safetensors", "vocab.json",
    ]  # fmt: skip


def test_a_loaded_model_can_be_trained_further(model_folder: Path) -> None:
    """The mixin hands a config through `meta` tensors here; nn.LSTM must still own every one of them."""
    model = CharLSTM.from_pretrained(model_folder).train()
    logits, _ = model(torch.tensor([[1, 2, 3]]))
    logits.sum().backward()
    assert all(p.grad is not None and p.device.type == "cpu" for p in model.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_on_disk_is_fp32_in_memory(model: CharLSTM, tmp_path: Path, dtype: str) -> None:
    model.save_pretrained(tmp_path / "half", dtype=dtype)
    again = CharLSTM.from_pretrained(tmp_path / "half")
    for name, value in again.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, model.state_dict()[name].to(getattr(torch, dtype)).float(), atol=0, rtol=0)
    with pytest.raises(ValueError, match="dtype is 'int8'"):
        model.save_pretrained(tmp_path / "half", dtype="int8")


def test_a_run_folder_stands_for_its_model(model: CharLSTM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "run" / "model")
    assert CharLSTM.from_pretrained(tmp_path / "run").fingerprint == model.fingerprint


def edit_json(name: str, change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))

    return apply


def edit_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        vocabulary = Vocabulary.from_dict(json.loads((folder / "vocab.json").read_text()))
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"vocab_sha256": vocabulary.sha256})

    return apply


def permute(data: dict[str, object]) -> None:
    chars = data["chars"]
    assert isinstance(chars, list)
    chars[0], chars[1] = chars[1], chars[0]


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors"),
    "a pickle instead": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "pickled weights.*are never read",
    ),
    "no vocabulary": (lambda f: (f / "vocab.json").unlink(), "has no vocab.json"),
    "nothing at all": (lambda f: [p.unlink() for p in f.iterdir()], "has no config.json, vocab.json"),
    "truncated weights": (lambda f: os.truncate(f / "model.safetensors", 5000), "damaged"),
    "a truncated header": (lambda f: os.truncate(f / "model.safetensors", 5), "damaged"),
    "empty weights": (lambda f: os.truncate(f / "model.safetensors", 0), "damaged"),
    "text for weights": (lambda f: (f / "model.safetensors").write_text("hello " * 100), "damaged"),
    "a header of 4 GiB": (lambda f: (f / "model.safetensors").write_bytes(b"\0\0\0\0\1\0\0\0"), "damaged"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "expected an object"),
    "config is binary": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "is not JSON"),
    "deep JSON": (lambda f: (f / "config.json").write_text("[" * 100_000), "is not JSON|does not load"),
    "a size is missing": (edit_json("config.json", lambda d: d.pop("hidden_size")), "has no hidden_size"),
    "a size is text": (edit_json("config.json", lambda d: d.update(hidden_size="big")), "hidden_size is 'big'"),
    "another format": (edit_json("config.json", lambda d: d.update(format="hubcharlstm/9")), "install the version"),
    "a config of 100 GB": (edit_json("config.json", lambda d: d.update(hidden_size=50_000)), "expected .200000"),
    "a layer too many": (edit_json("config.json", lambda d: d.update(num_layers=3)), "lacks or adds"),
    "a million layers": (edit_json("config.json", lambda d: d.update(num_layers=10**9)), "num_layers is"),
    "a character less": (edit_json("vocab.json", lambda d: d["chars"].pop()), "take both files from one save"),  # type: ignore[attr-defined]
    "characters permuted": (edit_json("vocab.json", permute), "another vocabulary"),
    "foreign vocabulary": (lambda f: (f / "vocab.json").write_text('{"a": 1}'), 'no "chars" list'),
    "a tensor missing": (edit_tensors(lambda t: t.pop("head.bias")), "lacks or adds the tensors head.bias"),
    "a tensor more": (edit_tensors(lambda t: t.update(extra=torch.zeros(1))), "lacks or adds the tensors extra"),
    "a tensor reshaped": (edit_tensors(lambda t: t.update({"head.bias": torch.zeros(3)})), "head.bias as F32"),
    "whole numbers": (
        edit_tensors(lambda t: t.update({"head.bias": torch.zeros(t["head.bias"].shape, dtype=torch.int64)})),
        "head.bias as I64",
    ),
    "hot defaults": (
        edit_json("generation_config.json", lambda d: d.update(temperature=-3)),
        "temperature is -3",
    ),
    "examples that are none": (edit_json("generation_config.json", lambda d: d.update(examples=7)), "examples is 7"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_sentence(model_folder: Path, damage: str) -> None:
    apply, words = DAMAGES[damage]
    apply(model_folder)
    with pytest.raises(NotAModelError, match=words) as caught:
        CharLSTM.from_pretrained(model_folder)
    assert "\n" not in str(caught.value)


def test_what_names_no_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # whatever lies beside the checkout, nothing does beside this
    for name in ("no such folder/with spaces", str(tmp_path / "absent"), "../x", "~nobody-at-all/x", "a" * 5000):
        with pytest.raises(ValueError, match=r"neither a folder here nor|No whole copy of"):
            CharLSTM.from_pretrained(name, local_files_only=True)


def test_unknown_device_and_precision_are_refused(model_folder: Path) -> None:
    with pytest.raises(ValueError, match="device is 'abacus'"):
        CharLSTM.from_pretrained(model_folder, device="abacus")
    with pytest.raises(ValueError, match="precision is 'int1'"):
        CharLSTM.from_pretrained(model_folder, precision="int1")


def test_vocabulary_and_config_must_agree(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match="expected the same number"):
        CharLSTM(CharLSTMConfig(3), vocabulary)


def test_saving_keeps_foreign_files_and_drops_an_older_model_s_record(model: CharLSTM, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model.record = {"seconds": 1.0}
    model.save_pretrained(folder, extra_files={"loss.png": b"plot"})
    (folder / "notes.txt").write_text("mine")
    (folder / "sub").mkdir()
    (folder / "sub" / "deep.txt").write_text("mine too")
    model.record = {}
    model.save_pretrained(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "sub" / "deep.txt").read_text() == "mine too"
    assert not (folder / "training.json").exists()
    assert not (folder / "loss.png").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_the_same_model_is_saved_as_the_same_bytes(model: CharLSTM, tmp_path: Path) -> None:
    """safetensors writes metadata in an order that changes, so pushing an unchanged model made a new commit."""
    for n in range(6):
        model.save_pretrained(tmp_path / str(n))
    for name in MODEL_FILES:
        contents = {(tmp_path / str(n) / name).read_bytes() for n in range(6) if (tmp_path / str(n) / name).exists()}
        assert len(contents) <= 1, name


def test_a_save_onto_a_file_is_refused(model: CharLSTM, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        model.save_pretrained(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_failing_save_leaves_the_old_folder_and_no_rubbish(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    replace_folder(folder, lambda new: (new / "a").write_text("old"))  # type: ignore[arg-type, return-value]

    def fails(new: Path) -> None:
        (new / "a").write_text("new")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_folder(folder, fails)
    assert (folder / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from hubcharlstm.hub.atomic import replace_folder

folder = Path(sys.argv[1])

def save_for_ever(saves):
    n = 0
    while True:
        n += 1
        def write(new):
            for name in "abc":
                (new / name).write_text(str(n) * 1000)
        replace_folder(folder, write)
        os.write(saves, b".")

for attempt in range(12):
    saves, writer = os.pipe()
    child = os.fork()
    if child == 0:
        save_for_ever(writer)
    os.close(writer)
    for _ in range(1 + 3 * attempt):
        os.read(saves, 1)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    os.close(saves)
    contents = {(folder / name).read_text() for name in "abc"}
    assert len(contents) == 1
    assert len(contents.pop()) % 1000 == 0
print("whole")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its saves")
def test_a_swap_killed_at_any_time_leaves_a_whole_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, tmp_path / "model"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
