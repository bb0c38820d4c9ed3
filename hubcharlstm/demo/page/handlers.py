"""The handlers of the page's events.

The conversation belongs to the page (`static/*.js`), which stores it in the browser. Its requests arrive as custom
events of one `gr.HTML`, and updates go back as the value of that component: one turn at a time, whose texts only grow
at their ends, so that Gradio sends each update as an append.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import gradio as gr

from hubcharlstm.demo.chat.clamps import clamp_as_lists
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.chat.permalinks import Permalink, parse_link
from hubcharlstm.demo.chat.replies import CancelToken, Delivery, ReplyWriter
from hubcharlstm.demo.chat.requests import (
    MAX_EVICTED,
    CancelEvent,
    ChatRequest,
    EvictEvent,
    OpenLinkEvent,
    check_id,
    compared_models,
    turn_length,
)
from hubcharlstm.demo.chat.stored_turns import parse_continue_target
from hubcharlstm.demo.chat.turns import Turn
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.owners import Owners, check_owner
from hubcharlstm.demo.page.controls import Controls, speaker_choices
from hubcharlstm.demo.page.welcome import about_sentences, intro
from hubcharlstm.demo.private_models import PrivateModels
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving.admission import AdmissionController, ClientIdentity
from hubcharlstm.demo.serving.backpressure import BackpressureMonitor
from hubcharlstm.demo.serving.gradio_compat import event_data
from hubcharlstm.demo.settings import MAX_LENGTH, Settings, check_number
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.errors import BusyError, DamagedModelError, EngineError

QUEUE_UPDATE_SECONDS = 0.5
"""Between two updates of a queued request's position."""

SHUTDOWN_WARNING = sentence("server.restarting").as_json()

Value = dict[str, Any]
"""A value of the conversation component. Its kind: accepted, queued, turn, error, intro, models or permalink."""


