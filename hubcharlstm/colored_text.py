"""Text as HTML with a background for each character. Whatever the text holds is shown as text."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

LEVELS = 8
"""Steps of a colour; neighbours of one level share an element."""
MAX_ALPHA = 0.65
"""Half transparent, so that text of either theme stays readable."""
BLUE, ORANGE, VERMILION = "0,114,178", "230,159,0", "213,94,0"
"""Of the colours that the colour-blind tell apart (Okabe & Ito 2008)."""
MAX_BITS = 8.0
"""A surprise from here on has the strongest colour."""
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that would change the page's layout or direction, or show nothing."""


def escape(text: str) -> str:
    """`text` for HTML and for Markdown's HTML blocks: letters and digits as they are, the rest as references."""
    return "".join(_escape_char(char) for char in text)


def _escape_char(char: str) -> str:
    if char.isalnum() or char == " ":
        return char
    if char not in "\n\t" and unicodedata.category(char) in HIDDEN:
        return f"U+{ord(char):04X}"
    return f"&#{ord(char)};"


def diverging(value: float) -> tuple[str, float]:
    """The colour and strength of a number from -1 to 1: orange below 0, blue above."""
    return (BLUE if value > 0 else ORANGE), min(abs(value), 1.0)


def sequential(bits: float) -> tuple[str, float]:
    """The colour and strength of a surprise in bits."""
    return VERMILION, min(max(bits, 0.0) / MAX_BITS, 1.0)


def colored(
    text: str,
    values: Sequence[float] | Iterable[float],
    color: Callable[[float], tuple[str, float]],
    *,
    titles: Sequence[str] | None = None,
) -> str:
    """A `<pre>` of `text`, each character on the colour of its value. titles: what each shows under the pointer."""

    def style(value: float) -> str:
        rgb, strength = color(float(value))
        level = round(LEVELS * strength)
        return f"background-color:rgba({rgb},{MAX_ALPHA * level / LEVELS:.2f})" if level else ""

    styles = [style(value) for value in values]
    cells = zip(text, styles, titles or [""] * len(text), strict=True)
    parts = []
    for (shown, title), group in groupby(cells, key=lambda cell: cell[1:]):
        attributes = (f' style="{shown}"' if shown else "") + (f' title="{escape(title)}"' if title else "")
        content = escape("".join(char for char, _, _ in group))
        parts.append(f"<span{attributes}>{content}</span>" if attributes else content)
    return f'<pre style="white-space:pre-wrap"><span>{"".join(parts)}</span></pre>'


def paragraph(text: str) -> str:
    """A `<p>` of `text`."""
    return f"<p>{html.escape(text)}</p>"
