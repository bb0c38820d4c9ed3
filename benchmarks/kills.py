"""SIGKILL at random times, resume, repeat: does the run end bit for bit as one that was never killed?

`python -m benchmarks.kills --kills 100` prints one JSON line. Each run is a process forked from one that has imported
everything, so that kills fall into the run and not into imports.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

import training.trainer
from training.__main__ import main as train

FILES = ("model/model.safetensors", "checkpoint/tensors.safetensors")
TEXT = "ANN:\nThe cat sat on the mat.\n\nBOB:\nThe dog sat on the log.\n\n" * 60
SETTINGS = ["--embedding-dim", "8", "--hidden-size", "48", "--num-layers", "2", "--dropout", "0.2"]
SETTINGS += ["--batch-size", "4", "--seq-len", "16", "--max-epochs", "100000", "--patience", "0"]


def run(argv: list[str], limit: float | None, after: Path | None = None) -> bool:
    """Run the trainer in a process of its own; False if it was killed after `limit` seconds.

    after: the time starts when this path exists.
    """
    child = os.fork()
    if child == 0:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        os._exit(train(argv))
    ends = None
    while True:
        if limit and ends is None and (after is None or after.exists()):
            ends = time.monotonic() + limit
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0, f"the run ended by itself with status {status}"
            return True
        if ends and time.monotonic() >= ends:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return os.waitstatus_to_exitcode(status) == 0  # it may have ended just before
        time.sleep(0.002)


def import_all() -> None:
    """Import what a run imports as it begins, which takes longer than a run lives here."""
    for name in ("accelerate", "matplotlib.figure"):
        importlib.import_module(name)
    torch.optim.SGD([torch.zeros(1)])  # the first optimizer of a process imports PyTorch's compiler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--max-train-chars", type=int, default=600_000)
    parser.add_argument("--longest", type=float, default=1.2, help="seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    import_all()
    training.trainer.CHECKPOINT_SECONDS = 0.05
    draw, killed, resumed, begun, finished = random.Random(arguments.seed), 0, 0, 0, False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus, out, unbroken = folder / "text.txt", folder / "run", folder / "unbroken"
        corpus.write_text(TEXT, encoding="utf-8")
        settings = [str(corpus), "--max-train-chars", str(arguments.max_train_chars), *SETTINGS]
        assert run(["fit", *settings, "--out", str(unbroken)], None)
        while not finished:
            can_resume = (out / "checkpoint").exists()
            if out.exists() and not can_resume:  # killed before its first checkpoint: start a new run
                out.rename(folder / f"no-checkpoint-{killed}")
            limit = draw.uniform(0.05, arguments.longest) if killed < arguments.kills else None
            # Every other run is spared until its first checkpoint: a slow machine would never reach one.
            after = out / "checkpoint" if killed % 2 else None
            finished = run(["resume", str(out)] if can_resume else ["fit", *settings, "--out", str(out)], limit, after)
            killed, resumed, begun = killed + (not finished), resumed + can_resume, begun + (not can_resume)
        different = []
        for file in FILES:
            one, other = load_file(out / file), load_file(unbroken / file)
            assert one.keys() == other.keys()
            different += [key for key in one if not torch.equal(one[key], other[key])]
    print(json.dumps({"kills": killed, "resumes": resumed, "begun": begun, "different": different}))
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
