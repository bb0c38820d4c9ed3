"""Gradio theme: system fonts and a palette like paper, light and dark. Nothing is fetched from other hosts."""

from __future__ import annotations

from pathlib import Path

from gradio.themes import Base, Color, Font

STATIC = Path(__file__).parent / "static"
CSS = [
    STATIC / f"{name}.css"
    for name in (
        "page", "composer", "panel", "remember", "conversation", "intro", "characters", "views", "making/making",
    )
]  # fmt: skip

_INK = Color(
    name="ink",
    c50="#faf8f4",
    c100="#f2eee7",
    c200="#e3ddd2",
    c300="#cbc3b6",
    c400="#a09788",
    c500="#756d61",
    c600="#5a5349",
    c700="#3f3a33",
    c800="#2a2722",
    c900="#1e1c19",
    c950="#161513",
)
_OXBLOOD = Color(
    name="oxblood",
    c50="#fbf1ee",
    c100="#f5ddd7",
    c200="#ebbdb2",
    c300="#dd9686",
    c400="#c9705d",
    c500="#a8483a",
    c600="#8c352b",
    c700="#732a23",
    c800="#5d241f",
    c900="#4c201d",
    c950="#2a100e",
)


LOGIN_CSS = ".wrap:has(> .column.panel) { background: transparent }"
"""Gradio's login page loads the theme alone; beside its form it shows the white of floating menus."""


def theme() -> Base:
    """The theme of the app; the style sheets in `CSS` add the layout."""
    made = Base(
        primary_hue=_OXBLOOD,
        secondary_hue=_OXBLOOD,
        neutral_hue=_INK,
        font=[Font("system-ui"), Font("-apple-system"), Font("Segoe UI"), Font("Roboto"), Font("sans-serif")],
        font_mono=[Font("ui-monospace"), Font("Menlo"), Font("Consolas"), Font("monospace")],
    )
    made.custom_css = LOGIN_CSS
    return made.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        block_title_text_weight="500",
        block_shadow="none",
        background_fill_primary_dark="*neutral_950",
        background_fill_secondary_dark="*neutral_900",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
    )
