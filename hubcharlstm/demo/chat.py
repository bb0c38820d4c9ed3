"""The chat tab: a visitor begins a line, the model goes on with it.

The conversation is a JSON value on the visitor's own page, a list of turns; the server keeps nothing of it.
A reply's `text` only ever grows at its end, so Gradio sends each update as an append.
"""

from __future__ import annotations

import html
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypedDict

import gradio as gr

from hubcharlstm.demo.pacing import paced
from hubcharlstm.demo.theme import ASSETS
from hubcharlstm.generation import TextStream
from hubcharlstm.model import CharLSTM
from hubcharlstm.sampling import MAX_SEED
from hubcharlstm.sequence import FinishReason

MAX_MESSAGE = 10_000
MAX_LENGTH = 2_000
MAX_TEMPERATURE = 2.0

ENDINGS: dict[FinishReason, str] = {
    "length": "length reached",
    "stop": "ended by a stop string",
    "cancelled": "stopped",
}

TOGGLE_SETTINGS = """() => {
  const open = document.getElementById("settings").classList.toggle("open");
  document.getElementById("more").setAttribute("aria-expanded", String(open));
}"""
"""On a narrow page the settings wait behind a button."""


class Turn(TypedDict):
    """One message and its reply. typed: the visitor's words; prompt: as the model read them; text: what follows."""

    typed: str
    prompt: str
    text: str
    seed: int
    temperature: float
    device: str
    notes: list[str]
    writing: bool
    foot: str


# --- what the page says -------------------------------------------------------------------------------------------


def intro(model: CharLSTM) -> dict[str, Any]:
    """Title, lines and starters above the conversation, all from the model itself."""
    corpus = model.record.get("corpus")
    title = corpus.get("title") if isinstance(corpus, dict) else None
    read = f"has read only {title} and" if isinstance(title, str) and title else "has read one text and"
    size = in_words(model.config.num_parameters)
    return {
        "title": short_name(model),
        "lines": [
            f"Not an assistant. A network of {size} numbers that {read} guesses one letter at a time.",
            "Start a line; it goes on.",
        ],
        "examples": list(model.generation_config.examples),
    }


def short_name(model: CharLSTM) -> str:
    """What the page calls the model: the name in its record, else the last part of its id or folder."""
    named = model.record.get("name")
    if isinstance(named, str) and named:
        return named
    return model.name.replace("\\", "/").rstrip("/").split("/")[-1]


def in_words(count: int) -> str:
    """A count as a person says it: 3.3 million, 59 thousand, 812."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} million"
    return f"{count / 1e3:.0f} thousand" if count >= 10_000 else f"{count:,}"


def footer(turn: Turn, ending: str) -> str:
    """The quiet line under a reply."""
    count = len(turn["text"])
    written = "writing" if turn["writing"] else f"{count:,} character{'' if count == 1 else 's'}"
    parts = [written, f"seed {turn['seed']}", f"temperature {turn['temperature']:g}", ending, f"on {turn['device']}"]
    return " · ".join(part for part in parts if part)


# --- one reply ----------------------------------------------------------------------------------------------------


def open_stream(
    model: CharLSTM, prompt: str, *, temperature: float | None, max_new_tokens: int | None, seed: int | None
) -> TextStream:
    """A stream within the limits of the app; raises `ValueError` outside them. None is the model's default."""
    if isinstance(prompt, str) and len(prompt) > MAX_MESSAGE:
        raise ValueError(
            f"The message has {len(prompt):,} characters; expected {MAX_MESSAGE:,} at most: shorten it, or use Python."
        )
    if isinstance(max_new_tokens, int | float) and not 1 <= max_new_tokens <= MAX_LENGTH:
        raise ValueError(f"The length is {max_new_tokens:,}; expected 1 to {MAX_LENGTH:,} characters: choose another.")
    if isinstance(temperature, int | float) and not 0 <= temperature <= MAX_TEMPERATURE:
        raise ValueError(f"The temperature is {temperature:g}; expected 0 to {MAX_TEMPERATURE:g}: choose another.")
    return model.stream(prompt, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)


def read_seed(text: str | None) -> int | None:
    """The seed that a visitor typed, None for none; raises `ValueError` for anything but a whole number."""
    text = (text or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_SEED))):
        raise ValueError(
            f"The seed is {text!r}; expected a whole number from 0 to {MAX_SEED}: correct it, or leave it empty."
        )
    return int(text)


def begin(typed: str, stream: TextStream, temperature: float, device: str) -> Turn:
    """The turn before its first character."""
    assert stream.seed is not None  # only a stream that goes on from a state has none
    turn = Turn(
        typed=typed,
        prompt=stream.prompt.text,
        text="",
        seed=stream.seed,
        temperature=temperature,
        device=device,
        notes=list(stream.notes),
        writing=True,
        foot="",
    )
    turn["foot"] = footer(turn, "")
    return turn


def end(turn: Turn, ending: str) -> Turn:
    """The turn when nothing more comes."""
    done: Turn = {**turn, "writing": False}
    return {**done, "foot": footer(done, ending)}


