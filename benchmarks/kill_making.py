"""SIGKILL at random moments of trainings on the page: the best so far or a sentence, then a training that can begin.

    python -m benchmarks.kill_making --kills 30 --seed 0

The manager of the app, with the real trainer. Prints one line for each failure and counts of the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hubcharlstm import CharLSTM
from hubcharlstm.demo.making.limits import MakingLimits
from hubcharlstm.demo.making.manager import TrainingManager
from hubcharlstm.demo.making.storage import Storage
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.owners import Owners
from hubcharlstm.demo.private_models import PrivateModels

OWNER = "a" * 32
TEXT = "".join(f"Line {n} of a poem, and {'rain' if n % 2 else 'sun'} on the hill.\n" for n in range(120))
SECONDS = 30


async def until(manager: TrainingManager, *phases: str) -> str:
    deadline = time.monotonic() + 120
    while (phase := str(manager.state(OWNER)["phase"])) not in phases:
        if time.monotonic() > deadline:
            raise TimeoutError(f"it stays {phase}")
        await asyncio.sleep(0.02)
    return phase


async def kill_once(manager: TrainingManager, delay: float) -> tuple[str, list[str]]:
    """A training killed so many seconds after its start: its phase then, and what is wrong with it."""
    manager.start(OWNER, SECONDS, "")
    await asyncio.sleep(delay)
    job = manager._jobs[OWNER]
    process = job.process
    if process is None:
        return "not begun", ["it has no process"]
    os.kill(process.pid, signal.SIGKILL)
    phase = await until(manager, "ready", "failed")
    state, wrong = manager.state(OWNER), []
    if phase == "ready":
        CharLSTM.from_pretrained(job.model_folder, device="cpu").generate("Line", max_new_tokens=5)
    if not state["sentence"]:
        wrong.append(f"{phase} without a sentence")
    try:
        os.kill(process.pid, 0)
        wrong.append("its process goes on")
    except ProcessLookupError:
        pass
    await manager.again(OWNER)
    if job.run.exists():
        wrong.append(f"left behind: {sorted(path.name for path in job.run.iterdir())}")
    return phase, wrong


async def campaign(kills: int, seed: int, folder: Path) -> Counter[str]:
    draw, counts = random.Random(seed), Counter[str]()
    registry = ModelRegistry(CharLSTM.from_pretrained(device="cpu"), "the shipped model")
    private = PrivateModels(registry, Owners())
    manager = TrainingManager(MakingLimits(), private, Storage(folder))
    try:
        await manager.submit(OWNER, "", "poem", TEXT)
        await until(manager, "checked")
        for _ in range(kills):
            delay = draw.uniform(0.1, SECONDS * 0.8)
            try:
                phase, wrong = await kill_once(manager, delay)
            except Exception as error:
                phase, wrong = "failed", [f"{type(error).__name__}: {error}"]
            counts[phase] += 1
            counts["wrong"] += bool(wrong)
            if wrong:
                print(f"after {delay:.1f} s: {'; '.join(wrong)}", flush=True)
                await until(manager, "checked")
    finally:
        await manager.close()
        private.close()
        registry.close()
    counts["files that stay"] = len(list(folder.iterdir()))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        counts = asyncio.run(campaign(arguments.kills, arguments.seed, Path(temporary)))
    print(f"{arguments.kills} in {time.monotonic() - start:.0f} s: {dict(counts)}")
    sys.exit(1 if counts["wrong"] or counts["files that stay"] else 0)


if __name__ == "__main__":
    main()
