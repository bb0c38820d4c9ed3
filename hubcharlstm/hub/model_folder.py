"""A model folder on disk: checked strictly before memory is taken; written so that a kill leaves the old or the new.

It holds config.json, vocab.json, model.safetensors, generation_config.json, README.md (the card), and where
a training run wrote it training.json, cells.json and loss.png. See `staging` for how files are replaced and `save_id`
for how a mixture of two saves is detected.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hubcharlstm.errors import NotAModelError
from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.hub import save_id
from hubcharlstm.hub.staging import current_files, finish_interrupted_save, replace_files
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
GENERATION, RECORD, CELLS = "generation_config.json", "training.json", "cells.json"
CARD, LOSS_PLOT = "README.md", "loss.png"
MODEL_FILES = (CONFIG, VOCAB, WEIGHTS, GENERATION, RECORD, CELLS, CARD, LOSS_PLOT)
REQUIRED_FILES = (CONFIG, VOCAB, WEIGHTS)
FORMAT = "hubcharlstm/1"
PRETRAINED = Path(__file__).parents[1] / "pretrained"
RUN_SETTINGS = "run.json"
CHECKPOINT = "checkpoint"
"""In a run folder: what `resume` needs."""
MODEL_IN_RUN = "model"
"""A run folder keeps its model folder under this name."""
EPOCHS_IN_RUN = "epochs"
"""And the model folders of chosen epochs under this one, each named by its tag on the Hub, such as epoch-03."""

MAX_JSON_BYTES = 16 * 2**20
MAX_HEADER_BYTES = 2**20
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
"""Names of safetensors -> our own."""
STORED_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LOAD_ATTEMPTS = 3
"""A save that lands while its folder is loaded makes the first attempt see files of both."""


@dataclass(frozen=True)
class Artifact:
    """The content of a model folder, checked.

    tensors: fp32, by name. dtype: how the folder stores them. revision: the commit for a model from the Hub, else None.
    """

    config: CharLSTMConfig
    vocabulary: Vocabulary
    tensors: dict[str, torch.Tensor]
    dtype: str
    generation: GenerationConfig
    record: dict[str, Any]
    name: str
    revision: str | None
    cells: CellReport | None = None


def find_folder(model_id: str | Path) -> Path | None:
    """The model folder that `model_id` names on this machine (itself, or the one within a run folder), if any."""
    try:
        folder = Path(model_id).expanduser()
        if not folder.is_dir():
            return None
    except (RuntimeError, OSError):  # ~ of nobody, a name longer than the system takes, a folder closed to us
        return None
    within = folder / MODEL_IN_RUN
    return within if not (folder / CONFIG).exists() and within.is_dir() else folder


def check_stopped_run(folder: Path) -> None:
    """Raise `NotAModelError` for the folder of a training run that has no model yet."""
    if (folder / RUN_SETTINGS).is_file() and not (folder / CONFIG).exists():
        advice = "start a new one with `hubcharlstm-train fit` and another --out"
        if (folder / CHECKPOINT).is_dir():
            advice = f"resume it with `hubcharlstm-train resume {shlex.quote(str(folder))}`"
        raise NotAModelError(
            f"{folder} is a run that was stopped before it saved a model; expected a finished one: {advice}."
        )


def load_folder(folder: Path, *, name: str, revision: str | None = None) -> Artifact:
    """Load and check a model folder; nothing is allocated before header, sizes and vocabulary agree.

    name: what messages call it. Raises `NotAModelError` for what is no model, is damaged or mixes two saves.
    """
    for _ in range(LOAD_ATTEMPTS - 1):
        try:
            return _load_once(folder, name, revision)
        except (save_id.MixedSavesError, FileNotFoundError):
            continue  # it may have been replaced between two files
    return _load_once(folder, name, revision)


def _load_once(folder: Path, name: str, revision: str | None) -> Artifact:
    finish_interrupted_save(folder, owned=MODEL_FILES)
    files = current_files(folder, MODEL_FILES)
    if missing := [file for file in REQUIRED_FILES if file not in files]:
        raise missing_files(name, missing)
    contents = {file: _load_json(files[file]) for file in (CONFIG, VOCAB, GENERATION, RECORD, CELLS) if file in files}
    if contents[CONFIG].get("format", FORMAT) != FORMAT:
        raise NotAModelError(
            f"{name} has the format {contents[CONFIG]['format']!r}; expected {FORMAT!r}: install the version that "
            "wrote it."
        )
    try:
        config = CharLSTMConfig.from_dict(contents[CONFIG])
        vocabulary = Vocabulary.from_dict(contents[VOCAB])
        generation = GenerationConfig.from_dict(contents.get(GENERATION, {}))
        cells = CellReport.from_dict(contents[CELLS], config) if CELLS in contents else None
    except ValueError as error:
        raise NotAModelError(f"{name} does not load: {error}") from error
    common_id = save_id.check_same_save(name, contents)
    if len(vocabulary) != config.vocab_size:
        raise NotAModelError(
            f"{name} has {len(vocabulary)} characters in {VOCAB} and a vocab_size of {config.vocab_size} in {CONFIG}; "
            "expected the same number: take both files from one save."
        )
    tensors, dtype = load_weights(files[WEIGHTS], config, vocabulary, common_id=common_id, name=name)
    record = {key: value for key, value in contents.get(RECORD, {}).items() if key != save_id.KEY}
    return Artifact(config, vocabulary, tensors, dtype, generation, record, name, revision, cells)


def missing_files(name: str, missing: Sequence[str], *, pickles: Sequence[str] = ()) -> NotAModelError:
    """The error for a folder or repository that lacks files of a model. pickles: what it offers instead of weights."""
    hint = "save one with save_pretrained, or give another folder or Hub id"
    if WEIGHTS in missing:
        pickled = "pickled weights, such as a .bin or .pt file, are"
        if pickles:
            pickled = f"what it offers, {', '.join(pickles[:3])}, is a pickle, which can run code and is"
        hint += f" ({pickled} never read)"
    return NotAModelError(f"{name} has no {', '.join(missing)}; expected a hubcharlstm model: {hint}.")


def check_weights_size(config: Path, size: int | None, *, name: str) -> None:
    """Raise `NotAModelError` where a weights file of `size` bytes cannot be the one that `config` asks for.

    It spares a download: a foreign repository may hold gigabytes under the same name.
    """
    try:
        weights = CharLSTMConfig.from_dict(_load_json(config)).num_parameters
    except ValueError as error:
        raise NotAModelError(f"{name} does not load: {error}") from error
    if size is not None and not 2 * weights <= size <= 4 * weights + MAX_HEADER_BYTES:
        raise NotAModelError(
            f"{name} has a {WEIGHTS} of {size:,} bytes; expected one for the {weights:,} weights of its {CONFIG}: "
            "take config and weights from one save."
        )
    _check_memory(weights, name)


def _check_memory(weights: int, name: str) -> None:
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= names.keys():
        return  # a system that does not tell
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 4 * weights > memory > 0:
        raise NotAModelError(
            f"{name} has {weights:,} weights, which take {4 * weights / 2**30:,.0f} GiB; expected a model for the "
            f"{memory / 2**30:,.0f} GiB of this machine: take a smaller one, or a larger machine."
        )


def load_weights(
    path: Path, config: CharLSTMConfig, vocabulary: Vocabulary, *, common_id: str | None, name: str
) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors of `path` in fp32 and the dtype that they are stored in ("float32" where there are several).

    Its header must fit `config` and `vocabulary` exactly and carry the save id that the JSON files have in common.
    """
    expected = config.tensor_shapes()
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            dtypes = _check_header(file, path, expected)
            metadata = file.metadata() or {}
            stored = metadata.get("vocab_sha256")
            if stored != vocabulary.sha256:
                raise NotAModelError(
                    f"{path} was trained with another vocabulary than the one in {VOCAB} (hash {str(stored)[:12]} "
                    f"against {vocabulary.sha256[:12]}); expected the same: take both files from one save."
                )
            save_id.check_weights_of_save(name, common_id, metadata.get(save_id.KEY), (CONFIG, WEIGHTS))
            _check_memory(config.num_parameters, str(path))
            tensors = {tensor: file.get_tensor(tensor).float() for tensor in expected}
    except SafetensorError as error:
        raise NotAModelError(
            f"{path} is damaged or no safetensors file ({error}); expected {config.num_parameters:,} weights: "
            "copy or download it again."
        ) from error
    return tensors, dtypes.pop() if len(dtypes) == 1 else "float32"


