"""Damage that fits the folder's own hashes, and what is no regular file: it gets past the first checks."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hubcharlstm.hub import save_id
from hubcharlstm.vocabulary import Vocabulary

WEIGHTS, NGRAMS = "model.safetensors", "training_ngrams.safetensors"
SIZES = ("vocab_size", "embedding_dim", "hidden_size", "num_layers", "dropout")
NUMBERS = (0.0, -0.0, 1e-45, -1.0, 1.0, 1e4, 6e4, 1e9, 1.1e9, 3e38, float("nan"), float("inf"), -float("inf"))
COUNTS = (0, 1, 2, 23, 25, 63, 64, 65, 2**16, 2**31, 2**40, 2**62)


def reseal(folder: Path, tensors: dict[str, torch.Tensor] | None = None) -> None:
    """Store hashes and save ids that fit what `folder` holds now, as an attacker would. tensors: the new weights."""
    if tensors is None:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    sha256 = Vocabulary.from_dict(json.loads((folder / "vocab.json").read_text(encoding="utf-8"))).sha256
    stored = save_id.weights_id({name: config[name] for name in SIZES}, sha256, tensors)
    common = f"{stored}-{'0' * save_id.DIGITS}"
    save_file(tensors, folder / WEIGHTS, metadata={"vocab_sha256": sha256, save_id.KEY: stored})
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(content | {save_id.KEY: common}), encoding="utf-8")
    if (folder / NGRAMS).exists():
        edit_header(folder / NGRAMS, lambda header: header["__metadata__"].update({save_id.KEY: common}))


def edit_header(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the header of a safetensors file; its length stays right."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    edit(header)
    new = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + size :])


def replace_weights(draw: random.Random, folder: Path, other: Path) -> None:
    """Weights of other values, types or shapes, with the hash that fits them."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name in draw.sample(sorted(tensors), draw.choice([1, 1, len(tensors)])):
        value, kind = tensors[name], draw.random()
        if kind < 0.3:
            value.view(-1)[draw.randrange(value.numel())] = draw.choice(NUMBERS)
        elif kind < 0.6:
            tensors[name] = torch.full_like(value, draw.choice(NUMBERS))
        elif kind < 0.7:
            tensors[name] = value * draw.choice([1e3, 1e6, 1e-30, -1])
        elif kind < 0.9:
            tensors[name] = value.to(draw.choice([torch.float16, torch.bfloat16, torch.float64, torch.int8]))
        else:
            tensors[name] = draw.choice(
                [value[:0], value.flatten(), value[None], value.repeat(2, *[1] * (value.ndim - 1))]
            )
    reseal(folder, {name: value.contiguous() for name, value in tensors.items()})


def replace_size(draw: random.Random, folder: Path, other: Path) -> None:
    """A config of other sizes, with the hash that fits it."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config[draw.choice(SIZES)] = draw.choice([*COUNTS, 0.5, 1.0, "24", None, True])
    path.write_text(json.dumps(config), encoding="utf-8")
    reseal(folder)


def replace_characters(draw: random.Random, folder: Path, other: Path) -> None:
    """A vocabulary of other characters, as many or not, with the hash that fits it."""
    path = folder / "vocab.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    chars = content["chars"]
    for _ in range(draw.choice([1, 3, len(chars)])):
        chars[draw.randrange(len(chars))] = chr(draw.choice([draw.randrange(0x300), draw.randrange(0xD800), 0x10FFFF]))
    if draw.random() < 0.2:
        content["reading"]["lowercase"] = True
    path.write_text(json.dumps(content), encoding="utf-8")
    reseal(folder)


def replace_ngrams(draw: random.Random, folder: Path, other: Path) -> None:
    """A filter with other parameters, or of other bits with the hash that fits them."""

    def edit(header: dict[str, Any]) -> None:
        about = json.loads(header["__metadata__"]["ngram_filter"])
        name = draw.choice([*about, "x"])
        about[name] = draw.choice([*COUNTS, -1, 0.5, None, "", [], {}, {"runs": 2}, {"windows": 1e308}, {"x": 0.1}])
        header["__metadata__"]["ngram_filter"] = draw.choice([json.dumps(about)] * 5 + ["[" * 9000, "null", "1e999"])

    edit_header(folder / NGRAMS, edit)


def replace_by_no_file(draw: random.Random, folder: Path, other: Path) -> None:
    """A folder, a pipe, a device or a link to nothing, in the place of a file or beside the files."""
    places = [path for path in folder.iterdir() if path.is_file()]
    places += [folder / ".hubcharlstm-save", folder / ".hubcharlstm-save.lock", folder / ".hubcharlstm-save/.manifest"]
    path = draw.choice(sorted(places))
    if path.name == ".manifest":
        path.parent.mkdir()
    path.unlink(missing_ok=True)
    kind = draw.choice(["folder", "pipe", "device", "link to itself", "link to a folder"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "link to itself": path.name}.get(kind, folder.parent))


def replace_card(draw: random.Random, folder: Path, other: Path) -> None:
    """A model card of anything; nothing reads it."""
    content = draw.choice([b"", b"\xff\xfe", b"---\n" * 10_000, b"---\nlicense: [\n---\n", draw.randbytes(5_000)])
    (folder / "README.md").write_bytes(content)


def mix_saves(draw: random.Random, folder: Path, other: Path) -> None:
    """JSON files of another save that claim to be of this one."""
    for name in draw.sample(["vocab.json", "config.json", "generation_config.json", "training.json", "cells.json"], 2):
        shutil.copy(other / name, folder / name)
    reseal(folder)
