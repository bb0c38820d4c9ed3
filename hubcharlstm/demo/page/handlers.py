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

from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.permalinks import read_link
from hubcharlstm.demo.chat.replies import CancelToken, go_on, write
from hubcharlstm.demo.chat.requests import ChatRequest, read_id
from hubcharlstm.demo.chat.state_cache import StateCache
from hubcharlstm.demo.chat.turns import Turn, parse_continue_target
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ModelRegistry, ServedModel
from hubcharlstm.demo.page.controls import Controls, speaker_choices
from hubcharlstm.demo.page.welcome import about, intro
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity
from hubcharlstm.demo.serving.backpressure import BackpressureMonitor
from hubcharlstm.demo.serving.gradio_compat import event_data
from hubcharlstm.demo.settings import MAX_LENGTH, Settings, check_number
from hubcharlstm.errors import EngineError

WAITING_SECONDS = 0.5
"""Between two words to a visitor who waits for a turn."""

ENDED = "the app is being restarted, so what was under way stops here: continue it in a minute"

Value = dict[str, Any]
"""What the page is told: a turn, a problem, a wait, another model's introduction, or what a link wishes."""


class ChatHandlers:
    """The handlers of the page's events, over the models on the shelf."""

    def __init__(
        self, registry: ModelRegistry, controls: Controls, admission: AdmissionController, pacer: UpdatePacer
    ) -> None:
        self.pacer = pacer
        self.registry, self.controls, self.admission, self.built_with = registry, controls, admission, registry.default
        self.outputs: list[Any] = []
        """What another model changes on the page."""
        self.states = StateCache()
        self.running: dict[str, CancelToken] = {}

    async def respond(
        self, values: dict[Any, Any], event: gr.EventData, request: gr.Request
    ) -> AsyncGenerator[Any, None]:
        """A message, a starter, a retry, an edit, a continuation or a link's text: the turn as it grows."""
        data = event_data(event)
        turn_id = ""
        try:
            turn_id = read_id(data.get("turn"))
            halt = self.running[turn_id] = CancelToken()
            yield {"kind": "heard", "turn": turn_id}
            visitor = ClientIdentity.of(request)
            listener = BackpressureMonitor.of(request)
            with self.admission.enter(visitor) as place:
                while not await place.wait_for_turn(WAITING_SECONDS):
                    listener.check()
                    if halt.wanted:
                        raise UserError("Stopped before it was your turn; the line is still here: send it again.")
                    yield {"kind": "waiting", "turn": turn_id, "sentence": place.status_message}
                async with aclosing(self.turns(data, self.controls.read(values), halt, listener)) as turns:
                    async for turn in turns:
                        yield {"kind": "turn", "turn": turn}
        except (ValueError, EngineError) as error:
            yield problem(error, turn_id)
        finally:
            self.running.pop(turn_id, None)

    async def turns(
        self, data: dict[str, Any], controls: dict[str, Any], halt: CancelToken, listener: BackpressureMonitor
    ) -> AsyncGenerator[Turn, None]:
        """The updates of one wish; raises `ValueError` for one that cannot be met."""
        told: dict[str, Any] = {"is_cancelled": lambda: halt.wanted or self.admission.must_stop, "monitor": listener}
        full_speed = controls.get("full_speed") is True
        place, length = None, controls.get("length")
        name = data.get("model") or controls.get("model")
        if "place" in data:
            place = parse_continue_target(data)
            check_number("length", length, 1, MAX_LENGTH, whole=True, unit=" characters")
            name = place.reply.get("model")
        async with self.registry.acquire(name) as loaded:
            if place is not None:
                turn_id, count = data["turn"], int(length or 1)
                told["full_speed"] = full_speed
                updates = go_on(place, turn_id, count, loaded, self.states, self.pacer, **told)
            else:
                ask = ChatRequest.read(data, controls, loaded.model.generation_config)
                updates = write(ask, loaded, self.states, self.pacer, **told)
            async with aclosing(updates):
                async for turn in updates:
                    writing = any(one["writing"] for one in turn["replies"])
                    if self.admission.must_stop and not halt.wanted and not writing:
                        turn = {**turn, "warnings": [*turn["warnings"], ENDED]}
                    yield turn

    def halt(self, event: gr.EventData) -> None:
        """Stop a reply that is being written; only its own page knows the turn's id."""
        if isinstance(turn := event_data(event).get("turn"), str) and turn in self.running:
            self.running[turn].wanted = True

    def forget(self, event: gr.EventData) -> None:
        """Drop what is kept of a cleared conversation's replies."""
        replies = event_data(event).get("replies")
        for reply in replies[:5_000] if isinstance(replies, list) else []:
            if isinstance(reply, str):
                self.states.forget(reply)

    async def choose(self, name: Any, serving: Any) -> list[Any]:
        """Another model: its introduction and defaults; the last good one where it does not load."""
        try:
            async with self.registry.acquire(name) as loaded:
                return self.introduce(loaded)
        except UserError as error:
            return [problem(error, ""), gr.update(value=serving), serving, *[gr.skip()] * 4]

    async def on_load(self) -> list[Any]:
        """For a page that is opened: what has changed since the app was built, and what every visitor should know."""
        nothing = [gr.skip()] * 7
        if self.registry.notice is not None:
            return [{"kind": "problem", "turn": "", "field": "model", "sentence": self.registry.notice}, *nothing[1:]]
        return nothing if self.registry.default == self.built_with else self.introduce(self.registry.first)

    def introduce(self, loaded: ServedModel) -> list[Any]:
        """A model's introduction and defaults."""
        model = loaded.model
        own = Settings.of(model.generation_config)
        return [
            {"kind": "intro", "intro": intro(model, loaded.label)},
            gr.update(choices=self.registry.labels, value=loaded.label),
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
            params = read_link(event_data(event).get("query"))
            if params is None:
                return {"value": gr.skip()}
            if params["model"] and not self.registry.offers(params["model"]):
                raise UserError(
                    f"The link was made with the model {params['model']!r}, which is not in the menu; "
                    "expected one that is: choose or type it there first, then open the link again.",
                    "model",
                )
            async with self.registry.acquire(params["model"]) as loaded:
                label, config = loaded.label, loaded.model.generation_config
        except ValueError as error:
            return {"value": problem(error, "")}
        settings = Settings.of(config, **params["settings"])
        set_to: dict[str, Any] = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
        if params["seed"] is not None:
            set_to |= {"seed": str(params["seed"]), "locked": True}
        told = {key: params[key] for key in ("typed", "speaker", "written")}
        ask = {**told, "settings": vars(settings), "seed": params["seed"], "model": label}
        speaker = params["speaker"] if config.turn_template else ""
        return {
            "value": {"kind": "link", "ask": ask},
            **controls.write(model=label, speaker=speaker, **set_to),
        }


def problem(error: Exception, turn: str) -> Value:
    """The sentence of `error`, and the control that it stands beside."""
    field = error.field if isinstance(error, UserError) else "message"
    return {"kind": "problem", "turn": turn, "field": field, "sentence": str(error)}
