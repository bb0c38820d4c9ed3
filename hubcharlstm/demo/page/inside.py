"""The switch between the chat and the view "Look inside", which a page loads when it is first opened."""

from __future__ import annotations

import gradio as gr

from hubcharlstm.demo.page.theme import STATIC


def view_switch() -> None:
    """Lay out the links above the page; the view itself is made by `static/inside/view.js`."""
    gr.HTML(
        "",
        elem_id="views",
        html_template=(STATIC / "views.html").read_text(encoding="utf-8"),
        js_on_load=(STATIC / "views.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        min_width=0,
    )
