"""A clock that jumps during a run."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import tiny_runs
from training.time_budget import TimeBudget


@pytest.mark.parametrize("jump", [-86_400.0 * 365, 86_400.0 * 365])
def test_a_clock_that_jumps_changes_no_weight_and_no_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """A clock that was set back between the start and here made a year of two minutes."""
    recipe = replace(tiny_runs.RECIPE, max_train_chars=600)
    tiny_runs.run(tmp_path / "unbroken", recipe)
    now, calls = time.time, [0]

    def jumping() -> float:
        calls[0] += 1
        return now() + (jump if calls[0] > 3 else 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", jumping)
        tiny_runs.run(tmp_path / "run", recipe)
        calls[0] = 3
        assert 0 < TimeBudget.of(2.0).remaining <= 120
    tiny_runs.assert_same_run(tmp_path / "run", tmp_path / "unbroken")
