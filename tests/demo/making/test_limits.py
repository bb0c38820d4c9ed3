"""Whether anything may be made here, and what of it is taken."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

pytest.importorskip("gradio")

from hubcharlstm import BusyError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.making.limits import MakingLimits, check_room, check_seconds, check_text, check_title


def test_it_is_on_at_home_and_off_on_a_space_unless_its_owner_says_so() -> None:
    assert MakingLimits.of({}) == MakingLimits()
    assert MakingLimits.of({"HUBCHARLSTM_MAKE_YOUR_OWN": "0"}) is None
    assert MakingLimits.of({"SPACE_ID": "user/space"}) is None
    on = MakingLimits.of({"SPACE_ID": "user/space", "HUBCHARLSTM_MAKE_YOUR_OWN": "1"})
    assert on is not None and on.max_per_address == 2
    with pytest.raises(ValueError, match="expected 1, 0 or nothing"):
        MakingLimits.of({"HUBCHARLSTM_MAKE_YOUR_OWN": "yes"})


def test_it_is_off_where_the_trainer_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "accelerate" else real(name))
    assert MakingLimits.of({}) is None


def test_texts_are_bounded() -> None:
    assert check_text("a" * 2_000) and check_text("𝄞" * 1_000_000)
    with pytest.raises(UserError, match=r"has 1,999 characters; expected 2,000 at least"):
        check_text("a" * 1_999)
    with pytest.raises(UserError, match=r"has 1,000,001 characters; expected 1,000,000 at most"):
        check_text("a" * 1_000_001)


@pytest.mark.parametrize("value", [0, 31, -30, 1e9, "30", None, True, float("nan"), [30]])
def test_no_other_time_is_taken(value: Any) -> None:
    with pytest.raises(UserError):
        check_seconds(value)
    assert check_seconds(30) == 30


def test_a_title_is_one_line_that_can_be_shown() -> None:
    assert check_title("  My\n\0diary,\u202e 2024 ") == "My diary 2024"
    assert check_title("") == check_title("\n\t,") == "my text"
    assert len(check_title("x" * 1_000)) == 60


def test_room_is_counted_in_all_and_by_address() -> None:
    limits = MakingLimits(max_jobs=3, max_per_address=2)
    check_room(limits, 2, 1)
    with pytest.raises(BusyError, match="Your network address has 2 texts here"):
        check_room(limits, 2, 2)
    with pytest.raises(BusyError, match="Visitors have 3 texts here"):
        check_room(limits, 3, 0)
