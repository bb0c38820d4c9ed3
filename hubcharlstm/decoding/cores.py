"""The cores that this process may use, by its affinity and by the quota of its control group; and how many are idle."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS, STAT = Path("/sys/fs/cgroup"), Path("/proc/stat")
MIN_TICKS = 5
"""Of 10 ms for each core: shorter spans tell little, and cost a reading each."""


def available_cores() -> int:
    """At least 1. PyTorch counts the machine's cores; a container with a quota of one stands still for more threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


class IdleCores:
    """How many of the cores that this process may use stand idle, by the times that Linux counts for each."""

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self._ticks = self._count_ticks()
        self.is_known = bool(self._ticks)
        """Whether this system tells."""

    def since_last(self) -> float | None:
        """Idle cores on average since the last answer; None if that is too short ago, or unknown."""
        ticks = self._count_ticks()
        spans = [
            (idle - self._ticks[core][0], total - self._ticks[core][1])
            for core, (idle, total) in ticks.items()
            if core in self._ticks
        ]
        if not spans or max(total for _, total in spans) < MIN_TICKS:
            return None
        self._ticks = ticks
        return sum(idle / total for idle, total in spans if total)

    def _count_ticks(self) -> dict[int, tuple[int, int]]:
        """(idle, total) ticks by core; empty where there is no such file, or one of zeros as in some sandboxes."""
        try:
            lines = self._stat.read_text(encoding="ascii").splitlines()
        except OSError:
            return {}
        allowed = os.sched_getaffinity(0)
        ticks = {}
        for line in lines:
            name, *values = line.split()
            if not name.startswith("cpu"):
                break  # the cores come first
            if name[3:].isdigit() and int(name[3:]) in allowed:
                times = [int(value) for value in values[:8]]  # user nice system idle iowait irq softirq steal
                ticks[int(name[3:])] = times[3] + times[4], sum(times)
        return ticks if any(total for _, total in ticks.values()) else {}


def cgroup_quota(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores of the tightest quota on this process's control group and those above it; None without one."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return None
    quotas = []
    for line in lines:  # "0::/path" in version 2, "4:cpu,cpuacct:/path" in version 1
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        folder = base / path.lstrip("/")
        quotas += [_quota(parent) for parent in (folder, *folder.parents) if parent.is_relative_to(base)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(folder: Path) -> float | None:
    """Of one control group, by the files of version 2 or 1."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # a container may hide them
        return None
