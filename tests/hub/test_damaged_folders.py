"""A damaged model folder works whole or is refused by one sentence; see benchmarks/mutations.py for thousands."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubcharlstm import CharLSTM, DamagedModelError, GenerationConfig, NotAModelError, Vocabulary
from hubcharlstm.hub import json_files, weights_file
from hubcharlstm.hub.save_id import sort_metadata, weights_id
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.ngram_filter import NgramFilter
from tests.conftest import TEXT, tiny_model
from tests.support.mutations import OTHER_NUMBERS, check, damage

RECORD: dict[str, Any] = {
    "name": "charlstm-test", "seconds": 12.5, "command": "python -m training fit x.txt", "hardware": "CPU",
    "versions": ["torch 2"], "val_loss": 1.25, "val_bpc": 1.8, "kept_epochs": [1, 3], "sample_prompt": "To be",
    "corpus": {
        "name": "test", "title": "a test", "sha256": "0" * 64, "chars": 100, "train_chars": 90, "held_out": "the end",
    },
    "samples": [{"prompt": "To be", "temperature": 0.8, "seed": 1, "text": "or not"}],
    "time_lapse_prompt": "To",
    "time_lapse": [{"characters_read": n, "text": "x", "minutes": 0.5, "val_loss": 2.0} for n in (10, 20)],
    "history": [{"chars": 10, "seconds": 1.0}, {"chars": 20, "seconds": 2.0}],
    "baselines": {"order 5": {"nats": 1.5}}, "words": {"held_out": 0.9, "sampled": 0.8},
    "copying": {"sampled": {"20": 0.1}, "held_out": {"20": 0.1}}, "copied_lines": {"sampled": 0.1},
    "card": {"license": "mit", "language": "en", "datasets": ["a/b"]},
    "ancestors": [{"name": "a/b", "title": "other", "train_chars": 5}], "teachers": [{"name": "a/c"}],
    "gates": {"characters": 5, "layers": [
        {g: {"above": 0.1, "below": 0.2} for g in ("input", "forget", "output")}
        | {"half_life": {"median": 3.0, "longest": 9.0}}
    ]},
}  # fmt: skip


def sound_folders(root: Path) -> tuple[Path, Path, str]:
    """A model with all its files, another of the same sizes, and the fingerprint of the first."""
    vocabulary = Vocabulary.from_text(TEXT)
    models = []
    for seed in (1, 2):
        model = tiny_model(vocabulary, seed=seed)
        model.record = {**RECORD, "seconds": float(seed)}
        model.generation_config = GenerationConfig(
            examples=("To be, ",), speakers=("FIRST", "SECOND"), turn_template="{speaker}:\n{message}", turn_stop="\n\n"
        )
        cell = {"layer": 0, "unit": seed, "probe": "line_end", "correlation": 0.9, "p_value": 0.01}
        model.cells = CellReport.from_dict({"cells": [cell], "passage": "To", "activations": [[5, -7]]}, model.config)
        model.ngrams = NgramFilter.of(TEXT)
        model.save_pretrained(root / str(seed), extra_files={"loss.png": b"plot"})
        models.append(model)
    return root / "1", root / "2", models[0].fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_damaged_folders_work_whole_or_are_refused(tmp_path: Path, part: int) -> None:
    """Of 4,000 such folders 612 loaded with other numbers; others raised OverflowError or could not be saved."""
    sound, other, fingerprint = sound_folders(tmp_path)
    outcomes: set[str] = set()
    for number in range(250 * part, 250 * part + 250):
        folder, again = tmp_path / f"d{number}", tmp_path / f"a{number}"
        shutil.copytree(sound, folder)
        names = damage(folder, other, f"mutations {number}")
        try:
            outcome, is_other = check(folder, again, fingerprint)
        except Exception as error:
            raise AssertionError(f"{number}: {names}") from error
        assert not is_other or any(name in names for name in OTHER_NUMBERS), f"{number}: {names}"
        outcomes.add(outcome)
        for path in (folder, again):
            shutil.rmtree(path, ignore_errors=True)
    assert outcomes == {"works", "refused"}


@pytest.mark.parametrize("kind", ["pipe", "device", "large", "link"])
def test_what_is_no_manifest_is_never_read(model: CharLSTM, model_folder: Path, tmp_path: Path, kind: str) -> None:
    """A pipe in the place of an interrupted save's manifest made loading wait forever, in mutation 56."""
    staging = model_folder / ".hubcharlstm-save"
    manifest = staging / ".manifest"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / ".manifest").write_text('["config.json"]')
        (tmp_path / "elsewhere" / "config.json").write_text("mine")
        staging.symlink_to(tmp_path / "elsewhere")
    else:
        staging.mkdir()
        if kind == "pipe":
            os.mkfifo(manifest)
        elif kind == "device":
            manifest.symlink_to("/dev/zero")
        else:
            manifest.touch()
            os.truncate(manifest, 2**40)
    assert CharLSTM.from_pretrained(model_folder).fingerprint == model.fingerprint
    model.save_pretrained(model_folder)
    assert CharLSTM.from_pretrained(model_folder).fingerprint == model.fingerprint and not staging.is_symlink()
    if kind == "link":
        assert (tmp_path / "elsewhere" / "config.json").read_text() == "mine"


def test_an_empty_start_text_stays_empty(model: CharLSTM, tmp_path: Path) -> None:
    """It was left out as an empty field, and the default came back at the next load."""
    model.generation_config = GenerationConfig(start_text="")
    model.save_pretrained(tmp_path)
    assert CharLSTM.from_pretrained(tmp_path).generation_config == model.generation_config


