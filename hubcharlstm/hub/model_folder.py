"""A model folder on disk: checked strictly before memory is taken; written so that a kill leaves the old or the new.

It holds config.json, vocab.json, model.safetensors, generation_config.json, README.md (the card), and where a training
run wrote it training.json, cells.json, training_ngrams.safetensors and loss.png. See `staging` for how files are
replaced and `save_id` for how a mixture of two saves is detected.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from hubcharlstm.arguments import shown
from hubcharlstm.errors import NotAModelError
from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.hub import save_id
from hubcharlstm.hub.json_files import dump_json, load_json
from hubcharlstm.hub.ngram_file import NGRAMS, describe_ngrams, load_ngrams, save_ngrams
from hubcharlstm.hub.staging import current_files, finish_interrupted_save, replace_files
from hubcharlstm.hub.weights_file import (
    CONFIG,
    MAX_HEADER_BYTES,
    VOCAB,
    WEIGHTS,
    check_memory,
    check_storable,
    load_weights,
)
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.ngram_filter import NgramFilter
from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary

GENERATION, RECORD, CELLS = "generation_config.json", "training.json", "cells.json"
CARD, LOSS_PLOT = "README.md", "loss.png"
MODEL_FILES = (CONFIG, VOCAB, WEIGHTS, GENERATION, RECORD, CELLS, NGRAMS, CARD, LOSS_PLOT)
REQUIRED_FILES = (CONFIG, VOCAB, WEIGHTS)
FORMAT = "hubcharlstm/1"
PRETRAINED = Path(__file__).parents[1] / "pretrained"
RUN_SETTINGS = "run.json"
CHECKPOINT = "checkpoint"
"""In a run folder: what `resume` needs."""
MODEL_IN_RUN = "model"
"""A run folder stores its model folder under this name."""
EPOCHS_IN_RUN = "epochs"
"""And the model folders of chosen epochs under this one, each named by its tag on the Hub, such as epoch-03."""

STORED_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
PLAIN_NAME = re.compile(r"[^\x00-\x1f\ud800-\udfff/\\.][^\x00-\x1f\ud800-\udfff/\\]*")
LOAD_ATTEMPTS = 3
"""A save that lands while its folder is loaded makes the first attempt see files of both."""


@dataclass(frozen=True)
class Artifact:
    """The content of a model folder, checked.

    tensors: fp32, by name. dtype: how the folder stores them. revision: the commit for a model from the Hub, else None.
    weights_id: the stored hash of weights, sizes and vocabulary; None in folders of earlier versions.
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
    weights_id: str | None = None
    ngrams: NgramFilter | None = None


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


def load_folder(folder: Path, *, name: str, revision: str | None = None, verify: bool = True) -> Artifact:
    """Load and check a model folder; nothing is allocated before header, sizes and vocabulary agree.

    name: what messages call it. verify: compare the weights with the hash that was stored with them.
    Raises `NotAModelError` for what is no model, is damaged or mixes two saves.
    """
    for _ in range(LOAD_ATTEMPTS - 1):
        try:
            return _load_once(folder, name, revision, verify)
        except (save_id.MixedSavesError, FileNotFoundError):
            continue  # it may have been replaced between two files
    return _load_once(folder, name, revision, verify)


def _load_once(folder: Path, name: str, revision: str | None, verify: bool) -> Artifact:
    finish_interrupted_save(folder, owned=MODEL_FILES)
    files = current_files(folder, MODEL_FILES)
    if missing := [file for file in REQUIRED_FILES if file not in files]:
        raise missing_files(name, missing)
    contents = {file: load_json(files[file]) for file in (CONFIG, VOCAB, GENERATION, RECORD, CELLS) if file in files}
    if contents[CONFIG].get("format", FORMAT) != FORMAT:
        raise NotAModelError(
            f"{name} has the format {shown(contents[CONFIG]['format'])}; expected {FORMAT!r}: install the version that "
            "wrote it."
        )
    try:
        config = CharLSTMConfig.from_dict(contents[CONFIG])
        vocabulary = Vocabulary.from_dict(contents[VOCAB])
        generation = GenerationConfig.from_dict(contents.get(GENERATION, {}))
        cells = CellReport.from_dict(contents[CELLS], config) if CELLS in contents else None
    except ValueError as error:
        raise NotAModelError(f"{name} does not load: {error}") from error
    ngrams, stored_id = load_ngrams(files[NGRAMS]) if NGRAMS in files else (None, None)
    ids = contents if ngrams is None else contents | {NGRAMS: {save_id.KEY: stored_id}}
    common_id = save_id.check_same_save(name, ids)
    if len(vocabulary) != config.vocab_size:
        raise NotAModelError(
            f"{name} has {len(vocabulary)} characters in {VOCAB} and a vocab_size of {config.vocab_size} in {CONFIG}; "
            "expected the same number: take both files from one save."
        )
    tensors, dtype, weights_id = load_weights(
        files[WEIGHTS], config, vocabulary, common_id=common_id, name=name, verify=verify
    )
    if current_files(folder, MODEL_FILES).keys() != files.keys():
        raise save_id.MixedSavesError(
            f"{name} has been saved anew while it was loaded; expected one save: load it again when that is done."
        )
    record = {key: value for key, value in contents.get(RECORD, {}).items() if key != save_id.KEY}
    return Artifact(config, vocabulary, tensors, dtype, generation, record, name, revision, cells, weights_id, ngrams)


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
        weights = CharLSTMConfig.from_dict(load_json(config)).num_parameters
    except ValueError as error:
        raise NotAModelError(f"{name} does not load: {error}") from error
    if size is not None and not 2 * weights <= size <= 4 * weights + MAX_HEADER_BYTES:
        raise NotAModelError(
            f"{name} has a {WEIGHTS} of {size:,} bytes; expected one for the {weights:,} weights of its {CONFIG}: "
            "take config and weights from one save."
        )
    check_memory(weights, name)


