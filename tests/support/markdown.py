"""Pages of documentation in parts: fenced blocks, prose, anchors, links, commands and tables."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from hubcharlstm import cli_options as hubcharlstm_cli
from training import options as training_options

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PAGE_NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
PACKAGES = ("hubcharlstm", "training")

OPTIONS_OF_OTHERS = {"--help", "--kills", "--megabytes", "--minutes", "--layers", "--max-restarts"}
"""Of argparse, of benchmarks and of torchrun."""


def page_text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. reason: why it is not run, from the comment above it; "" if it is."""

    line: int
    language: str
    text: str
    reason: str


FENCE = re.compile(r"^(?P<fence>```+|~~~+)(?P<language>\S*)$")
NOT_RUN = re.compile(r"^<!-- not run: (?P<reason>.+) -->$")


def blocks_of(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    found, lines = [], page.splitlines()
    opened: re.Match[str] | None = None
    start = 0
    for number, line in enumerate(lines, start=1):
        if opened is None:
            if opened := FENCE.match(line):
                start = number
        elif line == opened["fence"]:
            comment = NOT_RUN.match(lines[start - 2]) if start > 1 else None
            text = "\n".join(lines[start : number - 1])
            found.append(Block(start, opened["language"], text + "\n", comment["reason"] if comment else ""))
            opened = None
    assert opened is None, f"the block of line {start} is not closed"
    return found


def prose_of(page: str) -> str:
    """A page without its fenced blocks, and without front matter."""
    text = re.sub(r"\A---\n.*?\n---\n", "", page, flags=re.DOTALL)
    return re.sub(r"^(```+|~~~+)\S*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub and the Hub give to the headings of a page."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose_of(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        while (name := anchor if number == 1 else f"{anchor}-{number - 1}") in anchors:
            number += 1
        anchors.add(name)
    return anchors


def links_of(page: str) -> list[str]:
    prose = re.sub(r"`[^`\n]*`", "", prose_of(page))
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def commands_of(page: str) -> Iterator[str]:
    """Every line of a shell block, without comments, continued lines joined."""
    for block in blocks_of(page):
        if block.language not in ("", "sh", "bash"):
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield shlex.join(words)


def inline_commands_of(page: str) -> Iterator[str]:
    """Commands within sentences, such as `make test`."""
    for span in re.findall(r"`([^`\n]+)`", prose_of(page)):
        if span.startswith(("make ", "hubcharlstm ", "python -m training ", ".venv/bin/")):
            yield span


def table_after(page: str, heading: str, header: str) -> list[list[str]]:
    """The rows of the first table below `heading` whose header row begins with `header`; each a list of its cells."""
    part = page[page.index(f"\n{heading}\n") :]
    lines = part[part.index(f"\n| {header}") :].lstrip().splitlines()
    rows = takewhile(lambda line: line.startswith("|"), lines[2:])
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def names_in(cells: list[list[str]]) -> list[str]:
    """What stands in backticks in the first column."""
    return [name for row in cells for name in re.findall(r"`([^`]+)`", row[0])]


def known_options() -> set[str]:
    def walk(parser: argparse.ArgumentParser) -> Iterator[str]:
        for action in parser._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for child in action.choices.values():
                    yield from walk(child)

    return {*walk(hubcharlstm_cli.parser()), *walk(training_options.parser()), *OPTIONS_OF_OTHERS}
