"""The weights of a model folder: `model.safetensors`, checked before memory is taken and compared with its hash."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from hubcharlstm.errors import NotAModelError
from hubcharlstm.hub import save_id
from hubcharlstm.network import CharLSTMConfig
from hubcharlstm.vocabulary import Vocabulary

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
MAX_HEADER_BYTES = 2**20
"""Of a weights file. The header of 64 layers takes 30 kB; one of a million tensors takes 890 MB once it is parsed."""
MAX_WEIGHT = 1e9
"""Far above any use. Products of larger ones overflow, and what is loaded can write."""
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
"""Names of safetensors -> our own."""


def check_memory(weights: int, name: str) -> None:
    """Raise `NotAModelError` for more weights than the memory of this machine holds."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= names.keys():
        return  # a system that does not tell
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 4 * weights > memory > 0:
        raise NotAModelError(
            f"{name} has {weights:,} weights, which take {4 * weights / 2**30:,.0f} GiB; expected a model for the "
            f"{memory / 2**30:,.0f} GiB of this machine: take a smaller one, or a larger machine."
        )


def check_storable(tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
    """Raise `ValueError` for weights that `load_weights` would refuse once they are stored in `dtype`."""
    limit = min(MAX_WEIGHT, torch.finfo(dtype).max)
    for tensor, value in tensors.items():
        low, high = torch.aminmax(value.detach())
        if not (low >= -limit and high <= limit):  # false for NaN, too
            raise ValueError(
                f"The model's {tensor} has weights that are not finite or beyond {limit:g}; expected weights that load "
                f"again from {str(dtype).removeprefix('torch.')}: take an earlier save, or choose another dtype."
            )


def load_weights(
    path: Path, config: CharLSTMConfig, vocabulary: Vocabulary, *, common_id: str | None, name: str, verify: bool
) -> tuple[dict[str, torch.Tensor], str, str | None]:
    """The tensors of `path` in fp32, the dtype that they are stored in ("float32" where there are several), their hash.

    Its header must fit `config` and `vocabulary` exactly and carry the save id that the JSON files have in common.
    With `verify` the weights must have the hash that this id is.
    """
    expected = config.tensor_shapes()
    check_header_size(path)
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
            weights_id = metadata.get(save_id.KEY)
            save_id.check_weights_of_save(name, common_id, weights_id, (CONFIG, WEIGHTS))
            check_memory(config.num_parameters, str(path))
            stored_tensors = {tensor: file.get_tensor(tensor) for tensor in expected}
    except SafetensorError as error:
        raise NotAModelError(
            f"{path} is damaged or no safetensors file ({error}); expected {config.num_parameters:,} weights: "
            "copy or download it again."
        ) from error
    if verify and weights_id is not None:
        found = save_id.weights_id(config.to_dict(), vocabulary.sha256, stored_tensors)
        if found != weights_id:
            raise NotAModelError(
                f"{path} does not hold the weights that were saved for its {CONFIG} (hash {found} against "
                f"{weights_id[:40]}); expected the same: copy or download the folder again, or load it with "
                "verify=False."
            )
    tensors = {tensor: value.float() for tensor, value in stored_tensors.items()}
    for tensor, value in tensors.items():
        low, high = torch.aminmax(value)
        if not (low >= -MAX_WEIGHT and high <= MAX_WEIGHT):  # false for NaN, too
            raise NotAModelError(
                f"{path} has weights in {tensor} that are not finite or beyond {MAX_WEIGHT:g}; expected weights of a "
                "trained model: take an earlier save, or train it again."
            )
    return tensors, dtypes.pop() if len(dtypes) == 1 else "float32", weights_id


def check_header_size(path: Path) -> None:
    """Raise `NotAModelError` for a safetensors file whose header is too large to be parsed without a second thought."""
    with path.open("rb") as file:
        start = file.read(8)
    size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if size > MAX_HEADER_BYTES:
        raise NotAModelError(
            f"{path} is damaged or no safetensors file (its header would take {size:,} bytes); expected at most "
            f"{MAX_HEADER_BYTES:,}: copy or download it again."
        )


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