# --- the hash of the weights -------------------------------------------------------------------------------------


def change_weights(folder: Path, value: float, *, with_hash: bool) -> None:
    """Set one weight. with_hash: and store the hash that goes with it."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["head.bias"][0] = value
    config, vocabulary = (json.loads((folder / name).read_text()) for name in ("config.json", "vocab.json"))
    sizes = {key: config[key] for key in ("vocab_size", "embedding_dim", "hidden_size", "num_layers", "dropout")}
    stored = config["save_id"].partition("-")[0]
    sha256 = Vocabulary.from_dict(vocabulary).sha256
    if with_hash:
        stored = weights_id(sizes, sha256, tensors)
        for file in folder.glob("*.json"):
            data = json.loads(file.read_text())
            file.write_text(json.dumps(data | {"save_id": f"{stored}-{data['save_id'].partition('-')[2]}"}))
    save_file(tensors, path, metadata={"vocab_sha256": sha256, "save_id": stored})
    sort_metadata(path)


def test_weights_that_were_not_saved_so_are_refused_unless_the_caller_says_otherwise(
    model: CharLSTM, model_folder: Path
) -> None:
    """612 of 4,000 damaged folders loaded with other numbers: nothing compared the weights with anything."""
    loaded = CharLSTM.from_pretrained(model_folder)
    assert loaded.weights_id == json.loads((model_folder / "config.json").read_text())["save_id"].partition("-")[0]
    change_weights(model_folder, 0.25, with_hash=False)
    with pytest.raises(NotAModelError, match=r"does not hold the weights that were saved.*verify=False"):
        CharLSTM.from_pretrained(model_folder)
    again = CharLSTM.from_pretrained(model_folder, verify=False)
    assert again.head.bias[0] == 0.25 and again.fingerprint != model.fingerprint
    again.save_pretrained(model_folder)
    assert CharLSTM.from_pretrained(model_folder).fingerprint == again.fingerprint


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_hash_is_of_the_weights_as_stored(model: CharLSTM, tmp_path: Path, dtype: str) -> None:
    model.save_pretrained(tmp_path, dtype=dtype)
    loaded = CharLSTM.from_pretrained(tmp_path)
    loaded.save_pretrained(tmp_path)
    assert CharLSTM.from_pretrained(tmp_path).weights_id == loaded.weights_id


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -3e38])
def test_weights_that_are_not_finite_are_refused_in_every_verb(
    model: CharLSTM, model_folder: Path, value: float
) -> None:
    """`generate` refused them and `score` gave NaN."""
    change_weights(model_folder, value, with_hash=True)
    with pytest.raises(NotAModelError, match=r"head\.bias that are not finite or beyond"):
        CharLSTM.from_pretrained(model_folder)
    if value > -3e38:
        with torch.no_grad():
            model.head.bias[0] = value
        for call in (model.generate, model.score, model.trace):
            with pytest.raises(DamagedModelError):
                call("To be")
        for at in (model.alternatives, model.connectivity):
            with pytest.raises(DamagedModelError):
                at("To be", 1)


# --- bounds before anything is parsed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" + b"[]," * 1_000_000 + b"[]]", "values; expected at most"),
        (b'{"a":' + b"{}," * 1_000_000, "values; expected at most"),
        (b'{"a": NaN}', "no finite number"),
        (b'{"a": -Infinity}', "no finite number"),
        (b'{"a": 1e999}', "no finite number"),
        (b'{"a": 1' + b"0" * 400 + b"}", "401 digits"),
        (b'{"a": 1' + b"0" * 9000 + b"}", "9,001 digits"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a": "\xff"}', "is not JSON"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MiB"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else None,
)
@pytest.mark.parametrize("name", ["config.json", "training.json"])
def test_json_is_bounded_before_it_is_parsed(model_folder: Path, name: str, content: bytes, words: str) -> None:
    """15 MB of [] took 743 MB; NaN loaded and could not be saved again."""
    (model_folder / name).write_bytes(content)
    with pytest.raises(NotAModelError, match=words) as refused:
        CharLSTM.from_pretrained(model_folder)
    assert len(str(refused.value)) < 500 and "\n" not in str(refused.value)


def test_a_surrogate_pair_is_one_character() -> None:
    text = json_files.dump_json({"a": "😀", "n": 2**63 - 1})
    assert json.loads(text)["a"] == "😀"


def test_an_escaped_pair_loads(model_folder: Path) -> None:
    save_id = json.loads((model_folder / "config.json").read_text())["save_id"]
    (model_folder / "training.json").write_text(f'{{"a": "\\ud83d\\ude00", "save_id": "{save_id}"}}')
    assert CharLSTM.from_pretrained(model_folder).record == {"a": "😀"}


def test_a_header_of_a_million_tensors_is_not_parsed(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took 890 MB."""
    monkeypatch.setattr(weights_file, "safe_open", None)  # not even opened
    header = b"{" + b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(20_000))
    (model_folder / "model.safetensors").write_bytes(len(header + b"}").to_bytes(8, "little") + header + b"}")
    with pytest.raises(NotAModelError, match=r"its header would take"):
        CharLSTM.from_pretrained(model_folder)


def test_a_model_that_no_memory_holds_is_refused_before_it_is_read(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.sysconf
    small = {"SC_PHYS_PAGES": 1, "SC_PAGE_SIZE": 64}
    monkeypatch.setattr(weights_file.os, "sysconf", lambda name: small.get(name) or real(name))
    with pytest.raises(NotAModelError, match=r"weights, which take .* GiB of this machine"):
        CharLSTM.from_pretrained(model_folder)
