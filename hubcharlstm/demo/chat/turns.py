"""A message and its replies as the page stores them: JSON values."""

from __future__ import annotations

import hashlib
from typing import Any, TypedDict

from hubcharlstm.engine.sequence import FinishReason

ENDINGS: dict[FinishReason, str] = {
    "length": "length reached",
    "stop": "ended by itself",
    "cancelled": "stopped",
}

CUT_ENDING = "length reached, cut after a whole sentence"
"""The ending of a character's reply that reached its length; a continuation goes on from what is shown."""


class Reply(TypedDict):
    """A reply and all that is needed to generate it again. text: the continuation alone, which only grows at its end.

    prompt, shown: as in its turn, where this reply's model reads the message otherwise; else "".

    seed: a string, because JavaScript rounds integers above 2**53. ending: one of `ENDINGS`, which the page knows.
    replay_check: a sentence as JSON, "" for none. clamp: [layer, unit, value] of each clamped cell.

    opening: the beginning of text that the visitor chose; the model wrote on from there.
    """

    id: str
    text: str
    seed: str
    temperature: float
    length: int
    top_k: int
    top_p: float
    min_p: float
    stop: str
    model: str
    revision: str
    precision: str
    device: str
    writing: bool
    continued: bool
    ending: str
    rate: float
    cycle: str
    replay_check: Any
    hash: str
    link: str
    python: str
    command: str
    prompt: str
    shown: str
    clamp: list[list[float]]
    opening: str


class Turn(TypedDict):
    """A message and its replies.

    typed: the message. prompt: what the model reads. shown: the end of the prompt, which the page shows before a reply.
    warnings: sentences as JSON.
    """

    id: str
    typed: str
    speaker: str
    context: str
    prompt: str
    shown: str
    warnings: list[Any]
    replies: list[Reply]


def text_hash(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text, by which a permalink recognizes it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cycle_in(text: str) -> str:
    """What the end of `text` repeats once, of 20 characters or more; "" for nothing. A greedy reply never leaves it.

    Finds cycles too long for the library, which reports only what was repeated three times, in up to 200 characters.
    """
    for length in range(20, len(text) // 2 + 1):
        if text[-length:] == text[-2 * length : -length]:
            return text[-length:]
    return ""


def updated(reply: Reply, **changes: Any) -> Reply:
    """A copy of a reply with some values changed."""
    return {**reply, **changes}  # type: ignore[typeddict-item]  # callers name its keys
