"""glibc's allocator, tuned for training steps that free and take the same large blocks again."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""From glibc's malloc.h."""


def retain_freed_memory() -> None:
    """Tell glibc to retain the blocks that a step frees, since the next step allocates the same sizes.

    By default every large tensor is its own mapping, which is unmapped, mapped again and zeroed page by page: a quarter
    of a step. The setting holds for the whole process. On other C libraries this does nothing.
    """
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return
    for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26)):
        libc.mallopt(option, value)
