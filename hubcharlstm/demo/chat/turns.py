"""A message and its replies as the page keeps them: JSON values, and the quiet line under each reply."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypedDict

from hubcharlstm.demo.chat.requests import read_id
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.settings import MAX_MESSAGE, MAX_REPLY, Settings, parse_seed
from hubcharlstm.engine.sequence import FinishReason

ENDINGS: dict[FinishReason, str] = {
    "length": "length reached",
    "stop": "ended by itself",
    "cancelled": "stopped",
}


class Reply(TypedDict):
    """text: the continuation alone, which only ever grows at its end. The rest tells how to write it again.

    seed: as text, since JavaScript rounds numbers above 2**53.
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
    replay_check: str
    hash: str
    caption: str
    link: str
    python: str
    command: str


class Turn(TypedDict):
    """typed: the visitor's words. prompt: all that the model read. shown: its end, which stands before the replies."""

    id: str
    typed: str
    speaker: str
    context: str
    prompt: str
    shown: str
    warnings: list[str]
    replies: list[Reply]


@dataclass(frozen=True)
class ContinueTarget:
    """Where a reply is to be continued: read from what the page kept, so nothing of it is trusted."""

    turn: Turn
    index: int
    prompt: str
    text: str
    seed: int
    settings: Settings
    ended_by_stop: bool

    @property
    def reply(self) -> Reply:
        return self.turn["replies"][self.index]


def text_hash(text: str) -> str:
    """What a receipt says of its text: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cycle_in(text: str) -> str:
    """What `text` ends in twice over, "" if in nothing that long; for greedy replies, which then never leave it.

    Finds circles too long for the library to be certain of, which needs three rounds of up to 200 characters.
    """
    for length in range(20, len(text) // 2 + 1):
        if text[-length:] == text[-2 * length : -length]:
            return text[-length:]
    return ""


def make_caption(reply: Reply) -> str:
    """The quiet line under a reply."""
    count = len(reply["text"])
    written = "writing" if reply["writing"] else f"{count:,} character{'' if count == 1 else 's'}"
    name = reply["model"] + (f" @ {reply['revision'][:7]}" if reply["revision"] else "")
    parts = [
        written,
        f"seed {reply['seed']}",
        f"temperature {reply['temperature']:g}",
        f"top-k {reply['top_k']}" if reply["top_k"] else "",
        f"top-p {reply['top_p']:g}" if reply["top_p"] < 1 else "",
        f"min-p {reply['min_p']:g}" if reply["min_p"] else "",
        name,
        f"{reply['precision']} on {reply['device']}",
        f"{reply['rate']:,.0f} characters/s" if reply["rate"] else "",
        reply["ending"],
    ]
    return " · ".join(part for part in parts if part)


def with_settings(reply: Reply, **changes: Any) -> Reply:
    """A reply with some values changed and its quiet line made anew."""
    changed: Reply = {**reply, **changes}  # type: ignore[typeddict-item]
    return {**changed, "caption": make_caption(changed)}


def parse_continue_target(data: Any) -> ContinueTarget:
    """The reply that the page wants continued; raises `Problem` if what it sent cannot be one."""
    try:
        turn, index = data["place"], data["index"]
        reply = turn["replies"][index]
        text, prompt = reply["text"], turn["prompt"]
        texts = (text, prompt, turn["typed"], turn["speaker"], turn["context"], turn["shown"], reply["stop"])
        seed = parse_seed(reply["seed"])
        sound = all(isinstance(one, str) for one in (*texts, *turn["warnings"], *(r["text"] for r in turn["replies"])))
        if not sound or seed is None or not 0 <= index < len(turn["replies"]) <= 4 or len(prompt) > 3 * MAX_MESSAGE:
            raise TypeError
        settings = Settings(
            reply["temperature"], 1, reply["top_k"], reply["top_p"], reply["min_p"], reply["stop"]
        )  # fmt: skip
        read_id(reply["id"])
    except (KeyError, TypeError, IndexError, AttributeError):
        raise UserError("This reply was kept in a form that this page does not know: retry it.") from None
    if len(text) >= MAX_REPLY:
        raise UserError(f"The reply has {len(text):,} characters; it may grow to {MAX_REPLY:,}: start a new message.")
    return ContinueTarget(turn, index, prompt, text, seed, settings, reply.get("ending") == ENDINGS["stop"])
