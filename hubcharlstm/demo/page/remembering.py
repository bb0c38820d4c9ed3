"""The events of "Remember a text": a copy of the model learns from a text, for its visitor alone."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr
from pydantic import ValidationError

from hubcharlstm import BusyError
from hubcharlstm.adaptation import MIN_CHARACTERS
from hubcharlstm.demo.chat.encoding_warnings import encoding_warnings
from hubcharlstm.demo.chat.remembering import AdaptationQueue, ForgetEvent, RememberEvent
from hubcharlstm.demo.chat.requests import to_user_error
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.page.controls import UNQUEUED
from hubcharlstm.demo.page.handlers import ChatHandlers, Value, message_of
from hubcharlstm.demo.private_models import ENDING, REMEMBERING
from hubcharlstm.demo.serving.admission import SHUTTING_DOWN, ClientIdentity
from hubcharlstm.demo.serving.gradio_compat import event_data
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.model import CharLSTM


class RememberHandlers:
    """The handlers of the panel's events, which add models to those of `chat_handlers`."""

    def __init__(self, chat_handlers: ChatHandlers) -> None:
        self.chat_handlers = chat_handlers
        self.private, self.admission = chat_handlers.private, chat_handlers.admission
        self.queue = AdaptationQueue()

    def wire(self) -> None:
        """Wire the custom events remember and forget of the conversation component."""
        chat, controls = self.chat_handlers.chat, self.chat_handlers.controls
        chat.remember(
            self.remember,
            outputs=[chat, controls.model],
            show_progress="hidden",
            trigger_mode="multiple",
            concurrency_limit=None,
            api_visibility="private",
        )
        chat.forget(self.forget, outputs=[chat, controls.model], **UNQUEUED)
        chat.show_model(
            self.chat_handlers.restore_model,
            self.chat_handlers.serving,
            self.chat_handlers.outputs,
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )

    async def remember(self, event: gr.EventData, request: gr.Request) -> AsyncGenerator[list[Any], None]:
        """Have a copy of a model read a text, and offer it to its visitor."""
        try:
            try:
                wanted = RememberEvent.model_validate(event_data(event))
            except ValidationError as error:
                raise to_user_error(error, sentence("request.no_message")) from None
            client = ClientIdentity.of(request)
            self.private.owners.identify(request.session_hash or "", wanted.owner, client.address)
            address = client.address if self.admission.limits.max_per_address else ""
            self.private.check_room(wanted.owner, address)
            async with self.private.acquire(wanted.model, wanted.owner) as served_model:
                label, adapted = served_model.label, None
                encoding = served_model.vocabulary.encode(wanted.text)
                if len(encoding.ids) < MIN_CHARACTERS:
                    few = sentence("remember.too_short", count=len(encoding.ids), min=MIN_CHARACTERS)
                    raise UserError(few, "remember")
                warnings = [warning.as_json() for warning in encoding_warnings(served_model, "", encoding)]
                updates = self.queue.adapt(
                    served_model.model, wanted.text, wanted.owner, lambda: self.admission.must_stop
                )
                async with aclosing(updates):
                    async for update in updates:
                        if isinstance(update, CharLSTM):
                            adapted = update
                        else:
                            yield [progress(update), gr.skip()]
            assert adapted is not None
            if self.admission.is_shutting_down:
                raise BusyError(SHUTTING_DOWN)
            label = await self.private.add(
                wanted.owner, f"{ENDING.sub('', label)}, {REMEMBERING}", adapted, address=address
            )
            yield self.chat_handlers.show_models(
                wanted.owner, chosen=label, sentence=remembered(adapted), warnings=warnings
            )
        except ValueError as error:
            field = error.field if isinstance(error, UserError) else "remember"
            yield [{"kind": "remember", "is_done": True, "field": field, "sentence": message_of(error)}, gr.skip()]

    async def forget(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Remove a model of a visitor, and show the default in its place."""
        owner = self.private.owners.of(request.session_hash)
        label = ForgetEvent.model_validate(event_data(event)).model
        self.private.remove(owner, label)
        return self.chat_handlers.show_models(owner, chosen="", sentence=sentence("remember.forgotten").as_json())


def progress(update: Sentence) -> Value:
    return {"kind": "remember", "is_done": False, "field": "", "sentence": update.as_json()}


def remembered(adapted: CharLSTM) -> dict[str, Any]:
    """What the page says of a model that has read a text."""
    facts = adapted.adaptation
    assert facts is not None
    before, after = facts.nats_before / math.log(2), facts.nats_after / math.log(2)
    return sentence("remember.done", count=facts.characters, before=f"{before:.2f}", after=f"{after:.2f}").as_json()
