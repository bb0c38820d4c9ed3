"""The layout of the page and the wiring of its events."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.controls import settings_panel, speaker_row
from hubcharlstm.demo.page.handlers import ChatHandlers
from hubcharlstm.demo.page.theme import ASSETS
from hubcharlstm.demo.page.welcome import intro
from hubcharlstm.demo.serving.admission import AdmissionController

SCRIPTS = ("store.js", "intro.js", "turn.js", "problem.js", "chat.js")
"""One script in the end, in this order."""


USED_SEED = """(value, seed) => {
  const reply = value?.kind === "turn" ? value.turn.replies[0] : null;
  return reply && !value.turn.replies.some((one) => one.continued) ? reply.seed : seed;
}"""
"""The seed that was used goes into its field, for who wants to keep it; going on uses none."""


def do(verb: str, *, with_text: bool = False) -> str:
    """JavaScript that hands a button's verb to the conversation's own script."""
    taken, detail = ("text", f"{{ verb: {verb!r}, text }}") if with_text else ("", f"{{ verb: {verb!r} }}")
    event = f"new CustomEvent('do', {{ detail: {detail} }})"
    return f"({taken}) => {{ document.getElementById('conversation').dispatchEvent({event}); }}"


def chat_page(registry: ModelRegistry, admission: AdmissionController, pacer: UpdatePacer) -> ChatHandlers:
    """Lay out the page and wire its events, inside a `gr.Blocks`."""
    first = registry.first
    quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    with gr.Row(elem_id="page"):
        with gr.Column(elem_id="stage", min_width=0):
            chat = gr.HTML(
                {"kind": "intro", "intro": intro(first.model, first.label)},
                elem_id="conversation",
                html_template=(ASSETS / "chat.html").read_text(encoding="utf-8"),
                js_on_load="\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS),
                apply_default_css=False,
            )
            speaker = speaker_row(first.model.generation_config)
            with gr.Row(elem_id="composer"):
                message = gr.Textbox(
                    label="The beginning of a line",
                    placeholder="Start a line …",
                    lines=1,
                    max_lines=6,
                    min_width=0,
                    autofocus=True,
                    show_label=False,
                    elem_id="field-message",
                    html_attributes=gr.InputHTMLAttributes(autocapitalize="off", autocorrect="off", spellcheck=False),
                )
                send = gr.Button("Send", variant="primary", min_width=0, elem_id="send")
                stop = gr.Button("Stop", variant="stop", min_width=0, elem_id="stop")
            with gr.Row(elem_id="tools"):
                buttons = {
                    verb: gr.Button(label, min_width=0, elem_id=verb, size="sm")
                    for verb, label in (
                        ("surprise", "Surprise me"),
                        ("undo", "Undo"),
                        ("clear", "Clear"),
                        ("more", "Settings"),
                    )
                }
        with gr.Column(elem_id="panel", min_width=0):
            controls, lines, copies = settings_panel(registry, speaker)
    serving = gr.State(registry.default)

    handlers = ChatHandlers(registry, controls, admission, pacer)
    for verb, button in (buttons | copies).items():
        button.click(None, js=do(verb), **quiet)
    stop.click(None, js=do("stop"), **quiet)
    gr.on([send.click, message.submit], None, message, js=do("send", with_text=True), **quiet)
    writing = chat.ask(
        handlers.respond,
        inputs=set(controls.all),
        outputs=chat,  # alone: Gradio makes a part anew at each update that leaves it out
        preprocess=False,  # a slider's own check has another sentence, and lets NaN through
        show_progress="hidden",
        trigger_mode="multiple",
        concurrency_limit=None,
        api_visibility="private",
    )
    writing.then(None, [chat, controls.seed], controls.seed, js=USED_SEED, **quiet)
    writing.then(None, js=do("settle"), **quiet)  # after any end: the text's own, an error's, a lost connection's
    chat.halt(handlers.halt, **quiet)
    chat.forget(handlers.forget, **quiet)
    handlers.outputs = [chat, controls.model, serving, lines, speaker, controls.temperature, controls.length]
    controls.model.input(
        handlers.choose,
        [controls.model, serving],
        handlers.outputs,
        preprocess=False,
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )

    async def open_link(event: gr.EventData) -> dict[Any, Any]:
        updates = await handlers.open_link(event)
        return {(chat if key == "value" else key): value for key, value in updates.items()}

    chat.open_link(open_link, outputs=[chat, *controls.all], concurrency_limit=None, **{**quiet, "queue": True})
    return handlers
