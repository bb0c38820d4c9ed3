"""`python -m training` whose products are float32 also on CPUs with bfloat16: `train_in_float32.py fit ...`.

For comparisons to the last digits. With KILL_AT=N and KILL_ONCE=FILE one process of the run kills itself by SIGKILL
before step N, unless FILE exists; it makes FILE first. With WEIGHTS_TO=FOLDER each process writes a hash of its weights
after each step there, as STEP-PROCESS.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch.distributed

import training.lstm
import training.muon
from training.__main__ import main
from training.bptt import TruncatedBPTT

for module in (training.lstm, training.muon):
    vars(module)["has_fast_bf16"] = lambda: False

take_step = TruncatedBPTT.step


def killed_once(self: TruncatedBPTT, step: int) -> Any:
    flag = Path(os.environ["KILL_ONCE"])
    if step == int(os.environ["KILL_AT"]) and self.processes.index == 1 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return take_step(self, step)


def hashed(self: TruncatedBPTT, step: int) -> Any:
    loss = take_step(self, step)
    content = b"".join(weight.detach().numpy().tobytes() for weight in self.model.parameters())
    name = f"{step + 1}-{self.processes.index}"
    (Path(os.environ["WEIGHTS_TO"]) / name).write_text(hashlib.sha256(content).hexdigest())
    return loss


if "WEIGHTS_TO" in os.environ:
    vars(training.bptt)["TruncatedBPTT"].step = hashed
if "KILL_AT" in os.environ:
    vars(training.bptt)["TruncatedBPTT"].step = killed_once

if __name__ == "__main__":
    status = main()
    if status == 0 and torch.distributed.is_initialized():
        raise AssertionError("The process ends in its group, whose threads may abort it; expected it to have left.")
    sys.exit(status)
