"""One message and its replies, from the wish to the last letter; what a reply keeps of how it was written."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from hubcharlstm.demo.chat import permalinks
from hubcharlstm.demo.chat.pacing import Listener, UpdatePacer, follow
from hubcharlstm.demo.chat.requests import ChatRequest, compose
from hubcharlstm.demo.chat.state_cache import StateCache
from hubcharlstm.demo.chat.turns import ENDINGS, ContinueTarget, Reply, Turn, cycle_in, text_hash, with_settings
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ServedModel
from hubcharlstm.demo.settings import MAX_REPLY, Settings
from hubcharlstm.generation.stream import GenerationState, TextStream

AHEAD = 200
"""Characters that the engine writes ahead of a reader at reading pace."""

AHEAD_AT_FULL_SPEED = 2_000


@dataclass
class CancelToken:
    """A visitor's Stop, looked at between two updates."""

    wanted: bool = False

    def __call__(self) -> bool:
        return self.wanted


def never() -> bool:
    return False


async def write(
    ask: ChatRequest,
    loaded: ServedModel,
    states: StateCache,
    pacer: UpdatePacer,
    is_cancelled: Callable[[], bool] = never,
    monitor: Listener | None = None,
) -> AsyncGenerator[Turn, None]:
    """The turn, again and again as its replies grow. Raises `ValueError` for what cannot be written."""
    model, config = loaded.model, loaded.model.generation_config
    prompt, shown = compose(config, ask.typed, ask.speaker, ask.context)
    params = [replace(ask.settings, temperature=temperature) for temperature in ask.temperatures]
    streams: list[TextStream] = []
    try:
        for wish in params:
            streams.append(
                await loaded.stream(
                    prompt, wish, seed=ask.seed, max_buffered_tokens=max_buffered_tokens(ask.full_speed)
                )
            )
        warnings = [ask.note, *streams[0].warnings]
        turn = Turn(
            id=ask.turn,
            typed=ask.typed,
            speaker=ask.speaker,
            context=ask.context,
            prompt=streams[0].prompt.text,
            shown=model.vocabulary.encode(shown).text,
            warnings=[note for note in warnings if note],
            replies=[begin(loaded, wish, ask.seed) for wish in params],
        )
        manner = {"full_speed": ask.full_speed, "is_cancelled": is_cancelled, "monitor": monitor}
        async with aclosing(grow(turn, streams, pacer, **manner)) as turns:
            async for turn in turns:
                yield turn
        replies = []
        for reply, wish, stream in zip(turn["replies"], params, streams, strict=True):
            told = len(reply["text"])
            done = await asyncio.to_thread(end, turn, reply, wish, stream, told, loaded, states)
            replies.append(with_settings(done, replay_check=permalinks.replay_check(ask.written, done)))
        yield {**turn, "replies": replies}
    finally:
        for stream in streams:
            stream.cancel()


async def go_on(
    place: ContinueTarget,
    turn_id: str,
    length: int,
    loaded: ServedModel,
    states: StateCache,
    pacer: UpdatePacer,
    *,
    full_speed: bool = False,
    is_cancelled: Callable[[], bool] = never,
    monitor: Listener | None = None,
) -> AsyncGenerator[Turn, None]:
    """The turn with one reply continued exactly where it stopped, by up to `length` characters."""
    text = place.text + (place.settings.stop if place.ended_by_stop else "")
    wish = replace(place.settings, length=min(length, max(1, MAX_REPLY - len(text))))
    first = with_settings(
        place.reply, text=place.text, writing=True, continued=True, ending="", cycle="", replay_check="", rate=0.0
    )
    turn: Turn = {**place.turn, "id": turn_id, "replies": [*place.turn["replies"]]}
    turn["replies"][place.index] = first
    yield turn
    state = states.find(place.reply["id"], text_hash(place.text), loaded.fingerprint)
    if state is None:
        state = await replay(place, text, loaded, pacer, is_cancelled)
    stream = await loaded.stream("", wish, seed=None, state=state, max_buffered_tokens=max_buffered_tokens(full_speed))
    started, before = time.monotonic(), len(text)
    try:
        following = follow([stream], pacer, full_speed=full_speed, is_cancelled=is_cancelled, monitor=monitor)
        async with aclosing(following) as pieces:
            async for (piece,) in pieces:
                text += piece
                turn = put(turn, place.index, with_settings(turn["replies"][place.index], text=text))
                yield turn
        told = len(text) - before
        reply = with_settings(turn["replies"][place.index], text=text, rate=rate(told, started))
        done = await asyncio.to_thread(end, turn, reply, wish, stream, told, loaded, states)
        yield put(turn, place.index, done)
    finally:
        stream.cancel()


