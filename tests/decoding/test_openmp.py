"""OpenMP by thread: a team is given back without a trace, and a number of threads is set for one thread alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch

from hubcharlstm import CharLSTM
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


@pytest.mark.skipif(openmp.gnu_openmp() is None, reason="PyTorch does not stand on GNU OpenMP here")
def test_the_number_of_threads_is_set_for_the_calling_thread_alone() -> None:
    before = torch.get_num_threads()
    inside: list[int] = []

    def other() -> None:
        inside.append(torch.get_num_threads())

    with openmp.num_threads(1):
        assert torch.get_num_threads() == 1
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert torch.get_num_threads() == before
    assert inside == [before]


def test_a_block_never_raises_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    with openmp.num_threads(10_000):
        assert torch.get_num_threads() == before


def test_decoding_leaves_the_settings_of_the_process_as_they_were(model: CharLSTM) -> None:
    """The thread policy sat in the app, which set it for the process; now each step takes what its rows need."""
    before = torch.get_num_threads()
    model.generate("a", max_new_tokens=20, seed=1)
    model.generate(["a"] * 3, max_new_tokens=20, seed=1, batch_size=3)
    assert torch.get_num_threads() == before
