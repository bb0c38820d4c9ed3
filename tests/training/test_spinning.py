"""How long OpenMP's threads spin between two products: long alone on a machine, shortly beside other work."""

from __future__ import annotations

import os
from itertools import cycle
from pathlib import Path

import pytest

from training.__main__ import main
from training.spinning import ALONE, SHARED, num_running, spin_count


@pytest.mark.parametrize(
    ("running", "expected"),
    [((1,), ALONE), ((2,), SHARED), ((7,), SHARED), ((1, 2, 1), ALONE), ((2, 3, 1), SHARED), ((0,), SHARED)],
)
def test_threads_spin_for_long_if_nothing_else_runs(running: tuple[int, ...], expected: int) -> None:
    samples = cycle(running)
    assert spin_count(lambda: next(samples)) == expected


def test_the_running_threads_are_those_that_linux_counts(tmp_path: Path) -> None:
    load = tmp_path / "loadavg"
    load.write_text("0.52 0.58 0.59 12/97 12345\n", encoding="ascii")
    assert num_running(load) == 12


@pytest.mark.parametrize("line", ["", "0.5 0.5 0.5", "0.5 0.5 0.5 many/97 1"])
def test_another_system_tells_no_number(tmp_path: Path, line: str) -> None:
    load = tmp_path / "loadavg"
    assert num_running(load) == 0
    load.write_text(line, encoding="ascii")
    assert num_running(load) == 0


@pytest.mark.parametrize(
    ("given", "command", "expected"),
    [(None, "fit", "4321"), ("77", "fit", "77"), (None, "sweep", None), ("77", "sweep", "77")],
)
def test_a_command_sets_it_unless_the_user_has_or_its_runs_do(
    monkeypatch: pytest.MonkeyPatch, given: str | None, command: str, expected: str | None
) -> None:
    monkeypatch.setattr("training.__main__.spin_count", lambda: 4321)
    monkeypatch.setenv("GOMP_SPINCOUNT", given or "")  # so that what the command sets does not outlast the test
    if given is None:
        monkeypatch.delenv("GOMP_SPINCOUNT")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert os.environ.get("GOMP_SPINCOUNT") == expected
