"""How much is served at one time: to one visitor, to one address and in all; the rest wait or come back later."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from hubcharlstm import BusyError

MAX_PER_ADDRESS_ON_A_SPACE = 50
"""Requests of one address at once on a Space, where a school or an office may stand behind one."""

FIRST_GUESS = 3.0
"""Seconds that a request is taken to last before any has been seen to its end."""

ENDING = "The app is ending; expected it to go on: try again in a minute."


@dataclass(frozen=True)
class Limits:
    """max_concurrent: requests that are served at one time. max_queued: requests that wait for their turn.
    max_per_session: concurrent requests of one session. max_per_address: of one network address, 0 for no bound."""

    max_concurrent: int = 200
    max_queued: int = 300
    max_per_session: int = 4
    max_per_address: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read HUBCHARLSTM_MAX_CONCURRENT, _MAX_QUEUED, _MAX_PER_SESSION and _MAX_PER_ADDRESS.

        Raises `ValueError` for anything but a whole number in range.
        """
        limits: dict[str, int] = {"max_per_address": MAX_PER_ADDRESS_ON_A_SPACE} if environment.get("SPACE_ID") else {}
        for field in fields(cls):
            name = f"HUBCHARLSTM_{field.name.upper()}"
            text = environment.get(name, "")
            least = 1 if field.name in ("max_concurrent", "max_per_session") else 0
            if not text:
                continue
            if not (text.isascii() and text.isdecimal() and len(text) < 7 and int(text) >= least):
                raise ValueError(f"{name} is {text!r}; expected a whole number from {least}: correct it, or unset it.")
            limits[field.name] = int(text)
        return cls(**limits)


@dataclass(frozen=True)
class ClientIdentity:
    """Who asks. session: the page's or the client's; address: where from."""

    session: str = ""
    address: str = ""

    @classmethod
    def of(cls, request: Any) -> ClientIdentity:
        """Who sent a `gr.Request`, or nobody in particular where there is none.

        On a Space the nearest proxy's word counts for the address, the last one that is no private network's: what
        stands before it may be made up. Elsewhere what a visitor claims is not read.
        """
        if request is None or request.request is None:
            return cls()
        client, headers = request.client, request.request.headers
        address = client.host if client is not None else ""
        if os.environ.get("SPACE_ID"):
            hops = [hop.strip()[:64] for hop in headers.get("x-forwarded-for", "").split(",")]
            address = next((hop for hop in reversed(hops) if is_public(hop)), address)
        # Tool calls of all assistants arrive over one client of Gradio's own, so that its session is nobody's.
        session = "" if headers.get("x-gradio-user") == "mcp" else request.session_hash or ""
        return cls(session, address)


def is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


class AdmissionController:
    """Who is served now, who waits, and who is told that there is no room. Used by one event loop alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.running: set[QueueTicket] = set()
        self.waiting: deque[QueueTicket] = deque()
        self.is_ending = self.must_stop = False
        self._of_session: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self._lasts = FIRST_GUESS

    def enter(self, visitor: ClientIdentity) -> QueueTicket:
        """A place for one request, to be used in a `with`; raises `BusyError` if there is none."""
        limits = self.limits
        if self.is_ending:
            raise BusyError(ENDING)
        if visitor.session and self._of_session[visitor.session] >= limits.max_per_session:
            raise BusyError(
                f"You have {limits.max_per_session} requests under way; expected no more at once: wait until one has "
                "ended."
            )
        if limits.max_per_address and visitor.address and self._of_address[visitor.address] >= limits.max_per_address:
            raise BusyError(
                f"{limits.max_per_address} requests of your network address are under way; expected no more at once: "
                "wait until one has ended."
            )
        if len(self.waiting) >= limits.max_queued and len(self.running) >= limits.max_concurrent:
            raise BusyError(
                f"The app is busy ({len(self.running) + len(self.waiting)} requests are written or wait): try again "
                f"in {self.in_about(len(self.waiting))}."
            )
        return QueueTicket(self, visitor)

    def add(self, place: QueueTicket) -> None:
        self._of_session[place.visitor.session] += 1
        self._of_address[place.visitor.address] += 1
        self.waiting.append(place)
        self._admit()

    def remove(self, place: QueueTicket) -> None:
        for counts, key in ((self._of_session, place.visitor.session), (self._of_address, place.visitor.address)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        if place in self.running:
            self.running.remove(place)
            self._lasts += (time.monotonic() - place.began - self._lasts) / 20
        else:
            self.waiting.remove(place)
        self._admit()

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.limits.max_concurrent:
            place = self.waiting.popleft()
            self.running.add(place)
            place.begin()

    def in_about(self, before: int) -> str:
        """How long somebody waits who has `before` others before them, in words."""
        seconds = max(1, math.ceil(self._lasts * (before + 1) / self.limits.max_concurrent))
        return f"about {seconds} second{'' if seconds == 1 else 's'}"

    async def end(self, finish: float, stop: float) -> None:
        """Let nobody in, tell those who wait, give the others `finish` seconds to finish and `stop` more to stop."""
        self.is_ending = True
        for place in self.waiting:
            place.begin()  # to be told
        deadline = time.monotonic() + finish
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.must_stop = True
        while (self.running or self.waiting) and time.monotonic() < deadline + stop:
            await asyncio.sleep(0.02)


class QueueTicket:
    """One request's place in the row, and then its turn."""

    def __init__(self, admission: AdmissionController, visitor: ClientIdentity) -> None:
        self.visitor, self.began = visitor, 0.0
        self._gate = admission
        self._turn = asyncio.Event()

    def __enter__(self) -> Self:
        self._gate.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.remove(self)

    def begin(self) -> None:
        self.began = time.monotonic()
        self._turn.set()

    @property
    def before(self) -> int:
        """How many have their turn before this one."""
        return self._gate.waiting.index(self) if self in self._gate.waiting else 0

    @property
    def status_message(self) -> str:
        """What to tell while it waits."""
        before = self.before
        place = f"{before:,} before you" if before else "you are next"
        return f"The app is busy: {place}, in {self._gate.in_about(before)}."

    async def wait_for_turn(self, timeout: float) -> bool:
        """True once it is this request's turn, False after `timeout` seconds; raises `BusyError` if the app ends."""
        try:
            async with asyncio.timeout(timeout):
                await self._turn.wait()
        except TimeoutError:
            return False
        if self in self._gate.waiting:
            raise BusyError(ENDING)
        return True
