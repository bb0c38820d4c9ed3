"""What an Inference Endpoint needs beside a model: handler.py, requirements.txt and the wheel of this library."""

from __future__ import annotations

import re
from pathlib import Path

from training.publishing.wheel import NAME, pins, write_wheel

HANDLER, REQUIREMENTS = "handler.py", "requirements.txt"
MOUNTED = "/repository"
"""Where the service lays the repository; pip takes paths in requirements.txt as relative to where it was started."""
WHEEL = re.compile(rf"{NAME}-[^/]+\.whl")
HANDLER_TEXT = '''"""The handler of an Inference Endpoint; the wheel beside it holds the class."""

from hubcharlstm.inference_endpoint import EndpointHandler

__all__ = ["EndpointHandler"]
'''


def write(folder: Path) -> dict[str, Path]:
    """Write the files into `folder` and return them by their path in the repository.

    Raises `ValueError` where this copy of the library has no metadata to make a wheel of.
    """
    wheel = write_wheel(folder)
    (folder / HANDLER).write_text(HANDLER_TEXT, encoding="utf-8")
    # The wheel by its path: a package index may offer another package of its name.
    lines = [f"{MOUNTED}/{wheel.name}", *pins()]
    (folder / REQUIREMENTS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {name: folder / name for name in (HANDLER, REQUIREMENTS, wheel.name)}


def is_owned(path: str) -> bool:
    """Whether `push --endpoint` writes a path of the repository, wheels of other versions included."""
    return path in (HANDLER, REQUIREMENTS) or bool(WHEEL.fullmatch(path))
