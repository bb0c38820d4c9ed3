"""A small int8 model, an engine for it, and waiting for what another thread does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.engine.engine import Engine
from tests.conftest import tiny_model

LONG = 100_000
IDLE = {"running": 0, "prefilling": 0, "waiting": 0, "paused": 0}


@pytest.fixture
def model(vocabulary: Vocabulary) -> CharLSTM:
    model = tiny_model(vocabulary, hidden_size=97)
    model.precision = "int8"
    return model


@pytest.fixture
def engine(model: CharLSTM) -> Iterator[Engine]:
    engine = Engine(model.decoder, max_rows=8, max_waiting=64, time_slice=20)
    yield engine
    engine.close()
    assert not engine.alive


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    pytest.fail("the condition did not become true within ten seconds")