async def converse(
    model: CharLSTM,
    conversation: list[Turn],
    typed: str,
    *,
    temperature: float | None,
    max_new_tokens: int | None,
    seed: int | None,
    full_speed: bool = False,
) -> AsyncGenerator[list[Turn], None]:
    """The conversation with one more turn, again and again as its reply grows; the one given is left as it is.

    Raises `ValueError` before the first update for a wish out of range, and later for a damaged model.
    """
    stream = open_stream(model, typed, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
    used = model.generation_config.temperature if temperature is None else temperature
    turn = begin(typed, stream, used, model.decoder.device.type)
    yield [*conversation, turn]
    async with aclosing(paced(stream, full_speed=full_speed)) as pieces:
        async for piece in pieces:
            turn = {**turn, "text": turn["text"] + piece}
            yield [*conversation, turn]
    yield [*conversation, end(turn, ENDINGS[stream.completion.finish_reason])]


def settle(conversation: list[Turn]) -> list[Turn]:
    """The conversation once nothing is being written: a reply that was cut short says so."""
    if conversation and conversation[-1]["writing"]:
        return [*conversation[:-1], end(conversation[-1], ENDINGS["cancelled"])]
    return conversation


def page_error(error: ValueError) -> gr.Error:
    """The sentence of `error` for the page, which would read it as HTML."""
    return gr.Error(html.escape(str(error), quote=False), print_exception=False)


# --- the tab ------------------------------------------------------------------------------------------------------


def chat_tab(model: CharLSTM) -> None:
    """Lay out the chat and wire its events, inside a `gr.Blocks`."""
    default = model.generation_config
    chat = gr.HTML(
        [],
        elem_id="conversation",
        html_template=(ASSETS / "chat.html").read_text(encoding="utf-8"),
        js_on_load=(ASSETS / "chat.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        intro=intro(model),
    )
    with gr.Row(elem_id="composer"):
        message = gr.Textbox(
            label="The beginning of a line",
            placeholder="Start a line …",
            lines=1,
            max_lines=5,
            min_width=0,
            autofocus=True,
            show_label=False,
            elem_id="message",
            html_attributes=gr.InputHTMLAttributes(autocapitalize="off", autocorrect="off", spellcheck=False),
        )
        send = gr.Button("Send", variant="primary", min_width=0, elem_id="send")
        stop = gr.Button("Stop", variant="stop", min_width=0, elem_id="stop", visible=False)
        more = gr.Button("Settings", min_width=0, elem_id="more")
        clear = gr.Button("Clear", min_width=0, elem_id="clear", interactive=False)
    with gr.Row(elem_id="settings"):
        temperature = gr.Slider(0, MAX_TEMPERATURE, default.temperature, step=0.05, label="Temperature", min_width=0)
        length = gr.Slider(1, MAX_LENGTH, min(default.max_new_tokens, MAX_LENGTH), step=1, label="Length", min_width=0)
        seed = gr.Textbox(label="Seed", placeholder="new each time", max_lines=1, min_width=0)
        full_speed = gr.Checkbox(label="Full speed", min_width=0, elem_id="full-speed")

    def controls(*, writing: bool, empty: bool = False) -> dict[Any, Any]:
        return {
            send: gr.update(visible=not writing),
            stop: gr.update(visible=writing),
            clear: gr.update(interactive=not writing and not empty),
        }

    async def respond(
        typed: str,
        conversation: list[Turn],
        temperature: float | None,
        length: int | None,
        seed: str | None,
        full_speed: bool,
        event: gr.EventData,
    ) -> AsyncGenerator[dict[Any, Any], None]:
        from_starter = getattr(event.target, "elem_id", None) == chat.elem_id
        begun = False
        try:
            updates = converse(
                model,
                conversation,
                event.prompt if from_starter else typed,
                temperature=temperature,
                max_new_tokens=length,
                seed=read_seed(seed),
                full_speed=full_speed,
            )
            async with aclosing(updates):
                async for grown in updates:
                    if begun:
                        yield {chat: grown}
                        continue
                    begun = True
                    yield {chat: grown, **controls(writing=True), **({} if from_starter else {message: ""})}
        except ValueError as error:
            if begun:
                yield {chat: conversation, **({} if from_starter else {message: typed})}
            raise page_error(error) from error

    def rest(conversation: list[Turn]) -> dict[Any, Any]:
        return {chat: settle(conversation), **controls(writing=False, empty=not conversation)}

    def empty() -> dict[Any, Any]:
        return {chat: [], **controls(writing=False, empty=True)}

    buttons = [send, stop, clear]
    writing = gr.on(
        [send.click, message.submit, chat.example_select],
        respond,
        inputs=[message, chat, temperature, length, seed, full_speed],
        outputs=[message, chat, *buttons],
        preprocess=False,  # a slider's own check has another sentence, and lets NaN through
        show_progress="hidden",
        trigger_mode="once",
        concurrency_limit=None,
        api_visibility="private",
    )
    # Runs after any end of `writing`: the text's own, an error's, or Stop, which the page's script tells it about.
    writing.then(rest, chat, [chat, *buttons], show_progress="hidden", queue=False, api_visibility="private")
    stop.click(None, cancels=[writing], queue=False, api_visibility="private")
    clear.click(empty, None, [chat, *buttons], show_progress="hidden", queue=False, api_visibility="private")
    more.click(None, js=TOGGLE_SETTINGS, queue=False, api_visibility="private")
