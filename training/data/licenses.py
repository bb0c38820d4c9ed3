"""Leave out what Project Gutenberg puts before and after a book: its license, and who produced the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

START = re.compile(
    r"\s*(?:\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG"
    r"|\*END\*? ?THE SMALL PRINT|.{0,40}\*END\*$)",
    re.IGNORECASE,
)
END = re.compile(
    r"\s*(?:\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG|\*{3} ?START: FULL LICENSE"
    r"|End of (?:the |this )?Project Gutenberg|Ende dieses Projekt Gutenberg|Fin (?:de|du) Projet? Gutenberg"
    r"|Fine (?:di questo|del) (?:eBook|Progetto) Gutenberg|Fin del Proyecto Gutenberg)",
    re.IGNORECASE,
)
CREDIT = re.compile(
    r"\s*(?:Produced by |E-?text prepared by |This (?:e-?text|e-?book|file) was (?:produced|prepared|created) "
    r"|Transcribed (?:by|from) |\[?Transcriber'?s note)",
    re.IGNORECASE,
)
MENTION = re.compile("gutenberg", re.IGNORECASE)
MAX_FRONT_CHARS = 50_000
"""Characters before the start marker; what follows no marker within them is text."""
CREDIT_LINES = 40
"""Lines after the start marker among which credits are looked for."""


class LicenseFilter:
    """Lines of one file without the license; `dropped` counts the characters left out."""

    def __init__(self) -> None:
        self.dropped = 0

    def filter(self, lines: Iterator[str]) -> Iterator[str]:
        """The text of each book in `lines`; all of them if there is no marker."""
        front: list[str] | None = []  # lines before the first marker, kept in case that there is none
        front_chars, skipping, credit_lines, in_credit = 0, False, 0, False
        for line in lines:
            if START.match(line):
                self.dropped += front_chars + len(line)
                front, front_chars, skipping, credit_lines, in_credit = None, 0, False, CREDIT_LINES, False
            elif END.match(line):
                yield from front or ()
                front, front_chars, skipping = None, 0, True
                self.dropped += len(line)
            elif skipping:
                self.dropped += len(line)
            elif front is not None:
                front.append(line)
                front_chars += len(line)
                if front_chars > MAX_FRONT_CHARS:
                    yield from front
                    front, front_chars = None, 0
            elif credit_lines:
                credit_lines -= 1
                in_credit = bool(CREDIT.match(line)) or (in_credit and bool(line.strip()))
                if in_credit:
                    self.dropped += len(line)
                else:
                    yield line
            else:
                yield line
        yield from front or ()