def _check_header(file: Any, path: Path, expected: Mapping[str, tuple[int, ...]]) -> set[str]:
    """The dtypes of an open safetensors file; raises `NotAModelError` unless names and shapes are the expected ones."""
    names = set(file.keys())
    if names != set(expected):
        wrong = sorted(names ^ set(expected))
        raise NotAModelError(
            f"{path} lacks or adds the tensors {', '.join(wrong[:6])}; expected exactly those that its {CONFIG} "
            "implies: take config and weights from one save."
        )
    dtypes = set()
    for name, shape in expected.items():
        found = file.get_slice(name)
        if tuple(found.get_shape()) != shape or found.get_dtype() not in DTYPES:
            raise NotAModelError(
                f"{path} holds {name} as {found.get_dtype()} {tuple(found.get_shape())}; expected {shape} in "
                f"{', '.join(sorted(DTYPES))}: take config and weights from one save."
            )
        dtypes.add(DTYPES[found.get_dtype()])
    return dtypes


def _load_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise NotAModelError(
            f"{path} is larger than {MAX_JSON_BYTES // 2**20} MiB; expected a small JSON file: check it."
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NotAModelError(f"{path} is not JSON ({error}); expected a JSON object: save the model again.") from error
    if not isinstance(data, dict):
        raise NotAModelError(f"{path} holds a JSON {type(data).__name__}; expected an object: save the model again.")
    return data


def check_dtype(dtype: str) -> None:
    """Raise `ValueError` unless weights can be stored in `dtype`."""
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(STORED_DTYPES)}: pick one.")


