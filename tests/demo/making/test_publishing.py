"""Publishing from the page: who may, what is shown before, and the push to a Hub by the real client."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from starlette.datastructures import Address, Headers
from starlette.requests import Request

from hubcharlstm import CharLSTM
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.making import publishing, routes
from hubcharlstm.demo.making.publishing import check_license, check_name, is_at_home, public_parts
from hubcharlstm.demo.making.routes import MakingRoutes
from tests.support.browser_app import ROOT, free_port
from tests.support.hub_server import OWNER_TOKEN, Hub
from tests.support.served import SECONDS, wait_until

ANN = "a" * 32
TEXT = "".join(f"Line {n} of a poem, and {'rain' if n % 2 else 'sun'} on the hill.\n" for n in range(80))


def asks(client: str = "127.0.0.1", host: str = "127.0.0.1:7860", **headers: str) -> Any:
    return SimpleNamespace(client=Address(client, 5), headers=Headers({"host": host, **headers}))


def test_only_a_browser_on_this_very_machine_is_at_home() -> None:
    for host in ("127.0.0.1:7860", "localhost:7860", "localhost", "[::1]:7860"):
        assert is_at_home(asks(host=host), {})
    assert is_at_home(asks("::1"), {})
    assert not is_at_home(asks("192.168.0.7"), {})  # the network
    assert not is_at_home(asks(host="abc.gradio.live"), {})  # a share link, whose tunnel ends here
    assert not is_at_home(asks(host="evil.example:7860"), {})  # a name that was bound anew to this machine
    assert not is_at_home(asks(**{"x-forwarded-for": "1.2.3.4"}), {})  # a proxy
    assert not is_at_home(asks(), {"SPACE_ID": "user/space"})
    assert not is_at_home(asks(), {"GRADIO_ROOT_PATH": "/chat"})


@pytest.mark.parametrize("name", ["", "user/model", "../x", "a b", "x" * 90, None, "-a", "<b>"])
def test_names_that_the_hub_does_not_take_are_refused(name: Any) -> None:
    with pytest.raises(UserError):
        check_name(name)
    assert check_name("charlstm-mine") and check_license("") == ""
    with pytest.raises(UserError):
        check_license("mine")


def test_lines_of_the_text_in_samples_are_shown_before(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text('{"examples": ["Line "], "speakers": ["ANN"]}')
    (tmp_path / "training.json").write_text(
        '{"corpus": {"title": "diary.txt"}, "time_lapse": [],'
        ' "samples": [{"text": "rest\\nmy secret is this\\nshort\\nmade up by the model"}]}'
    )
    parts = public_parts(tmp_path, "before\n my secret is this \nshort\nafter")
    public = {"titles": ["diary.txt"], "examples": ["Line "], "speakers": ["ANN"], "lines": ["my secret is this"]}
    assert parts == public


def test_a_line_that_a_sample_completes_is_shown_before(tmp_path: Path) -> None:
    """The prompt, which is the beginning of a line, was left out: the first line of a sample was never found."""
    (tmp_path / "generation_config.json").write_text("{}")
    (tmp_path / "training.json").write_text(
        '{"samples": [{"prompt": "my secret", "text": " is this\\nrest"}], "time_lapse_prompt": "another",'
        ' "time_lapse": [{"text": " secret of mine"}]}'
    )
    parts = public_parts(tmp_path, "my secret is this\nanother secret of mine\na third one stays")
    assert parts["lines"] == ["my secret is this", "another secret of mine"]


def test_a_long_passage_of_a_line_is_shown_before(tmp_path: Path) -> None:
    """Of prose, whose lines are whole paragraphs, nothing was shown, whatever a sample repeated of them."""
    paragraph = "I never told anybody that the money is under the third stair of the house, and nobody asked me. " * 3
    passage = "the money is under the third stair of the house"
    record = {"samples": [{"text": f"He said {passage}! And {passage[:38]}"}], "time_lapse": []}
    (tmp_path / "generation_config.json").write_text("{}")
    (tmp_path / "training.json").write_text(json.dumps(record))
    assert public_parts(tmp_path, f"before\n{paragraph}\nafter")["lines"] == [passage]


@pytest.mark.parametrize(("given", "lowercase"), [("Cafe\u0301 in de\u0301cembre", False), ("CAFÉ in Décembre", True)])
def test_lines_are_compared_as_the_model_reads_them(tmp_path: Path, given: str, lowercase: bool) -> None:
    """Of a text with accents as characters of their own, as macOS writes them, no line was found in a sample."""
    written = "café in décembre" if lowercase else "Café in décembre"
    record = {"recipe": {"lowercase": lowercase}, "samples": [{"text": written}]}
    (tmp_path / "generation_config.json").write_text("{}")
    (tmp_path / "training.json").write_text(json.dumps(record))
    assert public_parts(tmp_path, f"before\n{given}\nafter")["lines"] == [written]


def test_a_private_model_goes_to_no_public_repository(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of a public model of one's own, everybody saw it, and the page called it private."""
    pushed: list[str] = []

    def push(model: CharLSTM, repo_id: str, **_: Any) -> str:
        pushed.append(repo_id)
        return f"https://hub.example/{repo_id}/commit/0123abc"

    monkeypatch.setattr(publishing.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(publishing.upload, "create_repository", lambda name, **_: f"ann/{name}")
    monkeypatch.setattr(publishing.upload, "is_private", lambda repo_id, **_: repo_id.endswith("hidden"))
    monkeypatch.setattr(CharLSTM, "push_to_hub", push)
    account = publishing.Account("ann", "token")
    with pytest.raises(UserError, match="ann/open is public already"):
        publishing.publish(model_folder, "open", account, license_name="", private=True)
    assert pushed == []
    for name, private in (("hidden", True), ("open", False)):
        published = publishing.publish(model_folder, name, account, license_name="", private=private)
        assert (published["repo_id"], published["url"]) == (f"ann/{name}", f"https://hub.example/ann/{name}")
    assert pushed == ["ann/hidden", "ann/open"]


def test_few_models_are_pushed_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pushes as there are worker threads, and no reply of any visitor came to its end before one of them."""
    under_way: list[str] = []
    most: list[int] = []
    released = threading.Event()

    def push(folder: Path, name: str, account: Any, **_: Any) -> dict[str, str]:
        under_way.append(name)
        most.append(len(under_way))
        released.wait(20)
        under_way.remove(name)
        return {"name": name}

    def asks_to_publish(name: str) -> Request:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps({"name": name}).encode()}

        headers = [(b"host", b"localhost:7860"), (b"x-hubcharlstm-owner", ANN.encode())]
        scope = {"type": "http", "method": "POST", "path": "/", "client": ("127.0.0.1", 5), "headers": headers}
        return Request(scope, receive)

    async def run() -> list[dict[str, str]]:
        manager: Any = SimpleNamespace(finished=lambda owner: SimpleNamespace(model_folder=tmp_path))
        nothing: Any = None
        asked = MakingRoutes(manager, nothing, nothing)
        pushes = asyncio.gather(*(asked.publish(asks_to_publish(f"model-{number}")) for number in range(6)))
        while len(under_way) < routes.MAX_PUSHES:
            await asyncio.sleep(0.01)
        released.set()
        return await pushes

    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("GRADIO_ROOT_PATH", raising=False)
    monkeypatch.setattr(routes, "publish", push)
    assert [pushed["name"] for pushed in asyncio.run(run())] == [f"model-{number}" for number in range(6)]
    assert max(most) == routes.MAX_PUSHES


@pytest.fixture
def home(hub: Hub, tmp_path: Path) -> Iterator[str]:
    """The app at home, with a login that it shows nowhere, beside a Hub on this machine."""
    port, log = free_port(), tmp_path / "log"
    token = tmp_path / "token"
    token.write_text(OWNER_TOKEN)
    environment = {name: value for name, value in os.environ.items() if name not in ("SPACE_ID", "HF_TOKEN")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")], cwd=tmp_path, stdout=output, stderr=output,
            env={
                **environment, "HF_ENDPOINT": hub.url, "HF_TOKEN_PATH": str(token), "HF_HUB_DISABLE_XET": "1",
                "TMPDIR": str(tmp_path), "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(is_up, seconds=120)
        yield url
    finally:
        process.terminate()
        process.wait(20)
    assert not list(tmp_path.rglob("hill.txt")) and log.stat().st_size
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if OWNER_TOKEN.encode() in path.read_bytes()] == [token]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_text_becomes_a_private_model_on_the_hub(home: str, hub: Hub) -> None:
    def call(route: str, method: str = "POST", **options: Any) -> Any:
        answer = httpx.request(
            method, f"{home}/make/{route}", headers={"x-hubcharlstm-owner": ANN}, timeout=SECONDS, **options
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_in(phase: str) -> bool:
        state = call("state", "GET")
        assert state["phase"] != "failed", state["sentence"]
        return bool(state["phase"] == phase)

    call("text", content=TEXT.encode(), params={"title": "Hill"})
    wait_until(lambda: is_in("checked"), seconds=180)
    call("start", json={"seconds": 30, "model": ""})
    wait_until(lambda: bool((call("state", "GET")["run"] or {}).get("metrics")), seconds=240)
    call("stop")  # test_page_making has a whole training
    wait_until(lambda: is_in("ready"), seconds=240)
    elsewhere = {"x-hubcharlstm-owner": ANN, "x-forwarded-for": "203.0.113.7"}  # a proxy, with the key and all
    refused = httpx.post(f"{home}/make/publish", json={"name": "stolen"}, headers=elsewhere, timeout=SECONDS)
    assert refused.status_code == 400 and "expected a browser on that very machine" in refused.json()["error"]
    assert not httpx.get(f"{home}/make/state", headers=elsewhere, timeout=SECONDS).json()["may_publish"]
    parts = call("publish", "GET")
    assert (parts["name"], parts["titles"]) == ("charlstm-hill", ["hill.txt"])
    published = call("publish", json={"name": "charlstm-hill", "license": "cc0-1.0", "private": True})
    assert published["repo_id"] == "user/charlstm-hill" and published["url"] == f"{hub.url}/user/charlstm-hill"
    repo = hub.repos["user/charlstm-hill"]
    files = repo.commits[repo.branches["main"]]
    assert repo.private and "license: cc0-1.0" in files["README.md"].decode()
    assert OWNER_TOKEN.encode() not in b"".join(files.values())
