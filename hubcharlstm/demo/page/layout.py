"""The layout of the page and the wiring of its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.controls import UNQUEUED, settings_panel, speaker_chips
from hubcharlstm.demo.page.handlers import ChatHandlers
from hubcharlstm.demo.page.localization import label
from hubcharlstm.demo.page.remembering import RememberHandlers
from hubcharlstm.demo.page.theme import STATIC
from hubcharlstm.demo.page.views import view_switch
from hubcharlstm.demo.page.welcome import intro
from hubcharlstm.demo.serving.admission import AdmissionController

SCRIPTS = (
    "store.js", "intro.js", "menu.js", "turn.js", "error.js", "files.js", "settings.js", "compare.js",
    "connection.js", "conversation.js", "endpoints.js", "characters.js", "alternatives.js", "surprise.js",
    "copies.js", "held.js", "remember.js", "commands.js", "updates.js",
)  # fmt: skip
"""Gradio runs them as one script, in this order."""

SHOW_SEED = """(value, seed, locked) => {
  const reply = value?.kind === "turn" && !locked ? value.turn.replies[0] : null;
  return reply && !value.turn.replies.some((one) => one.continued) ? reply.seed : seed;
}"""
"""Shows the seed of a reply in its field, so that it can be locked. A locked one stays; a continuation uses none."""


@dataclass(frozen=True)
class Composer:
    """The message, the button that sends it, and the switch below; `commands.js` runs the others by their `elem_id`."""

    message: gr.Textbox
    send: gr.Button
    go_on: gr.Checkbox


def run_command(name: str, *, with_text: bool = False) -> str:
    """JavaScript that runs a command of `commands.js`."""
    parameters, detail = ("text", f"{{ name: {name!r}, text }}") if with_text else ("", f"{{ name: {name!r} }}")
    event = f"new CustomEvent('command', {{ detail: {detail} }})"
    return f"({parameters}) => {{ document.getElementById('conversation').dispatchEvent({event}); }}"


def chat_page(
    registry: ModelRegistry, admission: AdmissionController, pacer: UpdatePacer, *, has_making: bool = False
) -> ChatHandlers:
    """Lay out the page and wire its events, inside a `gr.Blocks`. has_making: with the view "Make your own"."""
    first = registry.first
    view_switch(has_making=has_making)
    with gr.Row(elem_id="page"):
        with gr.Column(elem_id="main-column", min_width=0):
            chat = gr.HTML(
                {"kind": "intro", "intro": intro(first.model, first.label), "models": registry.labels},
                elem_id="conversation",
                html_template=(STATIC / "chat.html").read_text(encoding="utf-8"),
                js_on_load="\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS),
                apply_default_css=False,
            )
            speaker = speaker_chips(first.model.generation_config)
            composer = compose_row()
        with gr.Column(elem_id="panel", min_width=0):
            panel = settings_panel(registry, speaker, composer.go_on)
    serving = gr.State(registry.default)
    handlers = ChatHandlers(
        registry, admission, pacer, panel.controls, chat=chat, serving=serving, about_model=panel.about_model
    )
    gr.on(
        [composer.send.click, composer.message.submit],
        None,
        composer.message,
        js=run_command("send", with_text=True),
        **UNQUEUED,
    )
    wire_conversation(handlers, chat)
    wire_models(handlers, chat, serving)
    wire_settings(handlers, chat, serving)
    RememberHandlers(handlers).wire()
    return handlers


def compose_row() -> Composer:
    """The message with its buttons, and the tools below it."""
    with gr.Row(elem_id="composer"):
        message = gr.Textbox(
            label=label("composer.label"),
            placeholder=label("composer.placeholder"),
            lines=1,
            max_lines=6,
            min_width=0,
            autofocus=True,
            show_label=False,
            elem_id="field-message",
            html_attributes=gr.InputHTMLAttributes(autocapitalize="off", autocorrect="off", spellcheck=False),
        )
        gr.Button(label("composer.compare"), min_width=0, elem_id="compare")
        send = gr.Button(label("composer.send"), variant="primary", min_width=0, elem_id="send")
        gr.Button(label("composer.stop"), variant="stop", min_width=0, elem_id="stop")
        gr.Button(label("composer.tools"), min_width=0, elem_id="fold")
    tools = {"surprise": "surprise", "undo": "undo", "clear": "clear", "toggle-settings": "settings"}
    with gr.Row(elem_id="tools"):
        go_on = gr.Checkbox(label=label("tools.go_on"), elem_id="field-go-on", min_width=0)
        for elem_id, name in tools.items():
            gr.Button(label(f"tools.{name}"), min_width=0, elem_id=elem_id, size="sm")
    return Composer(message, send, go_on)


def wire_conversation(handlers: ChatHandlers, chat: gr.HTML) -> None:
    """Wire the custom events of the conversation component: generate, cancel and evict."""
    seed = handlers.controls.seed
    generating = chat.generate(
        handlers.respond,
        inputs=set(handlers.controls.all),
        outputs=chat,  # no other: Gradio re-creates each output that an update leaves out
        preprocess=False,  # a slider's own check raises another sentence, and accepts NaN
        show_progress="hidden",
        trigger_mode="multiple",
        concurrency_limit=None,
        api_visibility="private",
    )
    generating.then(None, [chat, seed, handlers.controls.locked], seed, js=SHOW_SEED, **UNQUEUED)
    # However it ends: with the text, with an error, with a lost connection.
    generating.then(None, js=run_command("finish"), **UNQUEUED)
    chat.cancel(handlers.cancel, **UNQUEUED)
    chat.evict(handlers.evict, **UNQUEUED)


def wire_models(handlers: ChatHandlers, chat: gr.HTML, serving: gr.State) -> None:
    """Wire the choice of a model in its menu, and by a permalink."""
    controls = handlers.controls
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    controls.model.input(
        handlers.select_model,
        [controls.model, serving],
        handlers.outputs,
        preprocess=False,
        trigger_mode="multiple",  # else a choice is dropped while another one loads
        **options,
    )
    chat.open_link(handlers.open_link, outputs=[chat, *controls.all], **options)
    chat.identify(handlers.identify, outputs=[chat, controls.model], **UNQUEUED)


def wire_settings(handlers: ChatHandlers, chat: gr.HTML, serving: gr.State) -> None:
    """Wire what the page keeps of the controls in the browser, and what it restores when it opens."""
    controls = handlers.controls
    options: dict[str, Any] = {"inputs": controls.all, **UNQUEUED}
    restore: dict[str, Any] = {"outputs": controls.all, "js": with_settings("restore-settings", controls.names)}
    chat.restore(None, **restore, **options)
    model_options: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    restored = chat.restore_model(handlers.restore_model, serving, handlers.outputs, **model_options)
    restored.then(None, **restore, **options)
    changes = [control.change for control in controls.all]
    gr.on(changes, None, js=with_settings("keep-settings", controls.names), **options)


def with_settings(command: str, names: list[str]) -> str:
    """JavaScript that runs a command of `commands.js` on the values of the controls, by name.

    It returns the values that the command changes. Gradio leaves the other controls alone, with what a quick user has
    entered by then.
    """
    return f"""(...values) => {{
      const names = {names!r};
      const detail = {{
        name: {command!r},
        values: Object.fromEntries(names.map((name, index) => [name, values[index]])),
      }};
      document.getElementById("conversation").dispatchEvent(new CustomEvent("command", {{ detail }}));
      return names.map((name, index) => (detail.values[name] === values[index] ? undefined : detail.values[name]));
    }}"""