def save(folder: Path, artifact: Artifact, *, card: str, extra_files: Mapping[str, bytes] | None = None) -> None:
    """Write the files of a model into `folder`: a killed save leaves those of before, or the new ones.

    Nothing else in it is touched, but model files of an earlier save that this one lacks are removed: a record or a
    plot describes one model. The tensors of `artifact` are stored in its dtype, "float32", "float16" or "bfloat16".
    extra_files: contents by plain file name. Raises `ValueError` for another dtype or where `folder` is a file.
    """
    check_dtype(artifact.dtype)
    dtype, vocabulary = STORED_DTYPES[artifact.dtype], artifact.vocabulary
    stored = {name: value.detach().to("cpu", dtype).contiguous() for name, value in artifact.tensors.items()}
    contents: dict[str, Mapping[str, Any]] = {
        CONFIG: {"model_type": "charlstm", "format": FORMAT, **artifact.config.to_dict()},
        VOCAB: vocabulary.to_dict(),
        GENERATION: artifact.generation.to_dict(),
    }
    if artifact.record:
        contents[RECORD] = artifact.record
    if artifact.cells is not None:
        contents[CELLS] = artifact.cells.to_dict()
    weights_id = save_id.weights_id(artifact.config.to_dict(), vocabulary.sha256, stored)
    common_id = save_id.save_id(weights_id, contents)

    def write(staging: Path) -> None:
        for name, content in contents.items():
            _write_json(staging / name, {**content, save_id.KEY: common_id})
        (staging / CARD).write_text(card, encoding="utf-8")
        save_file(stored, staging / WEIGHTS, metadata={"vocab_sha256": vocabulary.sha256, save_id.KEY: weights_id})
        save_id.sort_metadata(staging / WEIGHTS)
        (staging / WEIGHTS).chmod((staging / CONFIG).stat().st_mode)  # safetensors makes it private to its owner
        for name, extra in (extra_files or {}).items():
            (staging / name).write_bytes(extra)

    replace_files(folder, write, owned=MODEL_FILES)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
