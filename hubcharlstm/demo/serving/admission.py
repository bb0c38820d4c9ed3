"""Admission control: limits on concurrent and queued requests, per session, per address and in total."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from starlette.requests import HTTPConnection

from hubcharlstm import BusyError
from hubcharlstm.demo.serving.proxies import TrustedProxies
from hubcharlstm.demo.words.catalogue import Sentence, sentence

MAX_PER_ADDRESS_ON_A_SPACE = 50
"""Concurrent requests of one address on a Space, where a whole school or office may share one."""

MAX_LIMIT = 999_999

INITIAL_DURATION = 3.0
"""Estimated seconds of a request before the first one has completed."""

SHUTTING_DOWN = sentence("busy.shutting_down")


@dataclass(frozen=True)
class Limits:
    """max_concurrent: requests served at one time. max_queued: requests that wait for their turn.
    max_per_session: concurrent requests of one session. max_per_address: of one network address, 0 for no limit."""

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
            if not (text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) >= least):
                raise ValueError(
                    f"{name} is {text[:100]!r}; expected a whole number from {least} to {MAX_LIMIT:,}: correct it, or "
                    "unset it."
                )
            limits[field.name] = int(text)
        return cls(**limits)


@dataclass(frozen=True)
class ClientIdentity:
    """The client that limits count for. session: of a page or a program; address: its IP address. "" for unknown."""

    session: str = ""
    address: str = ""

    @classmethod
    def of(cls, request: Any) -> ClientIdentity:
        """The sender of a `gr.Request`; unknown if `request` is None."""
        if request is None or request.request is None:
            return cls()
        # Gradio sends the tool calls of all assistants through one client of its own, whose session is nobody's.
        session = "" if request.request.headers.get("x-gradio-user") == "mcp" else request.session_hash or ""
        return cls(session, address_of(request.request))

    @classmethod
    def of_http(cls, request: HTTPConnection) -> ClientIdentity:
        """The sender of a plain HTTP request, which belongs to no session."""
        return cls("", address_of(request))


def address_of(connection: HTTPConnection) -> str:
    """The network address that limits count for, "" if it is unknown: as `TrustedProxies.client_address` says."""
    peer = connection.client.host if connection.client is not None else ""
    return TrustedProxies.of(os.environ).client_address(peer, connection.headers.getlist("x-forwarded-for"))


class AdmissionController:
    """Admits requests, queues them in order, or refuses them. Used by one event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.running: set[QueueTicket] = set()
        self.waiting: deque[QueueTicket] = deque()
        self.is_shutting_down = False
        self.must_stop = False
        """True once running requests must end, too."""
        self._per_session: Counter[str] = Counter()
        self._per_address: Counter[str] = Counter()
        self._mean_duration = INITIAL_DURATION  # seconds, an exponential moving average

    def enter(self, client: ClientIdentity) -> QueueTicket:
        """A ticket for one request, to be used in a `with`; raises `BusyError` if a limit is reached."""
        limits = self.limits
        if self.is_shutting_down:
            raise BusyError(SHUTTING_DOWN)
        if client.session and self._per_session[client.session] >= limits.max_per_session:
            raise BusyError(sentence("busy.session", limit=limits.max_per_session))
        if limits.max_per_address and client.address and self._per_address[client.address] >= limits.max_per_address:
            raise BusyError(sentence("busy.address", limit=limits.max_per_address))
        if len(self.waiting) >= limits.max_queued and len(self.running) >= limits.max_concurrent:
            requests = len(self.running) + len(self.waiting)
            raise BusyError(sentence("busy.full", requests=requests, wait=self.estimated_wait(len(self.waiting))))
        return QueueTicket(self, client)

    def add(self, ticket: QueueTicket) -> None:
        self._per_session[ticket.client.session] += 1
        self._per_address[ticket.client.address] += 1
        self.waiting.append(ticket)
        self._admit()

    def remove(self, ticket: QueueTicket) -> None:
        for counts, key in ((self._per_session, ticket.client.session), (self._per_address, ticket.client.address)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        if ticket in self.running:
            self.running.remove(ticket)
            self._mean_duration += (time.monotonic() - ticket.started - self._mean_duration) / 20
        else:
            self.waiting.remove(ticket)
        self._admit()

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.limits.max_concurrent:
            ticket = self.waiting.popleft()
            self.running.add(ticket)
            ticket.notify()

    def estimated_wait(self, position: int) -> Sentence:
        """The estimated wait of a request with `position` others before it, in words."""
        seconds = max(1, math.ceil(self._mean_duration * (position + 1) / self.limits.max_concurrent))
        return sentence("busy.wait", n=seconds)

    async def shut_down(self, finish: float, stop: float) -> None:
        """Refuse new and queued requests; give the running ones `finish` seconds to finish and `stop` more to stop."""
        self.is_shutting_down = True
        for ticket in self.waiting:
            ticket.notify()
        deadline = time.monotonic() + finish
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.must_stop = True
        while (self.running or self.waiting) and time.monotonic() < deadline + stop:
            await asyncio.sleep(0.02)


class QueueTicket:
    """One request's place in the queue, and then among the running ones. A context manager."""

    def __init__(self, admission: AdmissionController, client: ClientIdentity) -> None:
        self.client = client
        self.started = 0.0
        self._admission = admission
        self._turn = asyncio.Event()

    def __enter__(self) -> Self:
        self._admission.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.remove(self)

    def notify(self) -> None:
        """Wake the request: it is its turn, or the server shuts down."""
        self.started = time.monotonic()
        self._turn.set()

    @property
    def position(self) -> int:
        """How many requests have their turn before this one."""
        waiting = self._admission.waiting
        return waiting.index(self) if self in waiting else 0

    @property
    def status_message(self) -> Sentence:
        """The sentence for a client whose request waits."""
        position = self.position
        wait = self._admission.estimated_wait(position)
        return sentence("busy.position", n=position, wait=wait) if position else sentence("busy.next", wait=wait)

    async def wait_for_turn(self, timeout: float) -> bool:
        """True once it is this request's turn, False after `timeout` seconds; raises `BusyError` at shutdown."""
        try:
            async with asyncio.timeout(timeout):
                await self._turn.wait()
        except TimeoutError:
            return False
        if self in self._admission.waiting:
            raise BusyError(SHUTTING_DOWN)
        return True
