"""Requests decoded together get the text that each gets alone; one that leaves, waits or fails affects no other."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.model_runner import STEPS, ModelRunner
from hubcharlstm.engine.sequence import EngineRequest, GenerationRequest
from hubcharlstm.errors import BusyError
from tests.engine.conftest import IDLE, LONG, wait_until


def test_text_beside_others_is_the_text_alone(model: CharLSTM, engine: Engine, vocabulary: Vocabulary) -> None:
    """Random prompts, settings, lengths and arrivals, on fewer rows than requests, so that requests are preempted."""
    draw = random.Random(1)
    requests = []
    for seed in range(60):
        prompt = "".join(draw.choice(vocabulary.chars) for _ in range(draw.choice([0, 1, 5, 70, 300])))
        settings = {
            "max_new_tokens": draw.randint(1, 150),
            "temperature": draw.choice([0, 0.5, 0.8, 1.5]),
            "top_k": draw.choice([0, 3, 99]),
            "top_p": draw.choice([1.0, 0.7]),
            "min_p": draw.choice([0.0, 0.1]),
            "stop": draw.choice([None, "t", "e\n", ["oo", ": "]]),
            "seed": seed,
        }
        requests.append((prompt, settings))
    expected = [model.complete(prompt, **settings) for prompt, settings in requests]
    found: list[tuple[str, str, int] | None] = [None] * len(requests)

    def consume(index: int) -> None:
        prompt, settings = requests[index]
        time.sleep(random.Random(index).random() * 0.2)
        stream = model.stream(prompt, engine=engine, **settings)
        text = "".join(stream)
        done = stream.completion
        assert text == done.text
        found[index] = (done.text, done.finish_reason, done.num_tokens)

    threads = [threading.Thread(target=consume, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [(done.text, done.finish_reason, done.num_tokens) for done in expected]
    assert engine.load == IDLE


def test_a_state_continues_exactly_alone_or_beside_others(model: CharLSTM, engine: Engine) -> None:
    whole = model.complete("To be", max_new_tokens=90, seed=3)
    others = [model.stream("FIRST:", max_new_tokens=LONG, seed=seed, engine=engine) for seed in range(5)]
    first = model.stream("To be", max_new_tokens=40, seed=3, engine=engine)
    head = "".join(first)
    assert head + model.complete(state=first.completion.state, max_new_tokens=50).text == whole.text
    tail = model.stream(state=first.completion.state, max_new_tokens=50, engine=engine)
    assert head + "".join(tail) == whole.text
    assert tail.completion.state.rng == whole.state.rng
    for other in others:
        other.cancel()


def test_cancel_frees_the_row_and_the_text_can_be_continued(model: CharLSTM, engine: Engine) -> None:
    stream = model.stream("To be", max_new_tokens=LONG, seed=3, engine=engine)
    next(stream)
    stream.cancel()
    wait_until(lambda: engine.load["running"] == 0)
    done = stream.completion
    assert done.finish_reason == "cancelled"
    assert len(done.text) == done.num_tokens  # the text reaches as far as the state
    more = model.complete(state=done.state, max_new_tokens=20)
    assert done.text + more.text == model.generate("To be", max_new_tokens=done.num_tokens + 20, seed=3)


def test_dropping_a_stream_frees_its_row(model: CharLSTM, engine: Engine) -> None:
    stream = model.stream("To be", max_new_tokens=LONG, seed=3, engine=engine)
    next(stream)
    assert engine.load["running"] == 1
    del stream
    gc.collect()
    wait_until(lambda: engine.load["running"] == 0)


def test_a_short_request_does_not_wait_for_a_long_one(model: CharLSTM) -> None:
    engine = Engine(model.decoder, max_rows=1, time_slice=20)
    long = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)
    next(long)
    assert model.generate("FIRST", max_new_tokens=50, seed=2) == "".join(
        model.stream("FIRST", max_new_tokens=50, seed=2, engine=engine)
    )
    assert long.finish_reason is None
    long.cancel()
    engine.close()


def test_a_full_engine_refuses_at_once_and_accepts_later(model: CharLSTM) -> None:
    engine = Engine(model.decoder, max_rows=1, max_waiting=2, time_slice=LONG)
    running = [model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)]
    next(running[0])
    running += [model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine) for _ in range(2)]
    with pytest.raises(BusyError, match="try again"):
        model.stream("To be", engine=engine)
    for stream in running:
        stream.cancel()
    wait_until(lambda: engine.load == IDLE)
    assert "".join(model.stream("To be", seed=4, engine=engine)) == model.generate("To be", seed=4)
    engine.close()


@pytest.mark.slow
def test_rows_are_independent_on_the_plainest_processor_too() -> None:
    """Without vector instructions torch takes other paths; each must give a row the same bits in any batch."""
    script = (
        "import torch\n"
        "from tests.conftest import TEXT, tiny_model\n"
        "from hubcharlstm import Vocabulary\n"
        "from hubcharlstm.decoding.decoder import Decoder\n"
        "from tests.decoding.test_decoder import step_all\n"
        "assert torch.backends.cpu.get_cpu_capability() == 'DEFAULT'\n"
        "vocabulary = Vocabulary.from_text(TEXT)\n"
        "for size in (97, 300):\n"
        "    decoder = Decoder(tiny_model(vocabulary, hidden_size=size), 'int8')\n"
        "    ids = torch.randint(len(vocabulary), (37, 20), generator=torch.Generator().manual_seed(1))\n"
        "    together = step_all(decoder, ids)\n"
        "    for rows in ([0], [36], [5, 6, 7]):\n"
        "        assert torch.equal(step_all(decoder, ids[rows]), together[rows])\n"
        "print('same')\n"
    )
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "default", "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "same\n", done.stderr


def test_a_slow_client_pauses_its_request_and_misses_nothing(model: CharLSTM, vocabulary: Vocabulary) -> None:
    engine = Engine(model.decoder, max_rows=1)
    slow = model.stream("To be", max_new_tokens=300, seed=1, engine=engine, max_buffered_tokens=40)
    wait_until(lambda: engine.load["paused"] == 1)
    written = slow.num_tokens
    assert 40 <= written <= 40 + STEPS
    assert "".join(model.stream("FIRST", seed=2, engine=engine)) == model.generate("FIRST", seed=2)
    assert slow.num_tokens == written  # nothing is written that nobody reads
    text = ""
    while slow.finish_reason is None:
        text += slow.read_available()
        time.sleep(0.001)
    assert text == slow.completion.text == model.generate("To be", max_new_tokens=300, seed=1)
    wait_until(lambda: engine.load == IDLE)
    engine.close()


def test_a_paused_request_can_be_cancelled_and_continued(model: CharLSTM) -> None:
    engine = Engine(model.decoder, max_rows=1)
    stream = model.stream("To be", max_new_tokens=300, seed=1, engine=engine, max_buffered_tokens=40)
    wait_until(lambda: engine.load["paused"] == 1)
    stream.cancel()
    wait_until(lambda: engine.load == IDLE)
    done = stream.completion
    rest = model.complete(state=done.state, max_new_tokens=300 - done.num_tokens)
    assert done.text + rest.text == model.generate("To be", max_new_tokens=300, seed=1)
    engine.close()


def test_available_text_is_read_without_waiting(model: CharLSTM) -> None:
    engine = Engine(model.decoder, max_rows=1)
    first = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine)
    assert next(first)
    waiting = model.stream("FIRST", seed=2, engine=engine)
    assert waiting.read_available() == ""
    assert waiting.finish_reason is None
    first.cancel()
    assert first.read_available() == ""
    text = ""
    while waiting.finish_reason is None:
        text += waiting.read_available()
    assert text == model.generate("FIRST", seed=2)
    engine.close()


def test_a_request_is_in_one_queue_at_any_time(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load once lost a request for an instant between running and paused, and between prefill and running."""
    add, remove = ModelRunner.add, ModelRunner.remove

    def slow_remove(runner: ModelRunner, requests: list[EngineRequest]) -> None:
        remove(runner, requests)
        time.sleep(0.005)

    def slow_add(runner: ModelRunner, request: EngineRequest) -> None:
        time.sleep(0.005)
        add(runner, request)

    monkeypatch.setattr(ModelRunner, "remove", slow_remove)
    monkeypatch.setattr(ModelRunner, "add", slow_add)
    engine = Engine(model.decoder, max_rows=2)
    stream = model.stream("To be", max_new_tokens=LONG, seed=1, engine=engine, max_buffered_tokens=2)
    for _ in range(60):
        assert sum(engine.load.values()) == 1
        stream.read_available()
        time.sleep(0.002)
    stream.cancel()
    engine.close()


