"""The settings beside the conversation, as Gradio components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.localization import label
from hubcharlstm.demo.page.remember_panel import remember_panel
from hubcharlstm.demo.page.theme import STATIC
from hubcharlstm.demo.page.welcome import about_sentences
from hubcharlstm.demo.settings import MAX_LENGTH, MAX_MESSAGE, MAX_TEMPERATURE, Settings
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.generation_config import GenerationConfig
from hubcharlstm.hub.titles import proper_name

PRESETS: dict[str, float | None] = {"Careful": 0.5, "Balanced": None, "Wild": 1.3, "Greedy": 0.0}
"""Temperatures by name; Balanced is the model's own."""

STOPS = {"panel.stop_nothing": "", "panel.stop_line": "\n", "panel.stop_blank": "\n\n"}
"""Stop strings on offer, by the words for them."""

DRAW_SEED = """() => {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return [String((high & 0x1fffff) * 2 ** 32 + low), true];
}"""
"""Draws an integer that JavaScript represents exactly, and locks it."""

UNQUEUED: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
"""Options of an event that bypasses the queue: the page handles it alone, or the server at once."""


@dataclass(frozen=True)
class Controls:
    """The components whose values travel with every message."""

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
    speaker: gr.HTML
    go_on: gr.Checkbox
    surprise: gr.Checkbox
    copies: gr.Checkbox

    @property
    def names(self) -> list[str]:
        return [field.name for field in fields(self)]

    @property
    def all(self) -> list[Any]:
        return [getattr(self, name) for name in self.names]

    def by_name(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """Values by component -> values by name."""
        return {field.name: values.get(getattr(self, field.name)) for field in fields(self)}

    def updates(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Values by name -> updates that set them, for a handler to return."""
        return {getattr(self, name): gr.update(value=value) for name, value in values.items()}


@dataclass(frozen=True)
class SettingsPanel:
    """about_model: the lines under the model menu."""

    controls: Controls
    about_model: gr.HTML


def speaker_chips(config: GenerationConfig) -> gr.HTML:
    """Above the message: who replies. Its value is the name of a speaker, "" for no one."""
    return gr.HTML(
        "",
        **speaker_choices(config),
        elem_id="field-speaker",
        html_template=(STATIC / "speakers.html").read_text(encoding="utf-8"),
        js_on_load=(STATIC / "speakers.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        min_width=0,
    )


def speaker_choices(config: GenerationConfig) -> dict[str, Any]:
    """The speakers that the model knows, as (label, name); the control is hidden if it knows none."""
    has_speakers = bool(config.speakers and config.turn_template)
    return {"speakers": [(proper_name(name), name) for name in config.speakers], "visible": has_speakers}


def settings_panel(registry: ModelRegistry, speaker: gr.HTML, go_on: gr.Checkbox) -> SettingsPanel:
    """Lay out the panel inside a column, and wire the events that need no server. speaker, go_on: by the message."""
    model = registry.first.model
    defaults = Settings.of(model.generation_config)
    menu = model_menu(registry)
    about_model = gr.HTML(
        about_sentences(model),
        elem_id="about-model",
        html_template=f"<details><summary>{label('panel.about')}</summary><div></div></details>",
        js_on_load=(STATIC / "about.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )
    remember_panel()
    choices = [(label(f"panel.{name.lower()}"), name) for name in PRESETS]
    presets = gr.Radio(choices, value="Balanced", label=label("panel.bold"), elem_id="presets", min_width=0)
    temperature = gr.Slider(
        0,
        MAX_TEMPERATURE,
        defaults.temperature,
        step=0.05,
        label=label("panel.temperature"),
        info=label("panel.temperature_info"),
        elem_id="field-temperature",
        min_width=0,
    )
    length = gr.Slider(
        1, MAX_LENGTH, defaults.length, step=1, label=label("panel.length"),
        info=label("panel.length_info"),
        elem_id="field-length", min_width=0,
    )  # fmt: skip
    seed, draw_seed, locked = seed_row()
    full_speed = gr.Checkbox(label=label("panel.fast"), elem_id="full-speed", min_width=0)
    surprise = gr.Checkbox(label=label("panel.surprise"), elem_id="field-surprise", min_width=0)
    copies = gr.Checkbox(label=label("panel.copies"), elem_id="field-copies", min_width=0)
    top_k, top_p, min_p, stop = advanced_settings(defaults)
    export_row()
    panel_end()
    controls = Controls(
        menu, temperature, length, seed, locked, full_speed, top_k, top_p, min_p, stop, speaker, go_on, surprise,
        copies,
    )  # fmt: skip
    wire(controls, presets, draw_seed, defaults.temperature)
    return SettingsPanel(controls, about_model)


def panel_end() -> None:
    """How long a text may be and where it is kept, and the menu of the page's languages."""
    gr.HTML(
        sentence("panel.limits", message=MAX_MESSAGE, reply=MAX_LENGTH).as_json(),
        elem_id="limits-note",
        html_template="<p></p>",
        js_on_load="element.querySelector('p').textContent = wordsOf(props.value);",
        apply_default_css=False,
    )
    gr.HTML(
        "",
        elem_id="language",
        html_template=f"<label><span>{label('panel.language')}</span> <select></select></label>",
        js_on_load=(STATIC / "language.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )


def model_menu(registry: ModelRegistry) -> gr.Dropdown:
    """The models on offer; any folder or Hub id may be typed in where the registry is open to all."""
    return gr.Dropdown(
        registry.labels,
        value=registry.default,
        label=label("panel.model"),
        info=label("panel.model_info") if registry.open_to_all else None,
        allow_custom_value=registry.open_to_all,
        interactive=registry.open_to_all or len(registry.labels) > 1,
        elem_id="field-model",
        min_width=0,
    )


def seed_row() -> tuple[gr.Textbox, gr.Button, gr.Checkbox]:
    """The seed, the button that draws one, and whether it is locked."""
    with gr.Row(elem_id="seed-row"):
        seed = gr.Textbox(
            label=label("panel.seed"),
            placeholder=label("panel.seed_placeholder"),
            max_lines=1,
            elem_id="field-seed",
            min_width=0,
        )
        draw_seed = gr.Button(label("panel.draw"), elem_id="draw-seed", min_width=0)
        locked = gr.Checkbox(label=label("panel.keep"), elem_id="lock-seed", min_width=0)
    return seed, draw_seed, locked


def advanced_settings(defaults: Settings) -> tuple[gr.Slider, gr.Slider, gr.Slider, gr.Dropdown]:
    """top-k, top-p, min-p and the stop string, folded away."""
    with gr.Accordion(label("panel.more"), open=False, elem_id="advanced-settings"):
        top_k = gr.Slider(
            0, 100, defaults.top_k, step=1, label=label("panel.top_k"), info=label("panel.top_k_info"),
            elem_id="field-top-k", min_width=0,
        )  # fmt: skip
        top_p = gr.Slider(
            0.01, 1, defaults.top_p, step=0.01, label=label("panel.top_p"),
            info=label("panel.top_p_info"), elem_id="field-top-p", min_width=0,
        )  # fmt: skip
        min_p = gr.Slider(
            0, 0.99, defaults.min_p, step=0.01, label=label("panel.min_p"),
            info=label("panel.min_p_info"), elem_id="field-min-p", min_width=0,
        )  # fmt: skip
        stop = gr.Dropdown(
            [(label(key), stop) for key, stop in STOPS.items()], value="", label=label("panel.stop"),
            info=label("panel.stop_info"), allow_custom_value=True,
            elem_id="field-stop", min_width=0,
        )  # fmt: skip
    return top_k, top_p, min_p, stop


def export_row() -> None:
    """The buttons that save the conversation to a file and load one; `commands.js` runs them by their `elem_id`."""
    with gr.Row(elem_id="export-row"):
        for elem_id in ("save-text", "save-json", "load-json"):
            gr.Button(label(f"panel.{elem_id.replace('-', '_')}"), min_width=0, elem_id=elem_id, size="sm")


def wire(controls: Controls, presets: gr.Radio, draw_seed: gr.Button, balanced: float) -> None:
    """Keep presets and temperature in step, and let the button draw a seed. balanced: the model's own temperature."""
    temperatures = {name: balanced if value is None else value for name, value in PRESETS.items()}
    presets.input(None, presets, controls.temperature, js=f"(name) => ({temperatures!r})[name]", **UNQUEUED)
    controls.temperature.change(
        None,
        controls.temperature,
        presets,
        js=f"(value) => Object.entries({temperatures!r}).find(([, t]) => t === value)?.[0] ?? null",
        **UNQUEUED,
    )
    draw_seed.click(None, None, [controls.seed, controls.locked], js=DRAW_SEED, **UNQUEUED)
