"""OpenMP threads of PyTorch, for the calling thread alone; GNU OpenMP on Linux, no effect where PyTorch has another."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

SOFT = 1
"""omp_pause_soft of OpenMP 5.0 (section 3.2.44): the threads end, the settings stay."""


def get_num_threads() -> int:
    """The number of threads of the calling thread's next parallel region."""
    return torch.get_num_threads()  # and not OpenMP's own number: it first gives a new thread PyTorch's setting


def set_num_threads(count: int) -> None:
    """Set the number of threads of the calling thread's next parallel regions; every other thread keeps its own.

    `torch.set_num_threads` would change the setting of the whole process. Call `get_num_threads` first in a new thread.
    """
    library = gnu_openmp()
    if library is not None:
        library.omp_set_num_threads(count)


@contextmanager
def num_threads(count: int) -> Iterator[None]:
    """At most `count` threads for the calling thread's parallel regions in this block."""
    before = get_num_threads()
    set_num_threads(min(count, before))
    try:
        yield
    finally:
        set_num_threads(before)


def release_thread_team() -> None:
    """End the team of the calling thread; its next parallel region starts a new one.

    GNU OpenMP retains a team for every thread that ever ran a parallel region. While there are more such threads than
    cores, none of them spins, and each parallel region pays for waking its team: decoding 100 rows took 2.4 ms a step
    instead of 0.9 while an idle thread had one.
    """
    library = gnu_openmp()
    if library is not None:
        library.omp_pause_resource_all(SOFT)


@cache
def support_fork() -> None:
    """Let this process fork from now on: release the forking thread's team before each fork.

    A child inherits the record of a team whose threads exist in the parent only, and waits for them for ever at its
    first parallel region (GNU OpenMP; gunicorn --preload, `multiprocessing` on Linux).
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=release_thread_team)


@cache
def gnu_openmp() -> ctypes.CDLL | None:
    """The library as this process has loaded it (Linux only); None if it has not."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    paths = {line.split()[-1] for line in maps.read_text(encoding="utf-8").splitlines() if "libgomp" in line}
    if len(paths) != 1:
        return None
    library = ctypes.CDLL(paths.pop())
    return library if hasattr(library, "omp_pause_resource_all") else None
