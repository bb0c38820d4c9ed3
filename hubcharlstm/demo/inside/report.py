"""The words of the view's HTML file, in the language of the page that asks for it."""

from __future__ import annotations

from hubcharlstm.demo.words.catalogue import INSIDE, RTL_LANGUAGES, catalogue
from hubcharlstm.inspection.report_page import ReportWords

PROBE = "inside.probe."


def report_words(language: str) -> ReportWords:
    """The catalogue's words for the file; a language of `LANGUAGES`."""
    page, view = catalogue(language), catalogue(language, INSIDE)
    return ReportWords(
        language=language,
        direction="rtl" if language in RTL_LANGUAGES else "ltr",
        title=str(page["views.inside"]),
        facts=str(view["inside.report_facts"]),
        surprise=str(view["inside.report_surprise"]),
        surprise_note=str(view["inside.report_surprise_note"]),
        under_pointer=str(view["inside.report_under_pointer"]),
        cell=str(view["inside.card_layer_unit"]),
        cell_note=str(view["inside.report_cell_note"]),
        lively=str(view["inside.report_lively"]),
        probes={key.removeprefix(PROBE): str(text) for key, text in view.items() if key.startswith(PROBE)},
    )
