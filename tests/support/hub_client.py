"""A process with the library and the real client of the Hub in it, to drive from a test.

The client reads its settings at import, so each set of settings needs its own process. This file is also that
process's program: it reads one call a line, a function of `CALLS` with its arguments, and writes one outcome a line.
Anything that the library printed would break the protocol.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_server import OWNER_TOKEN, Hub

HERE = Path(__file__).resolve()

WRITTEN = {"config.json", "vocab.json", "model.safetensors", "generation_config.json", "README.md"}
"""What a model that was never trained has: no record, no plot."""


# --- in the client's process -------------------------------------------------------------------------------------


def new_model(seed: int, record: dict[str, Any] | None = None) -> Any:
    import torch

    from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary

    torch.manual_seed(seed)
    vocabulary = Vocabulary.from_text("To be, or not to be:\nthat is the question.")
    return CharLSTM(CharLSTMConfig(len(vocabulary), 8, 32, 2), vocabulary, record=record)


def describe(model: Any) -> dict[str, Any]:
    return {
        "fingerprint": model.fingerprint,
        "text": model.generate("To be", max_new_tokens=60, seed=7),
        "revision": model.revision,
        "record": model.record,
    }


def push(repo_id: str, seed: int, record: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    model = new_model(seed, record)
    return {"url": model.push_to_hub(repo_id, **options)} | describe(model)


def save_and_push(folder: str, seed: int, loss_plot: str, *, notes: str = "", **options: Any) -> dict[str, Any]:
    extra_files = {"loss.png": loss_plot.encode()} | ({"notes.txt": notes.encode()} if notes else {})
    url = new_model(seed).save_pretrained(folder, push_to_hub=True, extra_files=extra_files, **options)
    return {"url": url}


def load(model_id: str, **options: Any) -> dict[str, Any]:
    from hubcharlstm import CharLSTM

    return describe(CharLSTM.from_pretrained(model_id, device="cpu", **options))


def push_again(model_id: str, repo_id: str, *, steps: int = 0, **options: Any) -> dict[str, Any]:
    """Load a model, train it for some steps, and push it to another repository."""
    import torch

    from hubcharlstm import CharLSTM

    model = CharLSTM.from_pretrained(model_id, device="cpu").train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        logits, _ = model(torch.tensor([[1, 2, 3]]))
        logits.sum().backward()
        optimizer.step()
    return {"url": model.push_to_hub(repo_id, **options)}


def check_account(repo_id: str, **options: Any) -> dict[str, Any]:
    from hubcharlstm.hub import upload

    upload.check_account(repo_id, **options)
    return {}


def validate_card(content: str) -> dict[str, Any]:
    from huggingface_hub import ModelCard

    ModelCard(content).validate()
    return {}


def limit_file_size(size: int) -> dict[str, Any]:
    """From now on no file of this process can be larger: what a full disk is like, without filling one."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return {}


def train(line: str, folder: str) -> dict[str, Any]:
    """`python -m training` with the words of `line`, as a shell in `folder` would run it."""
    import contextlib
    import io
    import logging
    import shlex

    from training.__main__ import main

    logging.root.handlers.clear()  # or notes would go where those of an earlier call went
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(shlex.split(line))
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def reload_teacher(model_id: str, seed: int) -> dict[str, Any]:
    """A teacher by its id, and as a resumed run loads it after another model was pushed there."""
    from training.teachers import Teachers

    teachers = Teachers.load([model_id])
    new_model(seed).push_to_hub(model_id)
    return {"name": teachers.sources[0].name} | describe(Teachers(teachers.sources).models[0])


def load_corpus(source: str, *, part_bytes: int = 2**24) -> dict[str, Any]:
    """A corpus, as a command locates and loads it; part_bytes: of a request for a part of a dataset's file."""
    from training.data import corpus
    from training.data.remote import hub_dataset

    hub_dataset.PART_BYTES = part_bytes
    located = corpus.locate(source)
    loaded = corpus.load_corpus(located, val_place="end")
    return {"located": located, "name": loaded.name, "train": loaded.train[:], "held_out": loaded.held_out}


CALLS = (
    push, save_and_push, push_again, load, check_account, validate_card, limit_file_size, train, reload_teacher,
    load_corpus,
)  # fmt: skip
FUNCTIONS = {call.__name__: call for call in CALLS}


def serve_calls() -> None:
    import hubcharlstm  # noqa: F401  # the seconds of this import are no part of the first call's

    warned = recorded_warnings()
    for line in sys.stdin:
        warned.clear()
        print(json.dumps(outcome_of(json.loads(line)) | {"warned": warned}), flush=True)


def recorded_warnings() -> list[str]:
    """A list to which each warning of the library and the trainer is added from now on."""
    import logging

    warned: list[str] = []

    class RecordingHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warned.append(record.getMessage())

    for package in ("hubcharlstm", "training"):
        logging.getLogger(package).addHandler(RecordingHandler(logging.WARNING))
    return warned


def outcome_of(call: dict[str, Any]) -> dict[str, Any]:
    """What a call returns, or what it raises under "error", and the seconds that it takes."""
    start = time.monotonic()
    try:
        outcome: dict[str, Any] = FUNCTIONS[call["name"]](*call["args"], **call["kwargs"])
    except BaseException as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        outcome = {"error": str(error), "kinds": kinds}
    return outcome | {"seconds": time.monotonic() - start}


# --- in the tests' process ---------------------------------------------------------------------------------------


def clean_environment(endpoint: str, home: Path, token: str = OWNER_TOKEN) -> dict[str, str]:
    """For a process that is to talk to `endpoint` alone, whatever the settings of whoever runs the tests."""
    foreign = ("HF_", "HUGGING", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SPACE", "HUBCHARLSTM", "GRADIO")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)} | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONIOENCODING": "utf-8",
    }


class Client:
    """A process with the library and the real client in it, and a cache of its own. program: what serves its calls."""

    def __init__(self, endpoint: str, home: Path, program: Path = HERE, **settings: str) -> None:
        environment = clean_environment(endpoint, home) | settings
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[2]), environment.get("PYTHONPATH", "")])
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def begin(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Call without waiting; `end` waits."""
        assert self.process.stdin is not None
        print(json.dumps({"name": name, "args": args, "kwargs": kwargs}), file=self.process.stdin, flush=True)

    def end(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the client's process has ended"
        outcome: dict[str, Any] = json.loads(line)
        return outcome

    def outcome(self, name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What the call returned, or what it raised under "error"."""
        self.begin(name, *args, **kwargs)
        return self.end()

    def call(self, name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        outcome = self.outcome(name, *args, **kwargs)
        assert "error" not in outcome, outcome
        return outcome

    def refusal(self, name: str, *args: Any, **kwargs: Any) -> str:
        """The message of the `ValueError` that the call must raise: one sentence that begins to name its subject."""
        outcome = self.outcome(name, *args, **kwargs)
        assert "error" in outcome, f"{name} {args} {kwargs} gave {outcome}"
        message: str = outcome["error"]
        assert {"HubError", "NotAModelError"} & set(outcome["kinds"]), outcome
        assert "ValueError" in outcome["kinds"], outcome
        assert args[0][:60] in message
        assert "\n" not in message and message.endswith("."), message
        assert "expected" in message, message
        return message

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def author(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(hub.url, tmp_path_factory.mktemp("author"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def reader(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Another machine: nothing of the author's is there."""
    client = Client(hub.url, tmp_path_factory.mktemp("reader"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client whose Hub refuses every connection: the port is taken, but nobody listens."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path_factory.mktemp("offline"))
        yield client
        client.close()


if __name__ == "__main__":
    serve_calls()
