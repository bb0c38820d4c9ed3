"""Which browser a tab belongs to, and for how long a browser has had no tab open."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubcharlstm import BusyError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.words.catalogue import sentence

OWNER_HEADER = "x-hubcharlstm-owner"
"""Names the owner in a request of our own routes, which have no session of Gradio."""

MAX_TABS, MAX_TABS_PER_ADDRESS = 5_000, 500
"""Tabs that are remembered, of all and of one network address. Those that are closed make room for others, first those
that never held a heartbeat open, as invented sessions do; more open ones are refused."""

FORGET_SECONDS = 3_600.0
"""After which a tab that has gone is forgotten."""


@dataclass
class Tab:
    """owner: "" until the tab has named it. connections: open heartbeats. last_seen: monotonic seconds.

    was_open: whether it has ever held a heartbeat open. address: of its network, "" for unknown.
    """

    owner: str = ""
    connections: int = 0
    last_seen: float = 0.0
    was_open: bool = False
    address: str = ""


def check_owner(value: Any) -> str:
    """Return the key that a browser made up for itself, 128 random bits in hexadecimal; raise `UserError` otherwise."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{32}", value):
        raise UserError(sentence("owner.no_key"))
    return value


def owner_of(headers: Mapping[str, str]) -> str:
    """The owner that a request names, "" for none; raises `UserError` for a damaged key."""
    key = headers.get(OWNER_HEADER, "")
    return check_owner(key) if key else ""


class Owners:
    """The browsers that own something here, each by a random key that it alone knows. Used by one event loop only.

    A tab is a session of Gradio, which ends with its page. It holds a heartbeat open for as long as it exists, and
    names its owner when it opens.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tabs: dict[str, Tab] = {}

    def identify(self, session: str, owner: str, address: str = "") -> None:
        """A tab names its owner; raises `BusyError` if too many are open. address: of its network, "" for unknown."""
        if not session:
            return
        self._forget()
        known = self._tabs.get(session)
        if known is None or not known.owner:  # a heartbeat that came before has been counted by nobody
            same_address = [other for other, tab in self._tabs.items() if address and tab.address == address]
            if len(same_address) >= MAX_TABS_PER_ADDRESS:
                self._make_room(same_address)
            if len(others := [other for other in self._tabs if other != session]) >= MAX_TABS:
                self._make_room(others)
        tab = self._tabs.setdefault(session, Tab())
        tab.owner, tab.last_seen, tab.address = owner, self._clock(), address

    def of(self, session: str | None) -> str:
        """The owner of a tab, "" if it has named none. Asking counts as a sign of life."""
        tab = self._tabs.get(session or "")
        if tab is None:
            return ""
        tab.last_seen = self._clock()
        return tab.owner

    def connect(self, session: str) -> None:
        """A tab has opened its heartbeat."""
        tab = self._tabs.setdefault(session, Tab())
        tab.connections += 1
        tab.was_open = True
        tab.last_seen = self._clock()

    def disconnect(self, session: str) -> None:
        """A heartbeat has ended, as it does when the tab is closed or loaded again."""
        tab = self._tabs[session]
        tab.connections -= 1
        tab.last_seen = self._clock()
        if not tab.owner and not tab.connections:
            del self._tabs[session]

    def absent_seconds(self, owner: str) -> float:
        """For how long no tab of an owner has been open: 0 while one is, infinite for an owner that is unknown."""
        tabs = [tab for tab in self._tabs.values() if tab.owner == owner]
        if any(tab.connections for tab in tabs):
            return 0.0
        return self._clock() - max((tab.last_seen for tab in tabs), default=-math.inf)

    def _make_room(self, sessions: Sequence[str]) -> None:
        """Forget one closed tab among `sessions`; raises `BusyError` if all are open."""
        closed = [session for session in sessions if not self._tabs[session].connections]
        if not closed:
            raise BusyError(sentence("owner.too_many"))
        del self._tabs[min(closed, key=lambda one: (self._tabs[one].was_open, self._tabs[one].last_seen))]

    def _forget(self) -> None:
        now = self._clock()
        for session, tab in list(self._tabs.items()):
            if not tab.connections and now - tab.last_seen > FORGET_SECONDS:
                del self._tabs[session]
