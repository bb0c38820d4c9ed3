"""What of a training text becomes public with its model: example prompts, menus of names, addresses in samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hubcharlstm import GenerationConfig
from hubcharlstm.hub.json_files import load_json
from hubcharlstm.hub.model_folder import GENERATION, RECORD

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
PHONE = re.compile(r"(?<![\w.])\+?\d[\d ()/-]{7,}\d(?![\w.])")
MIN_DIGITS = 8


def privacy_note(examples: Iterable[str], speakers: Iterable[str], samples: Iterable[str]) -> str:
    """A sentence on what becomes public, "" if that is nothing of the text."""
    examples, speakers = tuple(examples), tuple(speakers)
    texts = [*examples, *samples]
    parts = []
    if examples:
        parts.append(f"{len(examples)} beginnings of lines as examples, such as {examples[-1]!r}")
    if speakers:
        more = f" and {len(speakers) - 3} more" if len(speakers) > 3 else ""
        parts.append(f"the names {', '.join(speakers[:3])}{more} as a menu")
    for what, pattern in (("e-mail addresses", EMAIL), ("telephone numbers", PHONE)):
        if found := sorted({match for text in texts for match in _matches(pattern, text)}):
            parts.append(f"{len(found)} {what}, such as {found[0]}")
    if not parts:
        return ""
    return f"Public with the model: {'; '.join(parts)}. If that is private, publish with --private, or not at all."


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        digits = sum(char.isdigit() for char in match[0])
        if pattern is EMAIL or digits >= MIN_DIGITS:
            yield match[0].strip()


def note_of_config(generation: GenerationConfig) -> str:
    """The note on a model before it is trained."""
    return privacy_note(generation.examples, generation.speakers, ())


def note_of_folder(folder: Path) -> str:
    """The note on a model folder, with its samples."""
    generation, record = (_content(folder / name) for name in (GENERATION, RECORD))
    samples = record.get("samples")  # of a record from elsewhere, which may hold anything
    entries = samples if isinstance(samples, list) else []
    texts = [str(sample.get("text")) for sample in entries if isinstance(sample, dict)]
    return privacy_note(generation.get("examples") or (), generation.get("speakers") or (), texts)


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return load_json(path)
