"""The panel "Remember a text": a field, its buttons, and what happens to the text."""

from __future__ import annotations

import gradio as gr

from hubcharlstm.demo.chat.remembering import MAX_TEXT, SECONDS

EXPLANATION = (
    f"Paste up to {MAX_TEXT:,} characters. A copy of the model reads them for {SECONDS:.0f} seconds and then goes on "
    "in that voice, for you alone. It is in this server's memory only, and gone ten minutes after you close the page, "
    "or after an hour."
)


def remember_panel() -> None:
    """The text and its buttons, folded away below the model; `remember.js` runs them by their `elem_id`."""
    with gr.Accordion("Remember a text", open=False, elem_id="remember"):
        gr.HTML(
            EXPLANATION, elem_id="remember-note", html_template="<p>{{value}}</p>", js_on_load=None,
            apply_default_css=False,
        )  # fmt: skip
        gr.Textbox(
            label="Your text",
            placeholder="A page of a diary, a poem, a chat …",
            lines=4,
            max_lines=8,
            min_width=0,
            elem_id="field-remember",
            html_attributes=gr.InputHTMLAttributes(autocapitalize="off", autocorrect="off", spellcheck=False),
        )
        with gr.Row(elem_id="remember-row"):
            gr.Button("Remember it", elem_id="remember-text", size="sm", min_width=0)
            gr.Button("Forget it", elem_id="forget-text", size="sm", min_width=0)
