"""The scheduler's policy, without a model: who waits, prefills, runs and pauses, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubcharlstm.decoding.sampling import RandomStream, SamplingParams
from hubcharlstm.engine.scheduler import Scheduler
from hubcharlstm.engine.sequence import EngineRequest, GenerationRequest
from hubcharlstm.errors import BusyError

MAX_ROWS, MAX_WAITING, TIME_SLICE = 3, 4, 10


def engine_request(max_buffered_tokens: int | None = None) -> EngineRequest:
    return EngineRequest(GenerationRequest((1,), 100, SamplingParams(), RandomStream(1)), max_buffered_tokens)


def running(scheduler: Scheduler, count: int, max_buffered_tokens: int | None = None) -> list[EngineRequest]:
    """Add `count` requests and let them run."""
    requests = [engine_request(max_buffered_tokens) for _ in range(count)]
    for request in requests:
        scheduler.add(request)
    for request in scheduler.admit():
        scheduler.start_running(request)
    return requests


def test_requests_are_admitted_in_order_up_to_the_rows() -> None:
    scheduler = Scheduler(2, 4, TIME_SLICE)
    assert scheduler.is_idle
    requests = [engine_request() for _ in range(4)]
    for request in requests:
        scheduler.add(request)
    assert scheduler.admit() == requests[:2] == list(scheduler.prefilling)
    assert scheduler.admit() == []
    scheduler.start_running(requests[1])
    assert scheduler.admit() == []  # a prefilling request holds a row, too
    scheduler.remove(requests[0])
    assert scheduler.admit() == [requests[2]]
    assert scheduler.load == {"running": 1, "prefilling": 1, "waiting": 1, "paused": 0}


def test_one_request_too_many_is_refused_with_the_number_of_all() -> None:
    scheduler = Scheduler(1, 2, TIME_SLICE)
    running(scheduler, 1)
    for _ in range(2):
        scheduler.add(engine_request())
    with pytest.raises(BusyError, match=r"^3 requests are being served or wait"):
        scheduler.add(engine_request())
    assert len(scheduler) == 3


def test_those_past_their_time_slice_are_preempted_the_longest_running_first() -> None:
    scheduler = Scheduler(3, 4, TIME_SLICE)
    first, second, third = running(scheduler, 3)
    first.num_sampled_since_admitted, second.num_sampled_since_admitted = TIME_SLICE, TIME_SLICE + 5
    third.num_sampled_since_admitted = TIME_SLICE - 1
    assert scheduler.select_preempted() == []  # nobody waits
    newcomers = [engine_request() for _ in range(3)]
    scheduler.add(newcomers[0])
    assert scheduler.select_preempted() == [second]
    for request in newcomers[1:]:
        scheduler.add(request)
    preempted = scheduler.select_preempted()
    assert preempted == [second, first]
    scheduler.preempt(preempted)
    assert scheduler.admit() == newcomers[:2]
    assert list(scheduler.waiting) == [newcomers[2], second, first]


def test_a_free_row_serves_before_any_is_preempted() -> None:
    scheduler = Scheduler(3, 4, TIME_SLICE)
    for request in running(scheduler, 2):
        request.num_sampled_since_admitted = TIME_SLICE
    scheduler.add(engine_request())
    assert scheduler.select_preempted() == []


def test_a_paused_request_resumes_before_newcomers_once_half_its_buffer_is_taken() -> None:
    scheduler = Scheduler(2, 4, TIME_SLICE)
    paused = running(scheduler, 2, max_buffered_tokens=4)
    for request in paused:
        request.output_ids = [1, 2, 3, 4]
        assert request.above_high_watermark and not request.below_low_watermark
    scheduler.pause(paused)
    assert scheduler.is_idle and all(request.paused for request in paused)
    newcomer = engine_request()
    scheduler.add(newcomer)
    scheduler.resume()
    assert list(scheduler.waiting) == [newcomer]
    for request in paused:
        request.output_ids = request.output_ids[:2]
    scheduler.resume()
    assert list(scheduler.waiting) == [*paused, newcomer]
    assert not any(request.paused for request in paused)


def test_cancelled_requests_are_removed_from_every_queue() -> None:
    scheduler = Scheduler(2, 4, TIME_SLICE)
    ran, paused = running(scheduler, 2)
    scheduler.pause([paused])
    prefilling, waiting, other = (engine_request() for _ in range(3))
    for request in (prefilling, waiting, other):
        scheduler.add(request)
    assert scheduler.admit() == [prefilling]
    for request in (ran, paused, prefilling, waiting):
        request.cancelled = True
    assert set(scheduler.remove_cancelled()) == {ran, paused, prefilling, waiting}
    assert scheduler.remove_cancelled() == []
    assert scheduler.remove_all() == [other]
    assert len(scheduler) == 0


class AnyOrder(RuleBasedStateMachine):
    """Whatever is called in whatever order, a request is in one queue, and never more than `MAX_ROWS` have a row."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(MAX_ROWS, MAX_WAITING, TIME_SLICE)
        self.present: dict[EngineRequest, None] = {}  # ordered, for hypothesis repeats its draws

    @rule(max_buffered_tokens=st.sampled_from([None, 2]))
    def add(self, max_buffered_tokens: int | None) -> None:
        request = engine_request(max_buffered_tokens)
        if len(self.scheduler.waiting) < MAX_WAITING:
            self.scheduler.add(request)
            self.present[request] = None
        else:
            with pytest.raises(BusyError):
                self.scheduler.add(request)

    @rule()
    def admit(self) -> None:
        self.scheduler.admit()

    @precondition(lambda self: self.scheduler.prefilling)
    @rule(data=st.data())
    def start_running(self, data: st.DataObject) -> None:
        self.scheduler.start_running(data.draw(st.sampled_from(list(self.scheduler.prefilling))))

    @precondition(lambda self: self.scheduler.running)
    @rule(data=st.data(), count=st.integers(1, 2 * TIME_SLICE))
    def sample(self, data: st.DataObject, count: int) -> None:
        data.draw(st.sampled_from(list(self.scheduler.running))).num_sampled_since_admitted += count

    @rule()
    def preempt(self) -> None:
        self.scheduler.preempt(self.scheduler.select_preempted())

    @precondition(lambda self: self.scheduler.running)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(list(self.scheduler.running)))
        request.output_ids = [1, 2]
        self.scheduler.pause([request])

    @precondition(lambda self: self.scheduler.paused)
    @rule(data=st.data())
    def take_and_resume(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(list(self.scheduler.paused))).take()
        self.scheduler.resume()

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(list(self.present)))
        request.cancelled = True
        assert self.scheduler.remove_cancelled() == [request]
        del self.present[request]

    @rule()
    def remove_all(self) -> None:
        assert set(self.scheduler.remove_all()) == set(self.present)
        self.present = {}

    @invariant()
    def each_request_is_in_one_queue(self) -> None:
        scheduler = self.scheduler
        queued = [*scheduler.waiting, *scheduler.prefilling, *scheduler.running, *scheduler.paused]
        assert len(queued) == len(set(queued)) == len(scheduler) == sum(scheduler.load.values())
        assert set(queued) == set(self.present)
        assert len(scheduler.running) + len(scheduler.prefilling) <= MAX_ROWS
        assert {request for request in queued if request.paused} == set(scheduler.paused)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
