"""Turns and replies before their first character, new or continued."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from hubcharlstm.demo.chat.clamps import clamp_as_lists
from hubcharlstm.demo.chat.encoding_warnings import encoding_warnings
from hubcharlstm.demo.chat.requests import ChatRequest
from hubcharlstm.demo.chat.stored_turns import ContinueTarget
from hubcharlstm.demo.chat.turns import Reply, Turn, updated
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import Settings
from hubcharlstm.generation.stream import TextStream


def new_turn(
    request: ChatRequest,
    encoded: tuple[str, str],
    columns: Sequence[tuple[ServedModel, Settings]],
    streams: Sequence[TextStream],
) -> Turn:
    """The turn of a request, without replies. columns, streams: of its replies, of whose texts it has the warnings.

    encoded: the prompt, and the end of it that the page shows, as the first model reads them.
    """
    warnings = [request.warning.as_json()] if request.warning else []
    for (model, settings), stream in zip(columns, streams, strict=True):
        found = (warning.as_json() for warning in encoding_warnings(model, settings.stop, stream.prompt))
        warnings += [warning for warning in found if warning not in warnings]
    return Turn(
        id=request.turn,
        typed=request.typed,
        speaker=request.speaker,
        context=request.context,
        prompt=encoded[0],
        shown=encoded[1],
        warnings=warnings,
        replies=[],
    )


def new_reply(
    served_model: ServedModel,
    settings: Settings,
    request: ChatRequest,
    opening: str = "",
    prompt: str = "",
    shown: str = "",
) -> Reply:
    """A reply before its first character. prompt, shown: where they are not its turn's.

    opening: the beginning that the visitor chose, as the model reads it.
    """
    decoder = served_model.decoder
    return Reply(
        id=uuid.uuid4().hex,
        text=opening,
        seed=str(request.seed),
        temperature=settings.temperature,
        length=settings.length,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        stop=settings.stop,
        model=served_model.label,
        revision=served_model.model.revision or "",
        precision=decoder.precision,
        device=decoder.device.type,
        writing=True,
        continued=False,
        ending="",
        rate=0.0,
        cycle="",
        replay_check="",
        hash="",
        link="",
        python="",
        command="",
        prompt=prompt,
        shown=shown,
        clamp=clamp_as_lists(request.clamp),
        opening=opening,
    )


def restart(target: ContinueTarget, turn_id: str) -> Turn:
    """The turn of a continuation before its first new character."""
    reply = updated(
        target.reply,
        text=target.text,
        writing=True,
        continued=True,
        ending="",
        cycle="",
        replay_check="",
        rate=0.0,
        hash="",
        link="",
        python="",
        command="",
    )
    return with_reply({**target.turn, "id": turn_id}, target.index, reply)


def with_reply(turn: Turn, index: int, reply: Reply) -> Turn:
    """A copy of `turn` with one reply replaced."""
    replies = [*turn["replies"]]
    replies[index] = reply
    return {**turn, "replies": replies}
