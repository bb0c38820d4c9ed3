"""What fails ends with a reason: one request alone, every request of an engine that fails, and a dead thread's."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.model_runner import ModelRunner
from hubcharlstm.engine.sequence import GenerationRequest
from hubcharlstm.errors import BusyError, DamagedModelError, EngineError
from tests.conftest import tiny_model
from tests.engine.conftest import IDLE, LONG, wait_until


def test_an_error_in_one_request_ends_that_request_alone(vocabulary: Vocabulary) -> None:
    model = tiny_model(vocabulary)
    model.precision = "fp32"
    engine = Engine(model.decoder, max_rows=8)
    h, c = model.decoder.initial_state(1)
    good = GenerationRequest((1, 2), 500, SamplingParams(), RandomStream(1))
    beside = engine.submit(good)
    with pytest.raises(DamagedModelError, match="not finite"):
        list(engine.submit(replace(good, state=(h, torch.full_like(c, float("nan"))))))
    with pytest.raises(RuntimeError):
        list(engine.submit(replace(good, state=(h[:, :, :5], c))))
    assert sum(len(ids) for ids in beside) == 500
    engine.close()


def test_close_ends_every_request(model: CharLSTM) -> None:
    engine = Engine(model.decoder, max_rows=2)
    requests = [model.stream("To be", max_new_tokens=LONG, seed=seed, engine=engine) for seed in range(4)]
    next(requests[0])
    engine.close()
    for stream in requests:
        list(stream)
        assert stream.finish_reason == "cancelled"
    with pytest.raises(BusyError, match="closed"):
        model.stream("To be", engine=engine)


def test_a_failing_engine_ends_its_requests_and_serves_the_next(
    model: CharLSTM, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread once died with requests in its lists, which a new thread would have found there half done."""
    engine = Engine(model.decoder, max_rows=2)
    requests = [model.stream("To be", max_new_tokens=LONG, seed=seed, engine=engine) for seed in range(4)]
    next(requests[0])
    with monkeypatch.context() as patch:
        patch.setattr("hubcharlstm.engine.model_runner.next_ids", lambda *_: 1 / 0)
        for stream in requests:
            with pytest.raises(EngineError, match=r"ZeroDivisionError.*send the request again"):
                list(stream)
    assert "The engine failed." in caplog.text
    assert engine.alive and engine.load == IDLE
    assert "".join(model.stream("To be", seed=4, engine=engine)) == model.generate("To be", seed=4)
    engine.close()


def kill_thread(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the thread of an engine that decodes something. Not even `except Exception` sees it go."""
    with monkeypatch.context() as patch:
        patch.setattr("hubcharlstm.engine.model_runner.next_ids", lambda *_: sys.exit())
        wait_until(lambda: not engine.alive)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("who_notices", ["a client", "the next request", "the health check"])
def test_a_dead_thread_is_noticed_and_restarted(
    model: CharLSTM, monkeypatch: pytest.MonkeyPatch, who_notices: str
) -> None:
    engine = Engine(model.decoder, max_rows=2)
    stream = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)
    next(stream)
    kill_thread(engine, monkeypatch)
    if who_notices == "the next request":
        assert "".join(model.stream("To be", seed=4, engine=engine)) == model.generate("To be", seed=4)
    if who_notices == "the health check":
        engine.ensure_alive()
    with pytest.raises(EngineError, match="send the request again"):
        list(stream)
    assert engine.alive and engine.load == IDLE
    engine.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stream_ends_where_a_dead_engine_is_closed(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody ended the requests of a thread that had died before `close`: their readers waited for ever."""
    engine = Engine(model.decoder, max_rows=2)
    stream = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)
    next(stream)
    kill_thread(engine, monkeypatch)
    engine.close()
    with pytest.raises(EngineError, match="The engine failed during this request"):
        for _ in range(1000):  # and not `list`, which would never end
            stream.read_available()
    assert not engine.alive and engine.load == IDLE


def test_an_engine_that_makes_no_step_is_stuck(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(model.decoder, max_rows=2)
    released = threading.Event()
    stream = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)
    next(stream)
    assert not engine.is_stuck
    monkeypatch.setattr("hubcharlstm.engine.engine.STUCK_SECONDS", 0.05)
    step = ModelRunner.step
    monkeypatch.setattr(ModelRunner, "step", lambda runner: released.wait(10) and step(runner))
    wait_until(lambda: engine.is_stuck)
    released.set()
    wait_until(lambda: not engine.is_stuck)
    stream.cancel()
    engine.close()


def test_a_request_that_close_cancels_can_be_continued(model: CharLSTM) -> None:
    """Its row was never read: the completion's state was that of its last character alone, and the text went astray."""
    engine = Engine(model.decoder, max_rows=2)
    stream = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)
    next(stream)
    engine.close()
    list(stream)
    done = stream.completion
    more = model.complete(state=done.state, max_new_tokens=20)
    assert done.text + more.text == model.generate("To be", max_new_tokens=done.num_tokens + 20, seed=1)


def test_the_first_request_after_a_long_idle_time_is_not_stuck(
    model: CharLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of the last step was taken before the wait for work, so that /healthz said "stuck" (503) until the next.

    The clock is an hour ahead after the wait here, and the step stops in the middle.
    """
    engine = Engine(model.decoder, max_rows=2)
    assert "".join(model.stream("To be", max_new_tokens=5, seed=1, engine=engine))
    time.sleep(0.1)  # it waits for work now
    an_hour_later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
    monkeypatch.setattr("hubcharlstm.engine.engine.time", an_hour_later)
    in_step, released = threading.Event(), threading.Event()
    step = ModelRunner.step
    monkeypatch.setattr(ModelRunner, "step", lambda runner: (in_step.set(), released.wait(10), step(runner))[-1])
    stream = model.stream("To be", max_new_tokens=5, seed=1, engine=engine)
    assert in_step.wait(10)
    assert engine.load["running"] == 1
    assert not engine.is_stuck
    released.set()
    assert "".join(stream) == model.generate("To be", max_new_tokens=5, seed=1)
    engine.close()
