"""One thread or several: the faster one is chosen by what steps take, and chosen anew when that changes."""

from __future__ import annotations

from collections.abc import Callable

from hubcharlstm.decoding.thread_choice import MAX_PROBE_INTERVAL, ThreadChoice


def run(choice: ThreadChoice, seconds: float, step: Callable[[bool], float]) -> dict[bool, float]:
    """The share of time spent serial and parallel while steps take step(parallel) seconds."""
    spent = {False: 0.0, True: 0.0}
    while sum(spent.values()) < seconds:
        parallel = choice.parallel
        spent[parallel] += step(parallel)
        choice.record(parallel, step(parallel))
    return {parallel: value / sum(spent.values()) for parallel, value in spent.items()}


def idle(parallel: bool) -> float:
    """Twice as fast on several threads."""
    return 0.0002 if parallel else 0.0004


def busy(parallel: bool) -> float:
    """The threads wait for each other."""
    return 0.004 if parallel else 0.0004


def test_several_threads_are_taken_where_they_are_faster() -> None:
    assert run(ThreadChoice(), 10, idle)[True] > 0.97


def test_one_thread_is_taken_beside_a_busy_process() -> None:
    assert run(ThreadChoice(), 10, busy)[False] > 0.97


def test_one_thread_is_kept_where_several_gain_almost_nothing() -> None:
    assert run(ThreadChoice(), 10, lambda parallel: 0.00039 if parallel else 0.0004)[False] > 0.9


def test_the_choice_follows_the_machine() -> None:
    """A neighbour comes and goes: its arrival shows in the next block, its departure at the next probe."""
    choice = ThreadChoice()
    run(choice, 10, idle)
    assert run(choice, 1, busy)[False] > 0.9
    run(choice, 2 * MAX_PROBE_INTERVAL, busy)
    run(choice, 1.1 * MAX_PROBE_INTERVAL, idle)
    assert run(choice, 10, idle)[True] > 0.97


def test_no_probe_is_made_while_the_cores_are_busy() -> None:
    """Each probe beside a busy process took a tenth of a second from the first two."""
    is_idle, asked = [False], []

    def may_probe() -> bool:
        asked.append(is_idle[0])
        return is_idle[0]

    choice = ThreadChoice(may_probe)
    assert run(choice, 5, busy)[True] == 0
    assert 20 <= len(asked) <= 60  # not at each step
    is_idle[0] = True
    run(choice, 0.2, idle)
    assert run(choice, 5, idle)[True] > 0.97
    is_idle[0] = False  # its own threads are busy now, which says nothing
    assert run(choice, 5, idle)[True] > 0.97


def test_a_probe_that_hangs_ends_with_its_first_step() -> None:
    """Four busy processes on two cores: a step on several threads may take as long as four time slices."""
    steps = []
    choice = ThreadChoice()

    def step(parallel: bool) -> float:
        steps.append(parallel)
        return 0.03 if parallel else 0.0004

    run(choice, 1, step)
    assert 1 <= steps.count(True) <= 3


def test_times_of_another_kind_of_step_are_ignored() -> None:
    """Two threads share a choice: one has switched while the other was in its step."""
    choice = ThreadChoice()
    for _ in range(1000):
        choice.record(True, 1.0)
    assert choice.parallel is False
