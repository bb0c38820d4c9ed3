"""Models, completions and states across processes and copies: fork, spawn, joblib, threads, pickle, deepcopy."""

from __future__ import annotations

import copy
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import joblib
import pytest
import torch

from hubcharlstm import CharLSTM
from hubcharlstm.engine.engine import Engine
from hubcharlstm.errors import EngineError
from hubcharlstm.generation.stream import Completion

FORKS = hasattr(os, "fork")
SEEDS = (1, 2, 3)

FORK_SCRIPT = """
import multiprocessing, sys
from hubcharlstm import CharLSTM

use, folder, precision = sys.argv[1:]
model = CharLSTM.from_pretrained(folder, precision=precision)
TEXT = "To be, or not to be. " * 100

def work(seed):
    return model.generate("To be", max_new_tokens=20, seed=seed), model.score(TEXT).bpc

if use == "used":
    work(1), model.generate(["a", "b"], max_new_tokens=5, seed=1, batch_size=2)
with multiprocessing.get_context("fork").Pool(2) as pool:
    texts = pool.map_async(work, [1, 2, 3]).get(timeout=60)
print(texts == [work(seed) for seed in (1, 2, 3)])
"""


def write(model: CharLSTM, seed: int) -> str:
    return model.generate("To be", max_new_tokens=20, seed=seed)


def texts_of(model: CharLSTM) -> list[str]:
    return [write(model, seed) for seed in SEEDS]


def torch_save(model: CharLSTM) -> CharLSTM:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded: CharLSTM = torch.load(file, weights_only=False)
    return loaded


COPIES: dict[str, Callable[[CharLSTM], CharLSTM]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch.save": torch_save,
    "AveragedModel": lambda model: torch.optim.swa_utils.AveragedModel(model).module,
}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("how", COPIES)
def test_a_used_model_is_copied(model: CharLSTM, how: str, precision: str) -> None:
    """Its decoder holds oneDNN's packed weights and closures, which no copy can take along: it is built again."""
    model.precision = precision
    before = texts_of(model)
    twin = COPIES[how](model)
    assert twin is not model
    assert texts_of(twin) == texts_of(model) == before
    assert twin.fingerprint == model.fingerprint


def test_a_deep_copy_has_weights_of_its_own(model: CharLSTM) -> None:
    before = texts_of(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.head.bias[0] += 100
    assert texts_of(model) == before != texts_of(twin)


def test_a_state_from_another_process_is_continued(model: CharLSTM) -> None:
    first = model.complete("To be", max_new_tokens=20, seed=1)
    travelled: Completion = pickle.loads(pickle.dumps(first))
    assert travelled == first
    assert hash(travelled.state) == hash(first.state)
    assert travelled.state != model.complete("To be", max_new_tokens=20, seed=2).state
    whole = model.complete("To be", max_new_tokens=40, seed=1).text
    assert first.text + model.complete(state=travelled.state, max_new_tokens=20).text == whole
    assert model.complete(state=copy.deepcopy(first.state), max_new_tokens=20).text == whole[20:]


@pytest.mark.skipif(not FORKS, reason="this system does not fork")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("use", ["loaded", "used"])
def test_the_children_of_a_fork_write_the_parents_texts(model_folder: Path, use: str, precision: str) -> None:
    """They waited for ever for the OpenMP threads of their parent (gunicorn --preload, multiprocessing on Linux)."""
    done = subprocess.run(
        [sys.executable, "-c", FORK_SCRIPT, use, str(model_folder), precision],
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["True"], done.stderr


def test_a_spawned_process_writes_the_parents_texts(model: CharLSTM) -> None:
    expected = texts_of(model)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(write, [model] * 3, SEEDS, timeout=120)) == expected


def test_joblib_writes_the_parents_texts(model: CharLSTM) -> None:
    expected = texts_of(model)
    assert joblib.Parallel(n_jobs=2, timeout=120)(joblib.delayed(write)(model, seed) for seed in SEEDS) == expected


def test_threads_share_a_model(model: CharLSTM) -> None:
    expected = texts_of(model)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda seed: write(model, seed), SEEDS * 8, timeout=120)) == expected * 8


@pytest.mark.skipif(not FORKS, reason="this system does not fork")
def test_an_engine_starts_anew_in_a_forked_child(model: CharLSTM) -> None:
    """Its thread stays in the parent, and may hold the engine's lock at the moment of the fork."""
    engine = Engine(model.decoder)
    expected = write(model, 1)
    parents = model.stream("To be", max_new_tokens=100_000, temperature=1.0, seed=2, engine=engine)
    next(parents)
    reader, writer = os.pipe()
    with engine._changed:  # the child inherits it held
        child = os.fork()
    if child == 0:  # pragma: no cover  # another process
        result = b"failed"
        try:
            mine = model.generate("To be", max_new_tokens=20, seed=1, engine=engine)
            try:
                list(parents)
            except EngineError:
                result = mine.encode()
        finally:
            os.write(writer, result)
            os._exit(0)
    os.close(writer)
    guard = threading.Timer(60, os.kill, (child, 9))
    guard.start()
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read().decode() == expected
    os.waitpid(child, 0)
    guard.cancel()
    parents.cancel()
    assert model.generate("To be", max_new_tokens=20, seed=1, engine=engine) == expected
    engine.close()
