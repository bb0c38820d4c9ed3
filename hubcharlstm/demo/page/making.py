"""The switch between the chat and the view "Make your own", and that view."""

from __future__ import annotations

import gradio as gr

from hubcharlstm.demo.page.theme import STATIC

SCRIPTS = (
    "views.js", "making/parts.js", "making/server.js", "making/chart.js", "making/findings.js", "making/giving.js",
    "making/learning.js", "making/publishing.js", "making/view.js",
)  # fmt: skip
"""Gradio runs them as one script, in this order."""


def view_switch() -> None:
    """Lay out the links above the page; the view itself is made by `static/making/view.js`."""
    gr.HTML(
        "",
        elem_id="views",
        html_template=(STATIC / "views.html").read_text(encoding="utf-8"),
        js_on_load="\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS),
        apply_default_css=False,
        min_width=0,
    )
