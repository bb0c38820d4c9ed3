"""A thread that has multiplied keeps a team of OpenMP; giving it back ends the team and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hubcharlstm.decoding import openmp

SCRIPT = """
import os, time
import torch
from hubcharlstm.decoding import openmp

torch.set_num_threads(2)
before = len(os.listdir("/proc/self/task"))
x = torch.ones(512, 512).sin()
with_team = len(os.listdir("/proc/self/task"))
openmp.release_thread_team()
for _ in range(200):
    after = len(os.listdir("/proc/self/task"))
    if after < with_team:
        break
    time.sleep(0.01)
print(with_team - before, after - before, bool((x.sin() == x.sin()).all()), torch.get_num_threads())
"""


@pytest.mark.skipif(openmp.gnu_openmp() is None, reason="PyTorch does not stand on GNU OpenMP here")
def test_the_team_ends_and_comes_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["1", "0", "True", "2"], done.stderr
