"""A model as one HTML page that computes in the browser and loads nothing: see page/ and runtime/."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hubcharlstm.arguments import checked_path
from hubcharlstm.export.content import model_content
from hubcharlstm.export.package import MODULES, RUNTIME, WASM
from hubcharlstm.export.weights import int8_weights
from hubcharlstm.hub import training_record
from hubcharlstm.hub.titles import display_title, proper_name
from hubcharlstm.introduction import SIDE_BY_SIDE, expectation, in_words, passage, time_lapse
from hubcharlstm.model import CharLSTM

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("opening.js", "settings.js", "context.js", "reply.js", "introduction.js", "page.js")
"""The parts of the page's script, in order."""
STYLES = ("page.css", "introduction.css", "turns.css", "controls.css")
MODULE_SYNTAX = re.compile(
    r'^(import \{[^}]*\} from "\./\w+\.js";\n|export (?=class |const |function |async function ))', re.MULTILINE
)
MAX_STARTERS = 4
PART_BYTES = 3 * 262_144
"""Of the weights in one data block: the browser decodes it while it parses the next."""
TAKE_PART = "takeWeights(document.currentScript)"


def render_page(model: CharLSTM, *, version: str) -> str:
    """The page as HTML in UTF-8; raises `DamagedModelError` (a `ValueError`) if a weight is not finite.

    version: of this library, for the page's `generator`.
    """
    introduction = introduce(model)
    script, style = "\n".join(map(_asset, SCRIPTS)), "\n".join(map(_asset, STYLES))
    content = json.dumps(model_content(model) | {"introduction": introduction}, ensure_ascii=False)
    parts = {
        "policy": content_policy((script, TAKE_PART), style),
        "version": html.escape(version),
        "title": html.escape(introduction["title"]),
        "style": style,
        "script": script,
        "worker": worker_source(),
        "content": content.replace("<", "\\u003c"),  # no text within may end the block
        "wasm": base64.b64encode(WASM.read_bytes()).decode("ascii"),
        "weights": weight_blocks(int8_weights(model)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def write_page(model: CharLSTM, path: Path, *, version: str) -> int:
    """Write the page to `path`, which it replaces, and return its size in bytes.

    Raises `ValueError` if the file cannot be written, and as `render_page` does.
    """
    path = checked_path("The page", path)
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; expected a file such as page.html: name one within it.")
        page = render_page(model, version=version).encode("utf-8")
        path.write_bytes(page)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); expected a file in a folder that exists: choose another."
        ) from None
    return len(page)


def introduce(model: CharLSTM) -> dict[str, Any]:
    """What the page says of the model before anything is written, all of it from the model's record."""
    record, config = training_record.valid_record(model.record), model.config
    shape = f"{config.num_layers} × {config.hidden_size} units, {in_words(config.num_parameters)} numbers"
    loss = f", {record['val_bpc']:.3f} bits per character on text it has not read" if "val_bpc" in record else ""
    return {
        "title": display_title(record, model.name),
        "tagline": f"{expectation(model)} Start a line; it goes on.",
        "about": f"{shape}, {len(model.vocabulary)} letters and signs{loss}.",
        "passage": passage(record),
        "time_lapse": time_lapse(model.record, record),
        "speakers": [(name, proper_name(name)) for name in model.generation_config.speakers],
        "starters": list(model.generation_config.examples[:MAX_STARTERS]),
        "side_by_side": list(SIDE_BY_SIDE),
        "is_code": record.get("corpus", {}).get("kind") == "code",
    }


def weight_blocks(weights: bytes) -> str:
    """Templates of base64, each with a script that sends it to the worker while the next one is parsed.

    Chromium parses a template's text in less time than a script element's (benchmarks/RESULTS.md).
    """
    parts = (base64.b64encode(weights[start : start + PART_BYTES]) for start in range(0, len(weights), PART_BYTES))
    return "\n".join(f"<template>{part.decode('ascii')}</template><script>{TAKE_PART}</script>" for part in parts)


def content_policy(scripts: Iterable[str], style: str) -> str:
    """The page's Content-Security-Policy: its scripts and style by hash, WebAssembly, a worker, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))} 'wasm-unsafe-eval'",
            f"style-src {_hash(style)}",
            "worker-src blob:",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def worker_source() -> str:
    """The modules of the runtime and the worker as one script: a worker from a blob can import no file."""
    modules = [(RUNTIME / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    return MODULE_SYNTAX.sub("", "\n".join([*modules, _asset("worker.js")]))


def _asset(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
