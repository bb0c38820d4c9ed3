"""The page: a visitor begins a line, the model goes on with it.

The conversation belongs to the page itself (`assets/*.js`), which keeps it in the browser. Its wishes arrive as events
of one `gr.HTML`, and what is written goes back as that component's value: one turn at a time, whose texts only ever
grow at their ends, so that Gradio sends each update as an append.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from hubcharlstm.demo.chat.permalinks import read_link
from hubcharlstm.demo.chat.replies import Halt, go_on, write
from hubcharlstm.demo.chat.requests import Ask, read_id
from hubcharlstm.demo.chat.state_cache import States
from hubcharlstm.demo.chat.turns import Turn, read_place
from hubcharlstm.demo.errors import Problem
from hubcharlstm.demo.models import Loaded, Shelf
from hubcharlstm.demo.page.controls import Controls, speaker_choices
from hubcharlstm.demo.page.welcome import about, intro
from hubcharlstm.demo.serving.admission import Gate, Visitor
from hubcharlstm.demo.serving.backpressure import Listening
from hubcharlstm.demo.settings import MAX_LENGTH, Settings, check_number
from hubcharlstm.errors import EngineError

WAITING_SECONDS = 0.5
"""Between two words to a visitor who waits for a turn."""

ENDED = "the app is being restarted, so what was under way stops here: continue it in a minute"

Value = dict[str, Any]
"""What the page is told: a turn, a problem, a wait, another model's introduction, or what a link wishes."""


class Desk:
    """The handlers of the page's events, over the models on the shelf."""

    def __init__(self, shelf: Shelf, controls: Controls, gate: Gate) -> None:
        self.shelf, self.controls, self.gate, self.built_with = shelf, controls, gate, shelf.default
        self.outputs: list[Any] = []
        """What another model changes on the page."""
        self.states = States()
        self.running: dict[str, Halt] = {}

    async def respond(
        self, values: dict[Any, Any], event: gr.EventData, request: gr.Request
    ) -> AsyncGenerator[Any, None]:
        """A message, a starter, a retry, an edit, a continuation or a link's text: the turn as it grows."""
        data = event._data if isinstance(event._data, dict) else {}
        turn_id = ""
        try:
            turn_id = read_id(data.get("turn"))
            halt = self.running[turn_id] = Halt()
            yield {"kind": "heard", "turn": turn_id}
            visitor = Visitor.of(request)
            listener = Listening.of(request)
            with self.gate.enter(visitor) as place:
                while not await place.comes(WAITING_SECONDS):
                    listener.check()
                    if halt.wanted:
                        raise Problem("Stopped before it was your turn; the line is still here: send it again.")
                    yield {"kind": "waiting", "turn": turn_id, "sentence": place.notice}
                async with aclosing(self.turns(data, self.controls.read(values), halt, listener)) as turns:
                    async for turn in turns:
                        yield {"kind": "turn", "turn": turn}
        except (ValueError, EngineError) as error:
            yield problem(error, turn_id)
        finally:
            self.running.pop(turn_id, None)

    async def turns(
        self, data: dict[str, Any], controls: dict[str, Any], halt: Halt, listener: Listening
    ) -> AsyncGenerator[Turn, None]:
        """The updates of one wish; raises `ValueError` for one that cannot be met."""
        told: dict[str, Any] = {"halted": lambda: halt.wanted or self.gate.must_stop, "listener": listener}
        full_speed = controls.get("full_speed") is True
        if "place" in data:
            place = read_place(data)
            length = controls.get("length")
            check_number("length", length, 1, MAX_LENGTH, whole=True, unit=" characters")
            loaded = await self.shelf.get(place.reply.get("model"))
            updates = go_on(place, data["turn"], int(length or 1), loaded, self.states, full_speed=full_speed, **told)
        else:
            loaded = await self.shelf.get(data.get("model") or controls.get("model"))
            ask = Ask.read(data, controls, loaded.model.generation_config)
            updates = write(ask, loaded, self.states, **told)
        async with aclosing(updates):
            async for turn in updates:
                if self.gate.must_stop and not halt.wanted and not any(one["writing"] for one in turn["replies"]):
                    turn = {**turn, "notes": [*turn["notes"], ENDED]}
                yield turn

    def halt(self, event: gr.EventData) -> None:
        """Stop a reply that is being written; only its own page knows the turn's id."""
        if isinstance(turn := event._data.get("turn"), str) and turn in self.running:
            self.running[turn].wanted = True

    def forget(self, event: gr.EventData) -> None:
        """Drop what is kept of a cleared conversation's replies."""
        replies = event._data.get("replies")
        for reply in replies[:5_000] if isinstance(replies, list) else []:
            if isinstance(reply, str):
                self.states.forget(reply)

    async def choose(self, name: Any, serving: Any) -> list[Any]:
        """Another model: its introduction and defaults; the last good one where it does not load."""
        try:
            loaded = await self.shelf.get(name)
        except Problem as error:
            return [problem(error, ""), gr.update(value=serving), serving, *[gr.skip()] * 4]
        return self.introduce(loaded)

    async def greet(self) -> list[Any]:
        """For a page that is opened: what has changed since the app was built, and what every visitor should know."""
        nothing = [gr.skip()] * 7
        if self.shelf.notice is not None:
            return [{"kind": "problem", "turn": "", "field": "model", "sentence": self.shelf.notice}, *nothing[1:]]
        return nothing if self.shelf.default == self.built_with else self.introduce(self.shelf.first)

    def introduce(self, loaded: Loaded) -> list[Any]:
        """A model's introduction and defaults."""
        model = loaded.model
        own = Settings.of(model.generation_config)
        return [
            {"kind": "intro", "intro": intro(model, loaded.label)},
            gr.update(choices=self.shelf.labels, value=loaded.label),
            loaded.label,
            about(model),
            gr.update(**speaker_choices(model.generation_config), value=""),
            own.temperature,
            own.length,
        ]

    async def open_link(self, event: gr.EventData) -> dict[Any, Any]:
        """Set the controls as a link wishes, and have the page send its message; a damaged link changes nothing."""
        controls = self.controls
        try:
            wishes = read_link(event._data.get("query"))
            if wishes is None:
                return {"value": gr.skip()}
            if wishes["model"] and not self.shelf.offers(wishes["model"]):
                raise Problem(
                    f"The link was made with the model {wishes['model']!r}, which is not in the menu; "
                    "expected one that is: choose or type it there first, then open the link again.",
                    "model",
                )
            loaded = await self.shelf.get(wishes["model"])
        except ValueError as error:
            return {"value": problem(error, "")}
        config = loaded.model.generation_config
        settings = Settings.of(config, **wishes["settings"])
        set_to: dict[str, Any] = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
        if wishes["seed"] is not None:
            set_to |= {"seed": str(wishes["seed"]), "locked": True}
        told = {key: wishes[key] for key in ("typed", "speaker", "written")}
        ask = {**told, "settings": vars(settings), "seed": wishes["seed"], "model": loaded.label}
        speaker = wishes["speaker"] if config.turn_template else ""
        return {
            "value": {"kind": "link", "ask": ask},
            **controls.write(model=loaded.label, speaker=speaker, **set_to),
        }


def problem(error: Exception, turn: str) -> Value:
    """The sentence of `error`, and the control that it stands beside."""
    field = error.field if isinstance(error, Problem) else "message"
    return {"kind": "problem", "turn": turn, "field": field, "sentence": str(error)}