@pytest.mark.parametrize("name", ["max_rows", "max_waiting", "time_slice"])
@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "8", None])
def test_limits_below_one_are_refused(model: CharLSTM, name: str, wrong: object) -> None:
    """An engine of no rows took requests and never served them."""
    with pytest.raises(ValueError, match=f"^{name} is {wrong!r}; expected a whole number of at least 1"):
        Engine(model.decoder, **{name: wrong})


def test_a_buffer_below_one_is_refused(model: CharLSTM, engine: Engine) -> None:
    """A request whose buffer may hold -5 ids was paused for good, and its stream never ended."""
    request = GenerationRequest((1,), 5, SamplingParams(), RandomStream(1))
    for wrong in (0, -5, 2.0, True, "8"):
        with pytest.raises(ValueError, match=r"^max_buffered_tokens is .*; expected a whole number of at least 1"):
            engine.submit(request, max_buffered_tokens=wrong)
    assert engine.load == IDLE


def test_limits_may_be_numpy_integers(model: CharLSTM) -> None:
    one = np.int64(1)
    engine = Engine(model.decoder, max_rows=one, max_waiting=one, time_slice=one)
    handle = engine.submit(GenerationRequest((1,), 50, SamplingParams(), RandomStream(1)), max_buffered_tokens=one)
    assert sum(len(ids) for ids in handle) == 50
    engine.close()
