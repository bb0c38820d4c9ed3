"""From a chat request to the updates of its turn, up to the finished replies with their permalinks and states."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from hubcharlstm.demo.chat.pacing import Backpressure, UpdatePacer, follow
from hubcharlstm.demo.chat.permalinks import replay_check, with_permalinks
from hubcharlstm.demo.chat.requests import ChatRequest, compose
from hubcharlstm.demo.chat.sentences import cut_after_sentence
from hubcharlstm.demo.chat.state_cache import StateCache
from hubcharlstm.demo.chat.stored_turns import ContinueTarget
from hubcharlstm.demo.chat.turns import CUT_ENDING, ENDINGS, Reply, Turn, cycle_in, text_hash, updated
from hubcharlstm.demo.chat.unfinished import new_reply, new_turn, restart, with_reply
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import MAX_REPLY, Settings
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.generation.stream import GenerationState, TextStream

MAX_BUFFERED_TOKENS = 200
"""Characters that the engine generates ahead of a client at reading pace."""

MAX_BUFFERED_TOKENS_AT_FULL_SPEED = 2_000


@dataclass
class CancelToken:
    """Set by a visitor's Stop and polled between two updates."""

    is_set: bool = False

    def __call__(self) -> bool:
        return self.is_set


@dataclass(frozen=True)
class Delivery:
    """How the updates of one request are sent. monitor: the back-pressure of the client's session."""

    full_speed: bool = False
    is_cancelled: Callable[[], bool] = lambda: False
    monitor: Backpressure | None = None

    @property
    def max_buffered_tokens(self) -> int:
        return MAX_BUFFERED_TOKENS_AT_FULL_SPEED if self.full_speed else MAX_BUFFERED_TOKENS


