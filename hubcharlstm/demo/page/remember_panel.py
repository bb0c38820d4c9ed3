"""The panel "Remember a text": a field, its buttons, and what happens to the text."""

from __future__ import annotations

import gradio as gr

from hubcharlstm.demo.chat.remembering import MAX_TEXT, SECONDS
from hubcharlstm.demo.page.localization import label
from hubcharlstm.demo.words.catalogue import sentence


def remember_panel() -> None:
    """The text and its buttons, folded away below the model; `remember.js` runs them by their `elem_id`."""
    with gr.Accordion(label("remember.title"), open=False, elem_id="remember"):
        gr.HTML(
            sentence("remember.explanation", max=MAX_TEXT, seconds=round(SECONDS)).as_json(),
            elem_id="remember-note",
            html_template="<p></p>",
            js_on_load="element.querySelector('p').textContent = wordsOf(props.value);",
            apply_default_css=False,
        )
        gr.Textbox(
            label=label("remember.text"),
            placeholder=label("remember.placeholder"),
            lines=4,
            max_lines=8,
            min_width=0,
            elem_id="field-remember",
            html_attributes=gr.InputHTMLAttributes(autocapitalize="off", autocorrect="off", spellcheck=False),
        )
        with gr.Row(elem_id="remember-row"):
            gr.Button(label("remember.start"), elem_id="remember-text", size="sm", min_width=0)
            gr.Button(label("remember.forget"), elem_id="forget-text", size="sm", min_width=0)
