"""`python -m training` on a small play: its options, and the one line of a refusal."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from training.__main__ import main

ROOT = Path(__file__).parents[2]
TEXT = "ANN:\nThe cat sat on the mat.\n\nBOB:\nThe dog sat on the log.\n\n" * 30
TINY = shlex.split(
    "--embedding-dim 4 --hidden-size 8 --num-layers 2 --dropout 0.2 --batch-size 4 --seq-len 16 --max-epochs 100000"
)


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr that `argv` is refused with."""
    assert main(argv) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    return shown
