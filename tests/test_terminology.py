"""Names are the field's own terms: every identifier that the code defines, and the words that it may not hold."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("hubcharlstm", "training", "benchmarks", "examples", "tests")


def listed(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


PRIVATE_CLASSES = listed(
    """
    Ask Average Base Batch Clock Desk EngineRun Found Gate Guard Halt Job Kept Listening Loaded LocalRun Loop OneRow
    Outcome Place Plan Problem Product Prompts PromptsApart PromptsTogether Reader Reading Refused Rows Run Schedule
    Shelf States Talk View Visitor
    """
)
"""Whole identifiers that were classes of the first version."""

PRIVATE_WORDS = listed(
    """
    circle circles desk folded foot greet halt halted lane lanes marks moment moments patiently receipt receipts resting
    rests shelf skipped sweep untaken untold verdict visitor visitors wish wishes
    """
)
"""Words of the first version that stand in no identifier, tests' names included."""

COMMON_WORDS = listed("ahead box drawn keep keeps kept left look looks read reads stream streams told unread")
"""Words with five meanings each: they stand in an identifier only where the allowlist below gives a reason."""

ALLOWED = {
    "TextStream": "the class of `CharLSTM.stream`: a completion as it is written",
    "RandomStream": "the field's term for an independent sequence of random numbers (Salmon et al. 2011)",
    "READ_ONLY_TOKEN": "a token with read access, as the Hub calls it",
    "StreamOptions": "the object stream_options of OpenAI's API",
    "stream_options": "a parameter of OpenAI's API",
    "FinishedStream": "stands in for a TextStream in tests of the app",
    "PacedStream": "what pacing needs of a TextStream",
    "open_stream": "opens a TextStream",
    "opened_streams": "the TextStreams that a test has seen opened",
    "read_available": "TextStream.read_available, the contract's name for the text so far without waiting",
    "keep_epochs": "the option --keep-epochs, which design.md's command line has",
    "stream": "CharLSTM.stream and TextStream, the contract's name for a completion as it is written",
    "streams": "several TextStream objects, of replies side by side",
}
"""Identifiers with a common word -> why it stays."""


def words_of(identifier: str) -> list[str]:
    """The lower-case words of a snake_case or CamelCase identifier."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of every function, class, argument, variable and attribute that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def faults(path: Path) -> list[str]:
    """The identifiers of a file that use a word which has a better one."""
    found = []
    for line, name in defined_names(ast.parse(path.read_text(encoding="utf-8"))):
        words = set(words_of(name))
        bad = words & PRIVATE_WORDS
        if name in PRIVATE_CLASSES:
            bad.add(name)
        if not name.startswith("test_") and name.strip("_") not in ALLOWED:
            bad |= words & COMMON_WORDS
        if bad:
            found.append(f"{path}:{line}: {name} ({', '.join(sorted(bad))})")
    return found


def python_files(*roots: str) -> list[Path]:
    paths = [ROOT / root for root in roots]
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py")))


@pytest.mark.parametrize("folder", FOLDERS)
def test_identifiers_use_the_words_of_the_field(folder: str) -> None:
    assert [fault for path in python_files(folder) for fault in faults(path)] == []


def test_every_exception_is_one_that_some_identifier_needs() -> None:
    names = {
        name.strip("_")
        for path in python_files(*FOLDERS)
        for _, name in defined_names(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert set(ALLOWED) <= names
    assert all(reason for reason in ALLOWED.values())


if __name__ == "__main__":  # python tests/test_terminology.py hubcharlstm/engine tests/engine
    print(*(fault for path in python_files(*sys.argv[1:] or FOLDERS) for fault in faults(path)), sep="\n")