class ReplyWriter:
    """Generates replies and continues them. Owns the cache of the states in which they ended."""

    def __init__(self, pacer: UpdatePacer, max_states: int | None = None) -> None:
        self._pacer = pacer
        self._states = StateCache() if max_states is None else StateCache(max_states)

    @property
    def num_states(self) -> int:
        """Replies that can be continued without a replay."""
        return len(self._states)

    def evict(self, reply_ids: Iterable[str]) -> None:
        """Drop the states of replies that nobody will continue."""
        for reply_id in reply_ids:
            self._states.evict(reply_id)

    async def reply(
        self, request: ChatRequest, served_model: ServedModel, delivery: Delivery, others: Sequence[ServedModel] = ()
    ) -> AsyncGenerator[Turn, None]:
        """Yield the turn as its replies grow, then finished. Raises `ValueError` for what cannot be generated.

        others: models that reply beside the first, all at the first temperature; without them one reply a temperature.
        """
        temperatures = request.temperatures[:1] if others else request.temperatures
        params = [replace(request.settings, temperature=temperature) for temperature in temperatures]
        columns = (
            [(one, params[0]) for one in (served_model, *others)]
            if others
            else [(served_model, settings) for settings in params]
        )
        streams: list[TextStream] = []
        encoded: list[tuple[str, str]] = []
        openings: list[str] = []
        try:
            for model, settings in columns:
                prompt, shown = compose(
                    model.model.generation_config, request.typed, request.speaker, request.context
                )  # fmt: skip
                if request.opening:
                    prompt = model.encoded_prompt(prompt)
                stream = await model.stream(
                    prompt + request.opening,
                    settings,
                    seed=request.seed,
                    clamp=request.clamp,
                    max_buffered_tokens=delivery.max_buffered_tokens,
                )
                streams.append(stream)
                openings.append(stream.prompt.text[len(prompt) :] if request.opening else "")
                prompt = stream.prompt.text.removesuffix(openings[-1])
                encoded.append((prompt, model.vocabulary.encode(shown).text))
            turn = new_turn(request, encoded[0], columns, streams)
            turn["replies"] = [
                new_reply(model, settings, request, opening, *(("", "") if texts == encoded[0] else texts))
                for (model, settings), texts, opening in zip(columns, encoded, openings, strict=True)
            ]
            async with aclosing(self._grow(turn, streams, delivery)) as turns:
                async for turn in turns:
                    yield turn
            replies = []
            for unfinished, (model, settings), stream in zip(turn["replies"], columns, streams, strict=True):
                num_emitted = len(unfinished["text"]) - len(unfinished["opening"])
                reply = await asyncio.to_thread(
                    self._finish, turn, unfinished, settings, stream, num_emitted, model, request.is_turn
                )
                replies.append(updated(reply, replay_check=replay_check(request.expected, reply)))
            yield {**turn, "replies": replies}
        finally:
            for stream in streams:
                stream.cancel()

    async def continue_reply(
        self, target: ContinueTarget, turn_id: str, length: int, served_model: ServedModel, delivery: Delivery
    ) -> AsyncGenerator[Turn, None]:
        """Yield the turn while one of its replies continues exactly where it stopped, by up to `length` characters."""
        text = target.text + (target.settings.stop if target.ended_by_stop else "")
        settings = replace(target.settings, length=min(length, max(1, MAX_REPLY - len(text))))
        turn = restart(target, turn_id)
        yield turn
        state = self._states.find(target.reply["id"], text_hash(target.text), served_model.fingerprint)
        if state is None and not (target.opening and text == target.opening):  # of which the model wrote nothing yet
            state = await self._replay(target, text, served_model, delivery.is_cancelled)
        prompt, seed = ("", None) if state is not None else (target.prompt + target.opening, target.seed)
        stream = await served_model.stream(
            prompt,
            settings,
            seed=seed,
            state=state,
            clamp=target.clamp if state is None else None,
            max_buffered_tokens=delivery.max_buffered_tokens,
        )
        started, num_before = time.monotonic(), len(text)
        try:
            async with aclosing(self._follow([stream], delivery)) as updates:
                async for (piece,) in updates:
                    text += piece
                    turn = with_reply(turn, target.index, updated(turn["replies"][target.index], text=text))
                    yield turn
            num_emitted = len(text) - num_before
            reply = updated(turn["replies"][target.index], text=text, rate=rate(num_emitted, started))
            is_turn = target.is_turn(served_model.model.generation_config)
            reply = await asyncio.to_thread(
                self._finish, turn, reply, settings, stream, num_emitted, served_model, is_turn
            )
            yield with_reply(turn, target.index, reply)
        finally:
            stream.cancel()

    def _follow(self, streams: list[TextStream], delivery: Delivery) -> AsyncGenerator[list[str], None]:
        return follow(
            streams,
            self._pacer,
            full_speed=delivery.full_speed,
            is_cancelled=delivery.is_cancelled,
            monitor=delivery.monitor,
        )

    async def _grow(self, turn: Turn, streams: list[TextStream], delivery: Delivery) -> AsyncGenerator[Turn, None]:
        """Yield `turn` as its replies grow."""
        yield turn
        started = time.monotonic()
        async with aclosing(self._follow(streams, delivery)) as updates:
            async for pieces in updates:
                grown = zip(turn["replies"], pieces, strict=True)
                turn = {**turn, "replies": [updated(reply, text=reply["text"] + piece) for reply, piece in grown]}
                yield turn
        replies = [
            updated(reply, rate=rate(len(reply["text"]) - len(reply["opening"]), started)) for reply in turn["replies"]
        ]
        yield {**turn, "replies": replies}

    async def _replay(
        self, target: ContinueTarget, text: str, served_model: ServedModel, is_cancelled: Callable[[], bool]
    ) -> GenerationState:
        """The state after `text`, by generating it again; raises `UserError` if another text comes out."""
        generated = text[len(target.opening) :]
        if not generated:
            raise UserError(sentence("reply.no_text"))
        stream = await served_model.stream(
            target.prompt + target.opening,
            replace(target.settings, stop=""),
            length=len(generated),
            seed=target.seed,
            clamp=target.clamp,
            max_buffered_tokens=MAX_BUFFERED_TOKENS_AT_FULL_SPEED,
        )
        replayed = ""
        async with aclosing(self._follow([stream], Delivery(full_speed=True, is_cancelled=is_cancelled))) as updates:
            async for (piece,) in updates:
                replayed += piece
        if is_cancelled():
            raise UserError(sentence("reply.stopped_search"))
        if replayed != generated:
            raise UserError(sentence("reply.differs"))
        return (await asyncio.to_thread(lambda: stream.completion)).state

    def _finish(
        self,
        turn: Turn,
        reply: Reply,
        settings: Settings,
        stream: TextStream,
        num_emitted: int,
        served_model: ServedModel,
        is_turn: bool,
    ) -> Reply:
        """The finished reply: why it ended and its permalinks; caches its state if all of its text was emitted.

        A character's reply that reached its length is cut after its last whole sentence. No state is cached for it: a
        continuation replays it up to there.

        num_emitted: characters of the stream that the client has seen. Blocking: runs in a worker thread.
        """
        ending, cycle, text = ENDINGS["cancelled"], "", reply["text"]
        completion = stream.completion if stream.finish_reason not in (None, "cancelled") else None
        is_whole = completion is not None and len(completion.text) == num_emitted
        if completion is not None and is_whole:
            ending, cycle = ENDINGS[completion.finish_reason], completion.cycle or ""
            if settings.temperature == 0 and not cycle:
                cycle = cycle_in(text)
            if is_turn and completion.finish_reason == "length":
                text = cut_after_sentence(text, len(text) - num_emitted)
            if text == reply["text"]:
                self._states.store(reply["id"], text_hash(text), completion.state)
            else:
                ending, is_whole = CUT_ENDING, False
        finished = updated(reply, text=text, writing=False, ending=ending, cycle=cycle, hash=text_hash(text))
        # The text of any other reply may hold the stop string, or lack a part of one that was held back; without a stop
        # string and with its very length it is generated again.
        as_requested = is_whole and not reply["continued"]
        length = settings.length if as_requested else len(text) - len(reply["opening"])
        stop = settings.stop if as_requested else ""
        own_turn: Turn = {**turn, "prompt": reply.get("prompt") or turn["prompt"]}
        return with_permalinks(own_turn, finished, stop, length, served_model) if length else finished


def rate(characters: int, started: float) -> float:
    """Characters a second since `started`."""
    return round(characters / max(time.monotonic() - started, 1e-3), 1)
