"""How the process takes memory from the system while it trains."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Of glibc's malloc.h."""


def keep_memory() -> None:
    """Let glibc keep the blocks that a step frees, for the next step takes the same ones again.

    Otherwise every large tensor is a mapping of its own, given back to the system, taken again and cleared page by
    page: a quarter of a step. For the whole process; other C libraries are left alone.
    """
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return
    for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26)):
        libc.mallopt(option, value)
