"""Which tabs belong to one browser, and when it has been gone for how long."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("gradio")

from hubcharlstm import BusyError
from hubcharlstm.demo import owners
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.owners import Owners, check_owner
from tests.support.clock import ManualClock

KEY, OTHER = "0" * 32, "f" * 32


def test_an_owner_is_absent_once_its_last_tab_has_gone() -> None:
    clock = ManualClock()
    known = Owners(clock)
    assert known.absent_seconds(KEY) == math.inf and known.of("one") == "" and known.of(None) == ""
    for session in ("one", "two"):
        known.connect(session)
        known.identify(session, KEY)
    assert known.of("one") == known.of("two") == KEY
    clock.now += 50
    known.disconnect("one")
    clock.now += 50
    assert known.absent_seconds(KEY) == 0
    known.disconnect("two")
    clock.now += 30
    assert known.absent_seconds(KEY) == 30 and known.absent_seconds(OTHER) == math.inf
    known.connect("two")  # its connection broke, and came back
    assert known.absent_seconds(KEY) == 0 and known.of("two") == KEY


def test_a_page_that_is_loaded_again_is_the_same_owners() -> None:
    clock = ManualClock()
    known = Owners(clock)
    known.connect("before")
    known.identify("before", KEY)
    known.disconnect("before")
    clock.now += 2
    known.identify("after", KEY)  # before its heartbeat begins
    assert known.absent_seconds(KEY) == 0
    known.connect("after")
    clock.now += 1_000
    assert known.absent_seconds(KEY) == 0


def test_tabs_are_forgotten_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    known = Owners(clock)
    known.connect("nobody")
    known.disconnect("nobody")
    assert len(known._tabs) == 0, "a tab without models costs nothing once it has gone"
    monkeypatch.setattr(owners, "MAX_TABS", 2)
    for session in ("one", "two"):
        known.identify(session, KEY)
        known.connect(session)
    with pytest.raises(BusyError, match="Too many pages"):
        known.identify("three", KEY)
    for session in ("one", "two"):
        known.disconnect(session)
    clock.now += owners.FORGET_SECONDS + 1
    known.identify("three", KEY)
    assert list(known._tabs) == ["three"]
    known.identify("", OTHER)
    assert known.absent_seconds(OTHER) == math.inf


def test_invented_sessions_keep_nobody_out() -> None:
    """5,000 invented sessions filled the list, and for an hour no visitor could own a model."""
    clock = ManualClock()
    known = Owners(clock)
    known.identify("open", KEY, "b")
    known.connect("open")
    known.identify("closed", OTHER, "b")
    known.connect("closed")
    known.disconnect("closed")
    for number in range(owners.MAX_TABS + 10):
        clock.now += 0.01
        known.identify(f"invented{number}", "a" * 32)
    known.identify("new", KEY, "b")
    assert len(known._tabs) == owners.MAX_TABS and known.of("new") == known.of("open") == KEY
    assert known.of("closed") == OTHER, "a tab that was open goes after those that never were"


def test_one_address_fills_its_own_share_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "MAX_TABS_PER_ADDRESS", 2)
    known = Owners(ManualClock())
    known.identify("other", OTHER, "b")
    for session in ("one", "two", "three"):
        known.identify(session, KEY, "a")
    assert list(known._tabs) == ["other", "two", "three"]
    for session in ("two", "three"):
        known.connect(session)
    with pytest.raises(BusyError, match="Too many pages"):
        known.identify("four", KEY, "a")


def test_a_tab_whose_heartbeat_comes_first_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bound held for it: whoever opened and closed pages made the list as long as they liked."""
    monkeypatch.setattr(owners, "MAX_TABS_PER_ADDRESS", 2)
    monkeypatch.setattr(owners, "MAX_TABS", 3)
    known = Owners(ManualClock())
    for number, address in enumerate(["a"] * 5 + ["b", "c", ""]):
        known.connect(f"tab{number}")
        known.identify(f"tab{number}", KEY, address)
        known.disconnect(f"tab{number}")
        assert len(known._tabs) == min(number + 1, 2 if address == "a" else 3)
    for session in ("one", "two", "three"):
        known.connect(session)
    known.identify("one", KEY, "a")
    known.identify("two", KEY, "a")
    with pytest.raises(BusyError, match="Too many pages"):
        known.identify("three", KEY, "a")
    assert known.of("one") == known.of("two") == KEY and known.of("three") == ""


@pytest.mark.parametrize("key", [None, 7, "", "0" * 31, "G" * 32, "0" * 32 + "\n", ["0" * 32]])
def test_a_key_is_32_hexadecimal_digits(key: object) -> None:
    with pytest.raises(UserError, match="expected 32 hexadecimal digits"):
        check_owner(key)
    assert check_owner(KEY) == KEY
