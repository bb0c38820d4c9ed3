"""A text with its surprise and cells as one HTML file that asks no other machine for anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubcharlstm.colored_text import colored, diverging, paragraph, sequential
from hubcharlstm.inspection.cells import NamedCell
from hubcharlstm.inspection.trace import Trace

MAX_CELLS = 3

STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{font:15px/1.7 ui-monospace,monospace;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:1.6rem 0 0}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""No script, no image, no request: the file is text and colours."""


def surprise_html(text: str, surprise: Sequence[float], chars: Sequence[str] = ()) -> str:
    """`text` coloured by surprise in bits; each character's under the pointer, with the guess of `chars` if given."""
    titles = [f"{bits:.1f} bits" for bits in surprise]
    if chars:
        titles = [f"{title}, likeliest {char!r}" for title, char in zip(titles, chars, strict=True)]
    return colored(text, surprise, sequential, titles=titles)


def cell_html(trace: Trace, layer: int, unit: int) -> str:
    """The text of a trace coloured by tanh(c) of one of its units."""
    values = np.tanh(trace.cell[trace.layers.index(layer), :, trace.units.index(unit)])
    return colored(trace.text, values.tolist(), diverging)


def liveliest(trace: Trace, count: int = MAX_CELLS) -> list[tuple[int, int]]:
    """(layer, unit) of the cells of a trace whose tanh(c) varies most over the text."""
    deviation = np.tanh(trace.cell).std(axis=1)  # (layers, units)
    order = np.argsort(-deviation, axis=None, kind="stable")[:count]
    return [(trace.layers[n // len(trace.units)], trace.units[n % len(trace.units)]) for n in order.tolist()]


def page(trace: Trace, chars: Sequence[str], *, title: str, cells: Sequence[NamedCell] = ()) -> str:
    """The file. chars: the vocabulary, for the likeliest guesses. cells: to colour by; the liveliest without any.

    Whatever text and title hold is shown as text.
    """
    guesses = [chars[n] for n in trace.log_probs.argmax(axis=1).tolist()]
    named = {(cell.layer, cell.unit): cell.description for cell in cells}
    parts = [
        paragraph(title),
        paragraph(f"{len(trace.text):,} characters, {trace.bpc:.3f} bits per character."),
        *(paragraph(warning) for warning in trace.warnings),
        "<h2>Surprise</h2>",
        paragraph("The stronger the colour, the less the model expected the character: full from 8 bits on."),
        surprise_html(trace.text, trace.surprise.tolist(), guesses),
    ]
    for layer, unit in list(named) or liveliest(trace):
        description = named.get((layer, unit), "one of the cells that vary most")
        parts += [f"<h2>Layer {layer}, unit {unit}</h2>", paragraph(f"{description}. Blue is above 0, orange below.")]
        parts.append(cell_html(trace, layer, unit))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Look inside</title><style>{STYLE}</style></head>\n<body><h1>Look inside</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
