"""The refusal of an endpoint: English for programs, and for our own page the words of its language."""

from __future__ import annotations

import json

import gradio as gr

from hubcharlstm.demo.words.catalogue import Sentence, said_by


def endpoint_error(error: Exception) -> gr.Error:
    """The error as Gradio sends it. Its title, which Gradio shows to nobody here, carries the page's words as JSON."""
    message = said_by(error)
    title = json.dumps(message.as_json()) if isinstance(message, Sentence) else "Error"
    return gr.Error(str(error), title=title, print_exception=False)
