"""Every file of a save carries its id, and files of two saves are not loaded as one model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

from hubcharlstm import CharLSTM, NotAModelError, Vocabulary
from tests.conftest import tiny_model

JSON_FILES = ("config.json", "vocab.json", "generation_config.json", "training.json")


def test_every_file_of_a_save_carries_its_id(model: CharLSTM, tmp_path: Path) -> None:
    model.record = {"seconds": 1.0}
    model.save_pretrained(tmp_path)
    ids = {json.loads((tmp_path / name).read_text())["save_id"] for name in JSON_FILES}
    [save_id] = ids
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"save_id": save_id.partition("-")[0], "vocab_sha256": model.vocabulary.sha256}
    again = CharLSTM.from_pretrained(tmp_path)
    assert again.record == {"seconds": 1.0}


@pytest.mark.parametrize("name", [*JSON_FILES, "model.safetensors"])
def test_files_of_two_saves_are_not_loaded_as_one_model(vocabulary: Vocabulary, tmp_path: Path, name: str) -> None:
    """Weights of one run and the record of another made a model that never was; sizes and vocabulary agree."""
    for seed in (1, 2):
        model = tiny_model(vocabulary, seed=seed)
        model.record = {"seconds": float(seed)}
        model.save_pretrained(tmp_path / str(seed))
    shutil.copy(tmp_path / "2" / name, tmp_path / "1" / name)
    with pytest.raises(NotAModelError, match="mixes files of different saves") as refused:
        CharLSTM.from_pretrained(tmp_path / "1")
    assert "\n" not in str(refused.value) and name in str(refused.value)


def test_a_record_of_another_save_of_the_same_weights_is_refused_too(model: CharLSTM, tmp_path: Path) -> None:
    for seconds in (1.0, 2.0):
        model.record = {"seconds": seconds}
        model.save_pretrained(tmp_path / str(seconds))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("1.0", "2.0")]
    assert weights[0] == weights[1]  # a push of a new record does not send the weights again
    shutil.copy(tmp_path / "2.0" / "training.json", tmp_path / "1.0")
    with pytest.raises(NotAModelError, match="mixes files"):
        CharLSTM.from_pretrained(tmp_path / "1.0")


def test_a_folder_without_ids_loads_but_does_not_mix(model: CharLSTM, tmp_path: Path) -> None:
    """Folders of 660d95b have none."""
    before = Path(__file__).parents[1] / "data" / "660d95b" / "model"
    shutil.copytree(before, tmp_path / "old")
    CharLSTM.from_pretrained(tmp_path / "old")
    model.save_pretrained(tmp_path / "new")
    shutil.copy(tmp_path / "old" / "generation_config.json", tmp_path / "new")
    with pytest.raises(NotAModelError, match=r"generation_config\.json none"):
        CharLSTM.from_pretrained(tmp_path / "new")
