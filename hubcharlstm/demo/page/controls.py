"""The settings beside the conversation: Gradio's own parts, and what each of them stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.welcome import about
from hubcharlstm.demo.settings import MAX_LENGTH, MAX_MESSAGE, MAX_TEMPERATURE, Settings
from hubcharlstm.generation_config import GenerationConfig

PRESETS: dict[str, float | None] = {"Careful": 0.5, "Balanced": None, "Wild": 1.3, "Greedy": 0.0}
"""Temperatures by name; Balanced is the model's own."""

NOBODY = "no one: just go on"
STOPS = [("nothing", ""), ("a line break", "\n"), ("a blank line", "\n\n")]

BOUNDS = (
    f"Up to {MAX_MESSAGE:,} characters a message and {MAX_LENGTH:,} a reply. What you write is kept in this browser; "
    "the server keeps none of it."
)

DRAW_SEED = """() => {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return [String((high & 0x1fffff) * 2 ** 32 + low), true];
}"""
"""A whole number that JavaScript holds exactly; drawing one is asking to use it."""


@dataclass(frozen=True)
class Controls:
    """The parts that say how to write; their values travel with every message."""

    model: gr.Dropdown
    temperature: gr.Slider
    length: gr.Slider
    seed: gr.Textbox
    locked: gr.Checkbox
    full_speed: gr.Checkbox
    top_k: gr.Slider
    top_p: gr.Slider
    min_p: gr.Slider
    stop: gr.Dropdown
    speaker: gr.Dropdown
    go_on: gr.Checkbox

    @property
    def all(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """Their values by name."""
        return {field.name: values.get(getattr(self, field.name)) for field in fields(self)}

    def write(self, **values: Any) -> dict[Any, Any]:
        """Updates that set some of them, for a handler to return."""
        return {getattr(self, name): gr.update(value=value) for name, value in values.items()}


def speaker_row(config: GenerationConfig) -> gr.Dropdown:
    """Above the message: who replies."""
    with gr.Row(elem_id="who"):
        return gr.Dropdown(
            **speaker_choices(config),
            value="",
            label="Talk with",
            allow_custom_value=True,
            elem_id="field-speaker",
            min_width=0,
        )


def speaker_choices(config: GenerationConfig) -> dict[str, Any]:
    """The speakers that the model knows; without any the control is not there."""
    there = bool(config.speakers and config.turn_template)
    return {"choices": [(NOBODY, ""), *((name, name) for name in config.speakers)], "visible": there}


def settings_panel(registry: ModelRegistry, speaker: gr.Dropdown) -> tuple[Controls, gr.HTML, dict[str, gr.Button]]:
    """The panel, the lines about the model under its menu, and the buttons that save a copy."""
    model = registry.first.model
    own = Settings.of(model.generation_config)
    menu = gr.Dropdown(
        registry.labels,
        value=registry.default,
        label="Model",
        info="also a folder or a Hub id, typed in" if registry.open_to_all else None,
        allow_custom_value=registry.open_to_all,
        interactive=registry.open_to_all or len(registry.labels) > 1,
        elem_id="field-model",
        min_width=0,
    )
    lines = gr.HTML(
        about(model),
        elem_id="about",
        html_template="{{#each value}}<p>{{this}}</p>{{/each}}",
        js_on_load=None,
        apply_default_css=False,
    )
    presets = gr.Radio(list(PRESETS), value="Balanced", label="How bold", elem_id="presets", min_width=0)
    temperature = gr.Slider(
        0,
        MAX_TEMPERATURE,
        own.temperature,
        step=0.05,
        label="Temperature",
        info="0 always takes the likeliest letter; higher dares more, and spells worse.",
        elem_id="field-temperature",
        min_width=0,
    )
    length = gr.Slider(
        1, MAX_LENGTH, own.length, step=1, label="Length", info="in characters", elem_id="field-length", min_width=0
    )
    with gr.Row(elem_id="seed-row"):
        seed = gr.Textbox(
            label="Seed", placeholder="a new one each time", max_lines=1, elem_id="field-seed", min_width=0
        )
        draw = gr.Button("Draw", elem_id="draw-seed", min_width=0)
        locked = gr.Checkbox(label="Keep", elem_id="lock-seed", min_width=0)
    go_on = gr.Checkbox(label="Go on from the text so far", elem_id="field-go-on", min_width=0)
    full_speed = gr.Checkbox(label="As fast as it goes", elem_id="full-speed", min_width=0)
    with gr.Accordion("More", open=False, elem_id="finer"):
        top_k = gr.Slider(
            0, 100, own.top_k, step=1, label="Top-k", info="only the k likeliest letters; 0 keeps all",
            elem_id="field-top-k", min_width=0,
        )  # fmt: skip
        top_p = gr.Slider(
            0.01, 1, own.top_p, step=0.01, label="Top-p", info="only the likeliest, up to this share; 1 keeps all",
            elem_id="field-top-p", min_width=0,
        )  # fmt: skip
        min_p = gr.Slider(
            0, 0.99, own.min_p, step=0.01, label="Min-p", info="only those this likely beside the first; 0 keeps all",
            elem_id="field-min-p", min_width=0,
        )  # fmt: skip
        stop = gr.Dropdown(
            STOPS, value="", label="Stop at", info="or a text of your own", allow_custom_value=True,
            elem_id="field-stop", min_width=0,
        )  # fmt: skip
    with gr.Row(elem_id="copies"):
        copies = {
            kind: gr.Button(f"Save as {name}", min_width=0, elem_id=f"save-{kind}", size="sm")
            for kind, name in (("text", "text"), ("json", "JSON"))
        }
    gr.HTML(
        BOUNDS,
        elem_id="bounds",
        html_template="<p>{{value}}</p>",
        js_on_load=None,
        apply_default_css=False,
    )
    controls = Controls(
        menu, temperature, length, seed, locked, full_speed, top_k, top_p, min_p, stop, speaker, go_on
    )  # fmt: skip
    wire(controls, presets, draw, own.temperature)
    return controls, lines, {f"save-{kind}": button for kind, button in copies.items()}


def wire(controls: Controls, presets: gr.Radio, draw: gr.Button, balanced: float) -> None:
    """What the parts do among themselves; all of it on the page, without the server."""
    quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    temperatures = {name: balanced if value is None else value for name, value in PRESETS.items()}
    presets.input(None, presets, controls.temperature, js=f"(name) => ({temperatures!r})[name]", **quiet)
    controls.temperature.change(
        None,
        controls.temperature,
        presets,
        js=f"(value) => Object.entries({temperatures!r}).find(([, t]) => t === value)?.[0] ?? null",
        **quiet,
    )
    draw.click(None, None, [controls.seed, controls.locked], js=DRAW_SEED, **quiet)
