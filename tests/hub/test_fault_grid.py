"""A seeded part of the faults at every request, and of kills; all of them are in benchmarks/hub_faults.py."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.support.fault_grid import SLOW, FaultGrid
from tests.support.hub_operations import OPERATIONS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="forks each of its calls")]
SEED, CASES, KILLS = 3, 60, 8
CHEAP = ("pull", "push", "move epochs", "space", "send a job", "cancel a job")
"""Operations of the part: the others are made of the same requests."""


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultGrid]:
    with FaultGrid(tmp_path_factory.mktemp("grid")) as grid:
        yield grid


def test_a_fault_at_any_request_leaves_the_old_or_the_new(grid: FaultGrid) -> None:
    cases = [case for name in CHEAP for case in grid.cases(f"{name}: ") if case.fault not in SLOW]
    met, wrong = 0, []
    for case in random.Random(SEED).sample(cases, CASES):
        outcome, found = grid.check(case)
        met += outcome != "without the request"
        wrong += [f"{case}: {one}" for one in found]
    assert wrong == []
    assert met > 0.9 * CASES, "the faults happen"


def test_a_kill_at_any_time_leaves_the_old_or_the_new(grid: FaultGrid) -> None:
    draw, outcomes, wrong = random.Random(SEED), [], []
    operations = [one for one in OPERATIONS if one.name in CHEAP and not one.sends_job]
    for _ in range(KILLS):
        operation = draw.choice(operations)
        outcome, found = grid.kill(operation, draw.random())
        outcomes.append(outcome)
        wrong += [f"{operation.name}: {one}" for one in found]
    assert wrong == []
    assert "killed" in outcomes
