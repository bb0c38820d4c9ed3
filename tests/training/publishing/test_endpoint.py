"""`push --endpoint`: what the Hub got answers the documented request, in a process that has its wheel alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from hubcharlstm import CharLSTM, Vocabulary, __version__
from hubcharlstm.hub.model_folder import MODEL_FILES
from tests.conftest import tiny_model
from tests.support.hub_client import WRITTEN, Client, clean_environment
from tests.support.hub_server import BORN_WITH, Hub
from tests.support.job_machine import install

REPO = "user/served"
WHEEL = f"hubcharlstm-{__version__}-py3-none-any.whl"
ADDED = {"handler.py", "requirements.txt", WHEEL}
PULL = "import huggingface_hub as hub, sys; hub.snapshot_download(sys.argv[1], local_dir=sys.argv[2])"
SERVICE = """
import importlib.util, json, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("handler", Path(sys.argv[1]) / "handler.py")
module = importlib.util.module_from_spec(spec)
sys.modules["handler"] = module
spec.loader.exec_module(module)
handler = module.EndpointHandler(sys.argv[1])
import hubcharlstm
answers = [handler(json.loads(line)) for line in sys.stdin]
print(json.dumps({"library": hubcharlstm.__file__, "answers": answers}))
"""
"""What the service does with a repository: it loads handler.py and makes its class with the folder."""


@dataclass(frozen=True)
class Pushed:
    """The model folder that was pushed, and its repository as another machine has pulled it."""

    source: Path
    snapshot: Path


@pytest.fixture(scope="module")
def pushed(hub: Hub, author: Client, vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    place = tmp_path_factory.mktemp("endpoint")
    source, snapshot = place / "model", place / "repository"
    tiny_model(vocabulary).save_pretrained(source)
    result = author.call("train", f"push model {REPO} --endpoint", str(place))
    assert result["code"] == 0, result
    command = [sys.executable, "-c", PULL, REPO, str(snapshot)]
    subprocess.run(command, env=clean_environment(hub.url, place / "home"), check=True)
    return Pushed(source, snapshot)


def test_the_repository_answers_the_documented_request(pushed: Pushed, tmp_path: Path) -> None:
    parameters: dict[str, Any] = {
        "temperature": 0.7, "top_p": 0.95, "top_k": 12, "max_new_tokens": 40, "seed": 11, "stop": ["\n\n"],
    }  # fmt: skip
    bodies = [{"inputs": "To be", "parameters": parameters}, {"inputs": ["To be", "FIRST:\n"]}]
    site = install(pushed.snapshot / WHEEL, tmp_path / "site")
    environment = clean_environment("http://127.0.0.1:9", tmp_path / "home") | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, str(pushed.snapshot)], cwd=tmp_path, env=environment | {"HF_HUB_OFFLINE": "1"},
        input="".join(f"{json.dumps(body)}\n" for body in bodies), capture_output=True, text=True, check=True,
    )  # fmt: skip
    output = json.loads(done.stdout)
    assert Path(output["library"]).is_relative_to(site)
    expected = CharLSTM.from_pretrained(pushed.source, device="cpu").generate("To be", **parameters)
    first, second = output["answers"]
    assert first == [{"generated_text": expected}]
    assert [len(answer["generated_text"]) for answer in second] == [40, 40]


def test_the_repository_loads_as_a_model(hub: Hub, reader: Client, pushed: Pushed) -> None:
    assert set(hub.repos[REPO].files()) == WRITTEN | ADDED | BORN_WITH.keys()
    fingerprint = CharLSTM.from_pretrained(pushed.source, device="cpu").fingerprint
    assert reader.call("load", REPO)["fingerprint"] == fingerprint
    assert CharLSTM.from_pretrained(pushed.snapshot, device="cpu").fingerprint == fingerprint
    card = hub.repos[REPO].files()["README.md"].decode()
    [request] = [line for line in card.splitlines() if line.startswith('{"inputs"')]
    assert "Inference Endpoint" in card and json.loads(request)["parameters"]["seed"] == 7


def test_the_requirements_name_the_wheel_and_pin_what_it_needs(pushed: Pushed) -> None:
    wheel, *pins = (pushed.snapshot / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert wheel == f"/repository/{WHEEL}"  # where the service has the repository
    requirements = [Requirement(pin) for pin in pins]
    assert {one.name for one in requirements} == {"torch", "numpy", "safetensors", "huggingface-hub"}
    assert all(str(one.specifier).startswith("==") for one in requirements)


def test_it_is_sent_once_and_wheels_of_other_versions_go(
    hub: Hub, author: Client, reader: Client, pushed: Pushed
) -> None:
    repo, place = hub.repos[REPO], str(pushed.source.parent)
    head = repo.branches["main"]
    assert author.call("train", f"push model {REPO} --endpoint", place)["code"] == 0
    assert repo.branches["main"] == head
    repo.commit({"hubcharlstm-0.0.9-py3-none-any.whl": b"old", "notes.txt": b"mine", WHEEL: None})
    assert author.call("train", f"push model {REPO} --endpoint", place)["code"] == 0
    assert set(repo.files()) == WRITTEN | ADDED | BORN_WITH.keys() | {"notes.txt"}
    assert author.call("train", f"push model {REPO}", place)["code"] == 0
    assert set(repo.files()) >= ADDED and "Inference Endpoint" not in repo.files()["README.md"].decode()
    assert not ADDED & set(MODEL_FILES)
