"""A model as an npm package: the runtime, its types, the WebAssembly module, and the model's weights."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from hubcharlstm.arguments import checked_path
from hubcharlstm.export.content import model_content
from hubcharlstm.export.weights import int8_weights
from hubcharlstm.model import CharLSTM

RUNTIME = Path(__file__).parent / "runtime"
WASM = Path(__file__).parent / "wasm" / "step.wasm"

MODULES = ("network", "random", "sampling", "repetition", "sentences", "stopping", "vocabulary", "model")
"""The modules of the runtime, each after those that it imports."""


def write_package(model: CharLSTM, folder: Path, *, version: str) -> list[str]:
    """Fill `folder`, new or empty, and return the names of its files, sorted.

    version: of the package; a semantic version.
    Raises `ValueError` if the folder holds anything or cannot be written, and `DamagedModelError` (a `ValueError`) if a
    weight is not finite.
    """
    folder, name = checked_path("The folder", folder), package_name(model.name)
    manifest = {
        "name": name,
        "version": version,
        "description": f"The character LSTM {name}, in int8 by WebAssembly",
        "type": "module",
        "exports": {".": {"types": "./index.d.ts", "default": "./index.js"}},
    }
    contents = {
        "package.json": (json.dumps(manifest, indent=2) + "\n").encode("utf-8"),
        "model.json": json.dumps(model_content(model), ensure_ascii=False).encode("utf-8"),
        "weights.bin": int8_weights(model),
    }
    sources = [WASM, RUNTIME / "index.js", RUNTIME / "index.d.ts", *(RUNTIME / f"{name}.js" for name in MODULES)]
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ValueError(f"{folder} exists already; expected a new or empty folder: empty it, or choose another.")
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            (folder / path).write_bytes(content)
        for source in sources:
            shutil.copyfile(source, folder / source.name)
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error.strerror}); expected a new or empty folder: choose another."
        ) from None
    return sorted([*contents, *(source.name for source in sources)])


def package_name(model_name: str) -> str:
    """The last part of a model's name in the characters that npm allows."""
    return re.sub(r"[^a-z0-9._-]+", "-", model_name.lower().rpartition("/")[2]).strip("._-") or "charlstm"
