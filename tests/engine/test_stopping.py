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


class SlowStopRule:
    """The rule in so many words: every end of what is held is compared with every stop string and every beginning."""

    def __init__(self, stops: list[Ids]) -> None:
        self.stops, self.stopped = stops, False
        self.held: Ids = ()

    def push(self, new_id: int) -> Ids:
        ids = (*self.held, new_id)
        for stop in self.stops:
            if ids[-len(stop) :] == stop:
                self.stopped, self.held = True, ()
                return ids[: -len(stop)]
        beginnings = {stop[:n] for stop in self.stops for n in range(1, len(stop))}
        for length in range(len(ids), 0, -1):
            if ids[-length:] in beginnings:
                self.held = ids[-length:]
                return ids[:-length]
        self.held = ()
        return ids


@given(ids, st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple), max_size=6))
def test_the_automaton_does_what_the_rule_says_at_every_id(text: Ids, stops: list[Ids]) -> None:
    rule, slow = StopRule(stops), SlowStopRule(stops)
    for new_id in text:
        assert (rule.push(new_id), rule.held, rule.stopped) == (slow.push(new_id), slow.held, slow.stopped)
        if rule.stopped:
            break


def test_a_stop_string_of_twenty_thousand_ids_takes_no_more_states_than_ids() -> None:
    """All its beginnings were stored and compared, which took 17 s and 1.8 GB."""
    stop = (0,) * 20_000 + (1,)
    rule = StopRule([stop])
    assert len(rule._depth) == len(stop) + 1
    assert all(rule.push(0) == () for _ in range(20_000))
    assert [rule.push(0), rule.push(2)] == [(0,), (0,) * 20_000 + (2,)]
    assert rule.held == ()
    released = [rule.push(one_id) for one_id in stop]
    assert rule.stopped and not any(released)