def check_extra_files(extra_files: object) -> None:
    """Raise `ValueError` unless `extra_files` is None or contents by plain name, none of a file that a save writes."""
    if extra_files is None:
        return
    if not isinstance(extra_files, Mapping):
        raise ValueError(f"extra_files is {shown(extra_files)}; expected contents by file name: correct it.")
    for name, content in extra_files.items():
        if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name) or len(name.encode()) > 255:
            raise ValueError(
                f"extra_files has the name {shown(name)}; expected a plain file name without folders and without a "
                "leading dot: choose another."
            )
        if name in (CONFIG, VOCAB, WEIGHTS, GENERATION, RECORD, CELLS, NGRAMS):
            raise ValueError(f"extra_files has {name}, which the save itself writes; expected another: leave it out.")
        if not isinstance(content, bytes):
            raise ValueError(
                f"extra_files has {name} of type {type(content).__name__}; expected its content as bytes: encode it."
            )


def check_record(record: object) -> None:
    """Raise `ValueError` for a record that no JSON file can hold."""
    try:
        if not isinstance(record, dict):
            raise ValueError(f"it is of type {type(record).__name__}")
        dump_json(record)
    except ValueError as error:
        raise ValueError(
            f"record cannot be stored as JSON ({error}); expected texts, finite numbers, lists and objects: correct it."
        ) from error


def check_dtype(dtype: str) -> None:
    """Raise `ValueError` unless weights can be stored in `dtype`."""
    if not isinstance(dtype, str) or dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {shown(dtype)}; expected one of {', '.join(STORED_DTYPES)}: pick one.")


def save(folder: Path, artifact: Artifact, *, card: str, extra_files: Mapping[str, bytes] | None = None) -> None:
    """Write the files of a model into `folder`: a killed save leaves those of before, or the new ones.

    Nothing else in it is touched, but model files of an earlier save that this one lacks are removed: a record or a
    plot describes one model. The tensors of `artifact` are stored in its dtype, "float32", "float16" or "bfloat16".
    extra_files: contents by plain file name. Raises `ValueError` for another dtype, for another file name, for a record
    that JSON cannot hold, for weights that would not load again, or where `folder` is a file.
    """
    check_dtype(artifact.dtype)
    check_extra_files(extra_files)
    check_record(artifact.record)
    check_storable(artifact.tensors, STORED_DTYPES[artifact.dtype])
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
    ngrams = {} if artifact.ngrams is None else {NGRAMS: describe_ngrams(artifact.ngrams)}
    common_id = save_id.save_id(weights_id, contents | ngrams)

    def write(staging: Path) -> None:
        for name, content in contents.items():
            text = dump_json({**content, save_id.KEY: common_id})
            (staging / name).write_text(text, encoding="utf-8")
        (staging / CARD).write_text(card, encoding="utf-8")
        save_file(stored, staging / WEIGHTS, metadata={"vocab_sha256": vocabulary.sha256, save_id.KEY: weights_id})
        save_id.sort_metadata(staging / WEIGHTS)
        if artifact.ngrams is not None:
            save_ngrams(staging / NGRAMS, artifact.ngrams, common_id)
        for path in staging.glob("*.safetensors"):
            path.chmod((staging / CONFIG).stat().st_mode)  # safetensors makes it private to its owner
        for name, extra in (extra_files or {}).items():
            (staging / name).write_bytes(extra)

    replace_files(folder, write, owned=MODEL_FILES)
