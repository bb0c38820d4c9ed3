"""The save id: stands in every JSON file and in the weights of one save, and load refuses files of two saves.

It has two parts, such as 0f3a…-91bc…: a hash of config, vocabulary and weights as stored, and a hash of all JSON files.
The weights hold the first part alone, since a new record does not change them. The id is derived from the content
rather than drawn: an unchanged model is the same bytes at every save, so that a push of it sends nothing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hubcharlstm.errors import NotAModelError

KEY = "save_id"
DIGITS = 16


class MixedSavesError(NotAModelError):
    """The files of a model folder come from more than one save."""


def weights_id(config: Mapping[str, Any], vocabulary_sha256: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """The part of the save id that the weights hold. tensors: contiguous, on the CPU, as they are stored."""
    digest = hashlib.sha256(_canonical({"config": config, "vocabulary": vocabulary_sha256}))
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:DIGITS]


def save_id(weights: str, files: Mapping[str, Mapping[str, Any]]) -> str:
    """The id that every JSON file of a save holds. weights: what `weights_id` gives. files: their contents by name."""
    return f"{weights}-{hashlib.sha256(_canonical(files)).hexdigest()[:DIGITS]}"


def check_same_save(name: str, files: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The one id that all JSON files hold; None where none has one, as in folders of earlier versions."""
    ids = {file: content.get(KEY) for file, content in files.items()}
    if len(set(map(str, ids.values()))) > 1:
        raise _mixed(name, ids)
    common = next(iter(ids.values()))
    return None if common is None else str(common)


def check_weights_of_save(name: str, config_id: str | None, stored_id: str | None, files: tuple[str, str]) -> None:
    """Raise `MixedSavesError` unless the weights are those of the JSON files. files: names of config and weights."""
    expected = None if config_id is None else config_id.partition("-")[0]
    if stored_id != expected:
        raise _mixed(name, dict(zip(files, (expected, stored_id), strict=True)))


def _mixed(name: str, ids: Mapping[str, Any]) -> MixedSavesError:
    found = ", ".join(f"{file} {str(value)[:40] if value is not None else 'none'}" for file, value in ids.items())
    return MixedSavesError(
        f"{name} mixes files of different saves (save ids: {found}); expected one save: take all files from one save, "
        "or save the model again."
    )


def sort_metadata(path: Path) -> None:
    """Put the metadata of a safetensors file in order: the library writes it in one that changes from save to save."""
    with path.open("r+b") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        content = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        assert len(content) == size, "the same entries in another order take the same room"
        file.seek(8)
        file.write(content)


def _canonical(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=str).encode("ascii")