class ChatHandlers:
    """The handlers of the page's events, over the models of a registry and those that visitors make (`private`).

    chat, serving, about_model: the conversation, the name of the model that serves this page, and the lines about it.
    Owns the replies under way (`running`, by turn id) and, through `writer`, the states of finished ones.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        admission: AdmissionController,
        pacer: UpdatePacer,
        controls: Controls,
        *,
        chat: gr.HTML,
        serving: gr.State,
        about_model: gr.HTML,
    ) -> None:
        self.registry, self.admission, self.controls = registry, admission, controls
        self.private = PrivateModels(registry, Owners())
        self.chat, self.serving = chat, serving
        self.outputs = [
            chat, controls.model, serving, about_model, controls.speaker, controls.temperature, controls.length
        ]  # fmt: skip
        """The components that show which model serves."""
        self.writer = ReplyWriter(pacer)
        self.running: dict[str, CancelToken] = {}
        self._choices: dict[str, object] = {}  # of a model, under way, by the session
        self._built_with = registry.default

    async def respond(
        self, values: dict[Any, Any], event: gr.EventData, request: gr.Request
    ) -> AsyncGenerator[Value, None]:
        """Answer a message, a starter, a retry, an edit, a continuation or a permalink with the turn as it grows."""
        data = event_data(event)
        turn_id = ""
        try:
            turn_id = check_id(data.get("turn"))
            cancel_token = self.running[turn_id] = CancelToken()
            yield {"kind": "accepted", "turn": turn_id}
            monitor = BackpressureMonitor.of(request)
            with self.admission.enter(ClientIdentity.of(request)) as ticket:
                while not await ticket.wait_for_turn(QUEUE_UPDATE_SECONDS):
                    monitor.check()
                    if cancel_token.is_set:
                        raise UserError(sentence("busy.stopped"))
                    yield {"kind": "queued", "turn": turn_id, "sentence": ticket.status_message.as_json()}
                owner = self.private.owners.of(request.session_hash)
                updates = self._updates(data, self.controls.by_name(values), owner, cancel_token, monitor)
                async with aclosing(updates):
                    async for turn in updates:
                        is_interrupted = SHUTDOWN_WARNING in turn["warnings"][-1:]
                        yield {
                            "kind": "turn",
                            "turn": turn,
                            **({"interruption": SHUTDOWN_WARNING} if is_interrupted else {}),
                        }
        except (ValueError, EngineError) as error:
            yield error_value(error, turn_id)
        finally:
            self.running.pop(turn_id, None)

    async def _updates(
        self,
        data: dict[str, Any],
        controls: dict[str, Any],
        owner: str,
        cancel_token: CancelToken,
        monitor: BackpressureMonitor,
    ) -> AsyncGenerator[Turn, None]:
        """The turn as it grows; raises `ValueError` for a request that cannot be served. Holds the model to the end."""
        delivery = Delivery(
            full_speed=controls.get("full_speed") is True,
            is_cancelled=lambda: cancel_token.is_set or self.admission.must_stop,
            monitor=monitor,
        )
        target, name = None, data.get("model") or controls.get("model")
        length: Any = data.get("length", controls.get("length"))
        if "target" in data:
            target = parse_continue_target(data)
            check_number("length", length, 1, MAX_LENGTH, whole=True, unit=" characters")
            name = target.reply["model"]
        names = [name] if target is not None else compared_models(data) or [name]
        async with AsyncExitStack() as held:
            served_model, *others = [await held.enter_async_context(self.private.acquire(one, owner)) for one in names]
            if target is not None:
                config = served_model.model.generation_config
                if "length" not in data and target.is_turn(config):
                    length = turn_length(length, config)
                updates = self.writer.continue_reply(target, data["turn"], length, served_model, delivery)
            else:
                chat_request = ChatRequest.parse(data, controls, served_model.model.generation_config)
                updates = self.writer.reply(chat_request, served_model, delivery, others)
            async with aclosing(updates):
                async for turn in updates:
                    is_last = not any(reply["writing"] for reply in turn["replies"])
                    if is_last and self.admission.must_stop and not cancel_token.is_set:
                        turn = {**turn, "warnings": [*turn["warnings"], SHUTDOWN_WARNING]}
                    yield turn

    def cancel(self, event: gr.EventData) -> None:
        """Stop a reply under way; only its own page knows the turn's id."""
        turn_id = CancelEvent.model_validate(event_data(event)).turn
        if turn_id in self.running:
            self.running[turn_id].is_set = True

    def evict(self, event: gr.EventData) -> None:
        """Drop the states of a cleared conversation's replies."""
        self.writer.evict(EvictEvent.model_validate(event_data(event)).replies[:MAX_EVICTED])

    async def identify(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Tell a page that has opened of the models that its browser's visitor has made before."""
        refusal, owner = "", ""
        try:
            owner = check_owner(event_data(event).get("owner"))
            self.private.owners.identify(request.session_hash or "", owner, ClientIdentity.of(request).address)
        except ValueError as error:
            refusal = message_of(error)
        return self.show_models(owner, sentence=refusal, is_error=bool(refusal))

    def show_models(self, owner: str, **more: Any) -> list[Any]:
        """Values of the conversation and the model menu that offer what an owner may use.

        more: for the page, `sentence` with `is_error`, or with `chosen`, the model that it then shows, and `warnings`.
        """
        labels = self.private.labels(owner)
        return [{"kind": "models", "models": labels, **more}, gr.update(choices=labels, interactive=True)]

    async def select_model(self, name: Any, serving: Any, request: gr.Request) -> list[Any]:
        """Switch the page to another model; back to the one that serves if it does not load.

        Changes nothing if the page has asked for another one meanwhile: the last choice counts, not the last to load.
        """
        owner, session = self.private.owners.of(request.session_hash), request.session_hash or ""
        choice = self._choices[session] = object()
        try:
            async with self.private.acquire(name, owner) as served_model:
                shown = self._show_model(served_model, owner)
        except UserError as error:
            shown = [error_value(error, ""), gr.update(value=serving), serving, *[gr.skip()] * 4]
        finally:
            is_last = self._choices.get(session) is choice
            if is_last:
                del self._choices[session]
        return shown if is_last else [gr.skip()] * len(self.outputs)

    async def restore_model(self, serving: Any, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Switch a page that is opened again to the model that it showed before."""
        return await self.select_model(event_data(event).get("model"), serving, request)

    async def on_load(self) -> list[Any]:
        """Update a page that is opened: the registry's notice, or the default model if it has changed since `build`."""
        unchanged = [gr.skip()] * len(self.outputs)
        if self.registry.notice is not None:
            return [error_value(UserError(self.registry.notice, "model"), ""), *unchanged[1:]]
        return unchanged if self.registry.default == self._built_with else self._show_model(self.registry.first)

    def _show_model(self, served_model: ServedModel, owner: str = "") -> list[Any]:
        """Values of `outputs` that show a model's introduction and its default settings, to one owner."""
        model, labels = served_model.model, self.private.labels(owner)
        defaults = Settings.of(model.generation_config)
        return [
            {
                "kind": "intro",
                "intro": intro(model, served_model.label),
                "models": labels,
                "is_private": served_model.is_private,
            },
            gr.update(choices=labels, value=served_model.label),
            served_model.label,
            about_sentences(model),
            gr.update(**speaker_choices(model.generation_config), value=""),
            defaults.temperature,
            defaults.length,
        ]

    async def open_link(self, event: gr.EventData) -> dict[Any, Any]:
        """Set the controls as a permalink says, and have the page send its message; a damaged link changes nothing."""
        try:
            link = parse_link(OpenLinkEvent.model_validate(event_data(event)).query)
            if link is None:
                return {self.chat: gr.skip()}
            if link.model and not self.registry.offers(link.model):
                raise UserError(sentence("link.model", model=repr(link.model)), "model")
            async with self.registry.acquire(link.model) as served_model:
                return self._apply_link(link, served_model)
        except ValueError as error:
            return {self.chat: error_value(error, "")}

    def _apply_link(self, link: Permalink, served_model: ServedModel) -> dict[Any, Any]:
        """Updates that set the controls, and the request that the page is to send."""
        config = served_model.model.generation_config
        settings = vars(Settings.of(config, **link.settings))
        seed = None if link.seed is None else str(link.seed)  # JavaScript rounds integers above 2**53
        request = {
            "typed": link.typed,
            "speaker": link.speaker,
            "expected": link.expected.model_dump(),
            "settings": settings,
            "seed": seed,
            "clamp": clamp_as_lists(link.clamp),
            "opening": link.opening,
            "model": served_model.label,
        }
        # The seed goes with the message alone: one that is locked in its field would write the next lines, too.
        controls = {"model": served_model.label, "speaker": link.speaker if config.turn_template else "", **settings}
        return {self.chat: {"kind": "permalink", "request": request}, **self.controls.updates(controls)}


def error_value(error: Exception, turn_id: str) -> Value:
    """The sentence of `error`, and the control that the page shows it beside."""
    field = error.field if isinstance(error, UserError) else "message"
    return {"kind": "error", "turn": turn_id, "field": field, "sentence": message_of(error)}


def message_of(error: Exception) -> Any:
    """What the page shows of an error, as JSON: a sentence, or a text of the library as it is."""
    first = error.args[0] if error.args else ""
    if isinstance(first, Sentence):
        return first.as_json()
    if isinstance(error, EngineError):
        return sentence("engine.failed", kind=type(error.__cause__).__name__).as_json()
    if isinstance(error, DamagedModelError):
        return sentence("engine.damaged_model").as_json()
    return sentence("busy.engine").as_json() if isinstance(error, BusyError) else str(error)
