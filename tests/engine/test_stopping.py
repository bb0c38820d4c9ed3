"""The stop rule against a reference that searches the whole text at the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm.engine.stopping import Ids, StopRule

ids = st.lists(st.integers(0, 2), max_size=30).map(tuple)
stop_lists = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), max_size=3)


def reference(text: Ids, stops: list[Ids]) -> Ids | None:
    """The text before the stop that is complete first, or None. Of two that end together the first listed counts."""
    for end in range(1, len(text) + 1):
        for stop in stops:
            if text[:end][-len(stop) :] == stop:
                return text[: end - len(stop)]
    return None


@given(ids, stop_lists)
def test_shown_and_held_together_are_the_text_up_to_the_first_stop(text: Ids, stops: list[Ids]) -> None:
    rule = StopRule(stops)
    shown: Ids = ()
    for new_id in text:
        shown += rule.push(new_id)
        if rule.stopped:
            break
    expected = reference(text, stops)
    assert rule.stopped == (expected is not None)
    assert shown + rule.held == (text if expected is None else expected)


@given(ids, ids, stop_lists)
def test_what_is_shown_is_never_taken_back_whatever_follows(text: Ids, more: Ids, stops: list[Ids]) -> None:
    rule = StopRule(stops)
    shown: Ids = ()
    for new_id in text:
        shown += rule.push(new_id)
        if rule.stopped:
            break
    final = reference(text + more, stops)
    assert (text + more if final is None else final)[: len(shown)] == shown


def test_a_false_start_is_released() -> None:
    rule = StopRule([(1, 1, 2)])
    assert [rule.push(i) for i in (1, 1, 1, 0)] == [(), (), (1,), (1, 1, 0)]


def test_without_stops_all_is_released_at_once() -> None:
    rule = StopRule([])
    assert [rule.push(i) for i in (4, 5)] == [(4,), (5,)]