async def replay(
    place: ContinueTarget, text: str, loaded: ServedModel, pacer: UpdatePacer, is_cancelled: Callable[[], bool]
) -> GenerationState:
    """The state after `text`, made again from its receipt; raises `Problem` if the text comes out otherwise."""
    if not text:
        raise UserError("This reply has no text yet to go on from: retry it.")
    wish = replace(place.settings, stop="")
    stream = await loaded.stream(
        place.prompt, wish, length=len(text), seed=place.seed, max_buffered_tokens=AHEAD_AT_FULL_SPEED
    )
    again = ""
    async with aclosing(follow([stream], pacer, full_speed=True, is_cancelled=is_cancelled)) as pieces:
        async for (piece,) in pieces:
            again += piece
    if is_cancelled():
        raise UserError("Stopped before the reply's place was found again: continue it once more.")
    if again != text:
        raise UserError(
            "The place where this reply stopped is no longer kept, and a replay of its receipt differs on this "
            "hardware or model: switch on “Go on from the text so far” and send an empty line, or retry."
        )
    return (await asyncio.to_thread(lambda: stream.completion)).state


async def grow(turn: Turn, streams: list[TextStream], pacer: UpdatePacer, **manner: Any) -> AsyncGenerator[Turn, None]:
    """`turn` with its replies growing at their ends."""
    yield turn
    started = time.monotonic()
    async with aclosing(follow(streams, pacer, **manner)) as updates:
        async for pieces in updates:
            grown = zip(turn["replies"], pieces, strict=True)
            turn = {**turn, "replies": [with_settings(reply, text=reply["text"] + piece) for reply, piece in grown]}
            yield turn
    replies = [with_settings(reply, rate=rate(len(reply["text"]), started)) for reply in turn["replies"]]
    yield {**turn, "replies": replies}


def begin(loaded: ServedModel, wish: Settings, seed: int) -> Reply:
    """The reply before its first character."""
    decoder = loaded.decoder
    reply = Reply(
        id=uuid.uuid4().hex,
        text="",
        seed=str(seed),
        temperature=wish.temperature,
        length=wish.length,
        top_k=wish.top_k,
        top_p=wish.top_p,
        min_p=wish.min_p,
        stop=wish.stop,
        model=loaded.label,
        revision=loaded.model.revision or "",
        precision=decoder.precision,
        device=decoder.device.type,
        writing=True,
        continued=False,
        ending="",
        rate=0.0,
        cycle="",
        replay_check="",
        hash="",
        caption="",
        link="",
        python="",
        command="",
    )
    return with_settings(reply)


def end(
    turn: Turn, reply: Reply, wish: Settings, stream: TextStream, told: int, loaded: ServedModel, states: StateCache
) -> Reply:
    """The reply when nothing more comes: why it ended, its receipt, and its state if it was told to its end.

    told: how many characters of the stream's own text the visitor has seen.
    """
    ending, cycle, digest = ENDINGS["cancelled"], "", text_hash(reply["text"])
    completion = stream.completion if stream.finish_reason not in (None, "cancelled") else None
    finished = completion is not None and len(completion.text) == told
    if completion is not None and finished:
        ending, cycle = ENDINGS[completion.finish_reason], completion.cycle or ""
        if wish.temperature == 0 and not cycle:
            cycle = cycle_in(reply["text"])
        states.keep(reply["id"], digest, completion.state)
    done = with_settings(reply, writing=False, ending=ending, cycle=cycle, hash=digest)
    # A stop string may stand in the text now, or half of one may have been held back: the length alone repeats it.
    as_wished = finished and not reply["continued"]
    length = wish.length if as_wished else len(reply["text"])
    return permalinks.with_permalinks(turn, done, wish.stop if as_wished else "", length, loaded) if length else done


def put(turn: Turn, index: int, reply: Reply) -> Turn:
    replies = [*turn["replies"]]
    replies[index] = reply
    return {**turn, "replies": replies}


def max_buffered_tokens(full_speed: bool) -> int:
    return AHEAD_AT_FULL_SPEED if full_speed else AHEAD


def rate(characters: int, started: float) -> float:
    """Characters a second since `started`."""
    return round(characters / max(time.monotonic() - started, 1e-3), 1)
