"""The switch between the chat and the views beside it: "Look inside" and "Make your own"."""

from __future__ import annotations

import gradio as gr

from hubcharlstm.demo.page.localization import label
from hubcharlstm.demo.page.theme import STATIC

SCRIPTS = ("views.js", "inside.js")
MAKING_SCRIPTS = (
    "making/parts.js", "making/server.js", "making/chart.js", "making/findings.js", "making/giving.js",
    "making/learning.js", "making/signing_in.js", "making/publishing.js", "making/given.js", "making/view.js",
)  # fmt: skip
"""Gradio runs them as one script, in this order."""


def view_switch(*, has_making: bool) -> None:
    """Lay out the links above the page; the scripts make the views. has_making: with the view "Make your own"."""
    views = ("chat", "inside", *(("make",) if has_making else ()))
    links = "".join(
        f'<a class="view-link" data-view="{name}" href="#{name}">{label(f"views.{name}")}</a>' for name in views
    )
    scripts = [(STATIC / name).read_text(encoding="utf-8") for name in (*SCRIPTS, *(MAKING_SCRIPTS * has_making))]
    gr.HTML(
        "",
        elem_id="views",
        html_template=f'<nav class="views" aria-label="{label("views.label")}">{links}</nav>',
        js_on_load="\n".join([*scripts, "startViews();"]),
        apply_default_css=False,
        min_width=0,
    )
