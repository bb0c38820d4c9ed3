"""Decoding on one thread, on all, and on as many as the decoder chooses: idle, beside busy processes, under a quota.

`python -m benchmarks.threads` prints a table of rows decoded a second and one JSON line. The candidates take turns,
each in a new process, and medians count. Quotas need a control group of version 1 that this process may create.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import conditions

POLICIES = ("one", "all", "chosen")
CGROUP = Path("/sys/fs/cgroup/cpu/hubcharlstm-benchmark")
PERIOD_US = 100_000


def measure(policy: str, precision: str, rows: int, seconds: float) -> None:
    """Print the rows that the shipped model decodes in a second."""
    import torch

    from hubcharlstm import CharLSTM
    from hubcharlstm.decoding import thread_choice

    if policy == "all":
        thread_choice.ThreadChoice.record = lambda *_: None  # type: ignore[method-assign]  # keeps the first choice
        thread_choice.ThreadChoice.__init__ = lambda choice, *_: setattr(choice, "parallel", True)  # type: ignore[method-assign]
    model = CharLSTM.from_pretrained(device="cpu", precision=precision)
    if rows == 1:
        for _ in model.stream("To be", max_new_tokens=100, seed=1):
            pass
        start, stream = time.perf_counter(), model.stream("To be", max_new_tokens=100_000, seed=1)
        for _ in stream:
            if time.perf_counter() - start > seconds:
                break
        count = stream.num_tokens
    else:
        decoder, ids = model.decoder, torch.zeros(rows, dtype=torch.int64)
        buffer = decoder.state_buffer(rows)
        decoder.step(ids, buffer)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            decoder.step(ids, buffer)
            count += rows
    print(count / (time.perf_counter() - start))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """That many processes that compute all the time."""
    loop = "import time\nend = time.time() + 600\nwhile time.time() < end: pass"
    processes = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def quota(cores: float | None) -> Iterator[None]:
    """This process and its children in a control group with a quota."""
    if cores is None:
        yield
        return
    CGROUP.mkdir()
    try:
        (CGROUP / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (CGROUP / "cpu.cfs_quota_us").write_text(str(int(cores * PERIOD_US)))
        (CGROUP / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        (CGROUP.parent / "cgroup.procs").write_text(str(os.getpid()))
        CGROUP.rmdir()


def rate(policy: str, options: argparse.Namespace, rows: int) -> float:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.threads", "--measure", policy, "--precision", options.precision]
    command += ["--rows", str(rows), "--seconds", str(options.seconds)]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} if policy == "one" else {}
    done = subprocess.run(command, env=os.environ | one, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5, help="taken in turn; the median counts (default: 5)")
    arguments.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default: 3)")
    arguments.add_argument("--precision", default="auto")
    arguments.add_argument("--rows", type=int, nargs="+", default=[1, 2, 8, 64, 256])
    arguments.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4], help="processes beside it")
    arguments.add_argument("--quotas", type=float, nargs="*", default=[], help="cores, such as 1 1.5")
    arguments.add_argument("--measure", choices=POLICIES, default=None, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.measure:
        measure(options.measure, options.precision, options.rows[0], options.seconds)
        return
    cases = [(busy, None) for busy in options.busy] + [(0, cores) for cores in options.quotas]
    print(f"{options.precision}; {conditions(os.cpu_count() or 1)}\n")
    print("| rows | beside | one thread | all | chosen | chosen / one | chosen / all |\n|---|---|---|---|---|---|---|")
    results = []
    for rows in options.rows:
        for busy, cores in cases:
            values: dict[str, list[float]] = {policy: [] for policy in POLICIES}
            with neighbours(busy), quota(cores):
                for _ in range(options.rounds):
                    for policy in POLICIES:
                        values[policy].append(rate(policy, options, rows))
            one, every, chosen = (statistics.median(values[policy]) for policy in POLICIES)
            beside = f"{busy} busy" if cores is None else f"quota of {cores:g} cores"
            ratios = f"{chosen / one:.2f} | {chosen / every:.2f}"
            print(f"| {rows} | {beside} | {one:,.0f} | {every:,.0f} | {chosen:,.0f} | {ratios} |", flush=True)
            results.append({"rows": rows, "beside": beside, **values})
    print(json.dumps({"benchmark": "threads", "precision": options.precision, "rows_per_second": results}))


if __name__ == "__main__":
    main()
