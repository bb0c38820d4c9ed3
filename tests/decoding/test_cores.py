"""The cores of a container are those of its quota, whatever the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubcharlstm.decoding import cores


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_version_2_takes_the_tightest_quota_above_the_process(tmp_path: Path, membership: Path) -> None:
    write(membership, "0::/pods/mine\n")
    write(tmp_path / "fs/cpu.max", "max 100000\n")
    write(tmp_path / "fs/pods/cpu.max", "150000 100000\n")
    write(tmp_path / "fs/pods/mine/cpu.max", "400000 100000\n")
    assert cores.cgroup_quota(tmp_path / "fs", membership) == 1.5


def test_version_1_has_files_of_its_own(tmp_path: Path, membership: Path) -> None:
    write(membership, "9:name=systemd:/\n4:cpuset:/a\n3:cpu,cpuacct:/a\n")
    write(tmp_path / "fs/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n")
    write(tmp_path / "fs/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "fs/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "fs/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert cores.cgroup_quota(tmp_path / "fs", membership) == 0.5


@pytest.mark.parametrize("content", ["max 100000", "", "1 2 3", "x 100000", "100000 0"])
def test_no_quota_and_an_unreadable_one_bind_nothing(tmp_path: Path, membership: Path, content: str) -> None:
    write(membership, "0::/\n")
    write(tmp_path / "fs/cpu.max", content)
    assert cores.cgroup_quota(tmp_path / "fs", membership) is None


def test_another_system_has_no_control_groups(tmp_path: Path) -> None:
    assert cores.cgroup_quota(tmp_path / "fs", tmp_path / "none") is None


def test_half_a_core_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cgroup_quota", lambda: 0.5)
    assert cores.available_cores() == 1


def test_a_large_quota_adds_no_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cgroup_quota", lambda: 10_000.0)
    assert cores.available_cores() == len(os.sched_getaffinity(0))


def stat(*cores: tuple[int, int]) -> str:
    """The file of a machine whose cores were busy and idle for so many ticks; the last four are not ours."""
    lines = [f"cpu{n} {busy} 0 0 {idle} 0 0 0 0 0 0" for n, (busy, idle) in enumerate([*cores, *[(0, 99)] * 4])]
    return "\n".join(["cpu 1 2 3 4 5 6 7 8 9 10", *lines, "intr 1 2", "ctxt 5"]) + "\n"


def test_idle_cores_are_counted_between_two_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    write(tmp_path / "stat", stat((100, 900), (500, 500)))
    idle = cores.IdleCores(tmp_path / "stat")
    assert idle.is_known and idle.since_last() is None
    write(tmp_path / "stat", stat((104, 900), (500, 504)))
    assert idle.since_last() is None  # 40 ms
    write(tmp_path / "stat", stat((110, 910), (500, 520)))
    assert idle.since_last() == 1.5
    write(tmp_path / "stat", stat((130, 910), (520, 520)))
    assert idle.since_last() == 0.0


def test_idle_cores_are_unknown_where_nobody_counts(tmp_path: Path) -> None:
    """Another system has no such file, some sandboxes one of zeros."""
    assert not cores.IdleCores(tmp_path / "none").is_known
    write(tmp_path / "stat", "cpu 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0\n")
    unknown = cores.IdleCores(tmp_path / "stat")
    assert not unknown.is_known and unknown.since_last() is None
