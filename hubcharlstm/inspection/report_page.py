"""A text with its surprise and cells as one HTML file that asks no other machine for anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hubcharlstm.colored_text import colored, diverging, escape, paragraph, sequential
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


@dataclass(frozen=True)
class ReportWords:
    """The words of the file, in English unless given. Placeholders stand in braces, as for `str.format`."""

    language: str = "en"
    direction: str = "ltr"
    title: str = "Look inside"
    facts: str = "{count} characters, {bits} bits per character."
    surprise: str = "Surprise"
    surprise_note: str = "The stronger the colour, the less the model expected the character: full from 8 bits on."
    under_pointer: str = "{bits} bits, likeliest {char}"
    cell: str = "Layer {layer}, unit {unit}"
    cell_note: str = "{name}. Blue is above 0, orange below."
    lively: str = "one of the cells that vary most"
    probes: Mapping[str, str] = field(default_factory=dict)

    def name_of(self, cell: NamedCell) -> str:
        """What a cell follows."""
        return self.probes.get(cell.probe, cell.description)


ENGLISH = ReportWords()


def surprise_html(text: str, surprise: Sequence[float], chars: Sequence[str], words: ReportWords = ENGLISH) -> str:
    """`text` coloured by surprise in bits; under the pointer each character's, with the guess of `chars`."""
    titles = [
        words.under_pointer.format(bits=f"{bits:.1f}", char=repr(char))
        for bits, char in zip(surprise, chars, strict=True)
    ]
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


def page(
    trace: Trace,
    chars: Sequence[str],
    *,
    title: str,
    cells: Sequence[NamedCell] = (),
    words: ReportWords = ENGLISH,
) -> str:
    """The file. chars: the vocabulary, for the likeliest guesses. cells: to colour by; the liveliest without any.

    Whatever text and title hold is shown as text.
    """
    guesses = [chars[n] for n in trace.log_probs.argmax(axis=1).tolist()]
    named = {(cell.layer, cell.unit): words.name_of(cell) for cell in cells}
    parts = [
        paragraph(title),
        paragraph(words.facts.format(count=f"{len(trace.text):,}", bits=f"{trace.bpc:.3f}")),
        *(paragraph(warning) for warning in trace.warnings),
        f"<h2>{escape(words.surprise)}</h2>",
        paragraph(words.surprise_note),
        surprise_html(trace.text, trace.surprise.tolist(), guesses, words),
    ]
    for layer, unit in list(named) or liveliest(trace):
        heading = words.cell.format(layer=layer, unit=unit)
        name = named.get((layer, unit), words.lively)
        parts += [f"<h2>{escape(heading)}</h2>", paragraph(words.cell_note.format(name=name))]
        parts.append(cell_html(trace, layer, unit))
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(words.language)}" dir="{escape(words.direction)}"><head>'
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(words.title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(words.title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
