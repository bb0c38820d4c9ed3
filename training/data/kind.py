"""What kind of text a corpus is: prose, a list of short records, or code."""

from __future__ import annotations

import re

from training.data.splitting import is_list

CODE_LINE = re.compile(
    r"\s*(?:(?:def|class|import|func|fn|let|const|var|public|private|static|void|package|using) |from \S+ import "
    r"|return\b|#include\b|#define\b|else\b.*[{:]$|(?:if|for|while) ?\(|//|/\*|\*/|@\w+$|\}|self\.)"
    r"|.*[;{}]\s*$|.*\)\s*[:{]$|\s+\S.*\(.*\)$"
)
MIN_CODE_SHARE = 0.4
SAMPLE_LINES = 4000


def is_code(text: str) -> bool:
    """Whether most lines of a text are those of a program."""
    lines = [line for line in text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES] if line.strip()]
    return len(lines) >= 20 and sum(bool(CODE_LINE.match(line)) for line in lines) >= MIN_CODE_SHARE * len(lines)


def kind_of(text: str) -> str:
    """ "list", "code" or "text"; `text` is a sample of some 100,000 characters."""
    return "list" if is_list(text) else "code" if is_code(text) else "text"
