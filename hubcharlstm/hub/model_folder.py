"""A model folder on disk: read strictly, checked before memory is taken; written in one atomic step.

It holds config.json, vocab.json, model.safetensors, generation_config.json, README.md (the card), and where
a run made it training.json and loss.png.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hubcharlstm.errors import NotAModelError
from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.hub.atomic import replace_folder
from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
GENERATION, RECORD, CARD, LOSS_PLOT = "generation_config.json", "training.json", "README.md", "loss.png"
MODEL_FILES = (CONFIG, VOCAB, WEIGHTS, GENERATION, RECORD, CARD, LOSS_PLOT)
REQUIRED_FILES = (CONFIG, VOCAB, WEIGHTS)
FORMAT = "hubcharlstm/1"
PRETRAINED = Path(__file__).parents[1] / "pretrained"
MODEL_IN_RUN = "model"
"""A run folder keeps its model folder under this name."""
EPOCHS_IN_RUN = "epochs"
"""And the model folders of chosen epochs under this one, each named by its tag on the Hub, such as epoch-03."""

MAX_JSON_BYTES = 16 * 2**20
MAX_HEADER_BYTES = 2**20
DTYPES = {"F16", "BF16", "F32"}
STORED_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Artifact:
    """All that a model folder holds, checked. `revision` is the commit for a model from the Hub, else None."""

    config: CharLSTMConfig
    vocabulary: Vocabulary
    tensors: dict[str, torch.Tensor]
    generation: GenerationConfig
    record: dict[str, Any]
    name: str
    revision: str | None


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


def read_folder(folder: Path, *, name: str, revision: str | None = None) -> Artifact:
    """Read and check a model folder; nothing is allocated before header, sizes and vocabulary agree."""
    if missing := [file for file in REQUIRED_FILES if not (folder / file).is_file()]:
        raise missing_files(name, missing)
    config_data = _read_json(folder / CONFIG)
    if config_data.get("format", FORMAT) != FORMAT:
        raise NotAModelError(
            f"{name} has the format {config_data['format']!r}; expected {FORMAT!r}: install the version that wrote it."
        )
    try:
        config = CharLSTMConfig.from_dict(config_data)
        vocabulary = Vocabulary.from_dict(_read_json(folder / VOCAB))
        generation = GenerationConfig.from_dict(
            _read_json(folder / GENERATION) if (folder / GENERATION).is_file() else {}
        )
    except ValueError as error:
        raise NotAModelError(f"{name} does not load: {error}") from error
    if len(vocabulary) != config.vocab_size:
        raise NotAModelError(
            f"{name} has {len(vocabulary)} characters in {VOCAB} and a vocab_size of {config.vocab_size} in {CONFIG}; "
            "expected the same number: take both files from one save."
        )
    tensors = read_weights(folder / WEIGHTS, config, vocabulary)
    record = _read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    return Artifact(config, vocabulary, tensors, generation, record, name, revision)


def missing_files(name: str, missing: Sequence[str], *, pickles: Sequence[str] = ()) -> NotAModelError:
    """The error for a folder or repository that lacks files of a model. pickles: what it offers instead of weights."""
    hint = "save one with save_pretrained, or give another folder or Hub id"
    if WEIGHTS in missing:
        told = "pickled weights, such as a .bin or .pt file, are"
        if pickles:
            told = f"what it offers, {', '.join(pickles[:3])}, is a pickle, which can run code and is"
        hint += f" ({told} never read)"
    return NotAModelError(f"{name} has no {', '.join(missing)}; expected a hubcharlstm model: {hint}.")


def check_weights_size(config: Path, size: int | None, *, name: str) -> None:
    """Raise `NotAModelError` where a weights file of `size` bytes cannot be the one that `config` asks for.

    It spares a download: a foreign repository may hold gigabytes under the same name.
    """
    try:
        weights = CharLSTMConfig.from_dict(_read_json(config)).num_parameters
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


def read_weights(path: Path, config: CharLSTMConfig, vocabulary: Vocabulary) -> dict[str, torch.Tensor]:
    """The tensors of `path` in fp32, after its header was found to fit `config` and `vocabulary` exactly."""
    expected = config.tensor_shapes()
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = set(file.keys())
            if names != set(expected):
                wrong = sorted(names ^ set(expected))
                raise NotAModelError(
                    f"{path} lacks or adds the tensors {', '.join(wrong[:6])}; expected those of a "
                    f"{config.num_layers}-layer network: take config and weights from one save."
                )
            for name, shape in expected.items():
                found = file.get_slice(name)
                if tuple(found.get_shape()) != shape or found.get_dtype() not in DTYPES:
                    raise NotAModelError(
                        f"{path} holds {name} as {found.get_dtype()} {tuple(found.get_shape())}; expected {shape} in "
                        f"{', '.join(sorted(DTYPES))}: take config and weights from one save."
                    )
            stored = (file.metadata() or {}).get("vocab_sha256")
            if stored != vocabulary.sha256:
                raise NotAModelError(
                    f"{path} was trained with another vocabulary than the one in {VOCAB} (hash {str(stored)[:12]} "
                    f"against {vocabulary.sha256[:12]}); expected the same: take both files from one save."
                )
            _check_memory(config.num_parameters, str(path))
            return {name: file.get_tensor(name).float() for name in expected}
    except SafetensorError as error:
        raise NotAModelError(
            f"{path} is damaged or no safetensors file ({error}); expected {config.num_parameters:,} weights: "
            "copy or download it again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
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


def save(
    folder: Path,
    *,
    config: CharLSTMConfig,
    vocabulary: Vocabulary,
    tensors: Mapping[str, torch.Tensor],
    generation: GenerationConfig,
    record: Mapping[str, Any],
    card: str,
    dtype: str = "float32",
    extra_files: Mapping[str, bytes] | None = None,
) -> None:
    """Write a model folder in one step: a killed save leaves what was there before.

    Other files in it are kept, but no model file of an earlier save: a record or a plot describes one model.
    dtype: how weights are stored, "float32", "float16" or "bfloat16"; they are fp32 in memory.
    """
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(STORED_DTYPES)}: pick one.")

    def write(into: Path) -> None:
        config_data = {"model_type": "charlstm", "format": FORMAT, **config.to_dict()}
        _write_json(into / CONFIG, config_data)
        _write_json(into / VOCAB, vocabulary.to_dict())
        _write_json(into / GENERATION, generation.to_dict())
        if record:
            _write_json(into / RECORD, record)
        (into / CARD).write_text(card, encoding="utf-8")
        stored = {name: value.detach().to("cpu", STORED_DTYPES[dtype]).contiguous() for name, value in tensors.items()}
        # One entry of metadata: safetensors writes several in an order that changes from save to save.
        save_file(stored, into / WEIGHTS, metadata={"vocab_sha256": vocabulary.sha256})
        (into / WEIGHTS).chmod((into / CONFIG).stat().st_mode)  # safetensors makes it private to its owner
        for name, content in (extra_files or {}).items():
            (into / name).write_bytes(content)

    replace_folder(folder, write, drop=MODEL_FILES)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
