"""The process of a training: its bounds, then `python -m training`. It ends with the server that started it.

A script, so that nothing is imported before the bounds are set: `python child.py MEMORY_BYTES fit ...`, 0 for no bound.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

NICENESS = 15
"""Chats go before: a process of this niceness gets a thirtieth of a core that others want."""
MAX_FILE_BYTES = 2**30


def set_bounds(memory_bytes: int) -> None:
    """Lower the priority, and bound memory and files of this process, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def end_with_parent() -> None:
    """Kill this process and its children once standard input ends: the server, which holds its other end, is gone."""
    os.read(0, 1)
    if sys.platform == "win32":
        os._exit(1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    set_bounds(int(sys.argv[1]))
    sys.argv = ["training", *sys.argv[2:]]
    runpy.run_module("training", run_name="__main__", alter_sys=True)
