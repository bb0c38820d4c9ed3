"""A model as one HTML page that computes in the browser and loads nothing: see page/ and runtime/."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

from hubcharlstm.export.content import model_content
from hubcharlstm.export.package import MODULES, RUNTIME, WASM
from hubcharlstm.export.weights import int8_weights
from hubcharlstm.hub import model_card
from hubcharlstm.introduction import SIDE_BY_SIDE, expectation, in_words, passage, time_lapse
from hubcharlstm.model import CharLSTM

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("settings.js", "reply.js", "introduction.js", "page.js")
"""The parts of the page's script, in order."""
STYLES = ("page.css", "introduction.css", "turns.css", "controls.css")
MODULE_SYNTAX = re.compile(
    r'^(import \{[^}]*\} from "\./\w+\.js";\n|export (?=class |function |async function ))', re.MULTILINE
)
MAX_STARTERS = 4


def render_page(model: CharLSTM, *, version: str) -> str:
    """The page as HTML in UTF-8; raises `DamagedModelError` (a `ValueError`) if a weight is not finite.

    version: of this library, for the page's `generator`.
    """
    introduction = introduce(model)
    script, style = "\n".join(map(_asset, SCRIPTS)), "\n".join(map(_asset, STYLES))
    content = json.dumps(model_content(model) | {"introduction": introduction}, ensure_ascii=False)
    parts = {
        "policy": content_policy(script, style),
        "version": html.escape(version),
        "title": html.escape(introduction["title"]),
        "style": style,
        "script": script,
        "worker": worker_source(),
        "content": content.replace("<", "\\u003c"),  # no text within may end the block
        "wasm": base64.b64encode(WASM.read_bytes()).decode("ascii"),
        "weights": base64.b64encode(int8_weights(model)).decode("ascii"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def write_page(model: CharLSTM, path: Path, *, version: str) -> int:
    """Write the page to `path`, which it replaces, and return its size in bytes.

    Raises `ValueError` if the file cannot be written, and as `render_page` does.
    """
    page = render_page(model, version=version).encode("utf-8")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a file such as page.html: name one within it.")
    try:
        path.write_bytes(page)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); expected a file in a folder that exists: choose another."
        ) from None
    return len(page)


def introduce(model: CharLSTM) -> dict[str, Any]:
    """What the page says of the model before anything is written, all of it from the model's record."""
    record, config = model_card.valid_record(model.record), model.config
    shape = f"{config.num_layers} × {config.hidden_size} units, {in_words(config.num_parameters)} numbers"
    loss = f", {record['val_bpc']:.3f} bits per character on text it has not read" if "val_bpc" in record else ""
    return {
        "title": record.get("name") or model.name,
        "tagline": f"{expectation(model)} Start a line; it goes on.",
        "about": f"{shape}, {len(model.vocabulary)} letters and signs{loss}.",
        "passage": passage(record),
        "time_lapse": time_lapse(model.record, record),
        "starters": list(model.generation_config.examples[:MAX_STARTERS]),
        "side_by_side": list(SIDE_BY_SIDE),
        "is_code": record.get("corpus", {}).get("kind") == "code",
    }


def content_policy(script: str, style: str) -> str:
    """The page's Content-Security-Policy: its own script and style by hash, WebAssembly, a worker, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)} 'wasm-unsafe-eval'",
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
