"""The routes under `/make` over HTTP: who may send how much, and what hostile texts are answered."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm import CharLSTM
from hubcharlstm.demo.making import routes
from tests.support.served import SECONDS, Served, serving, wait_until

ANN, BOB = "a" * 32, "b" * 32
TEXT = "LEARN " + "a line of a text\n" * 150


def call(served: Served, route: str, owner: str = ANN, *, method: str = "POST", **options: Any) -> httpx.Response:
    headers = {"x-hubcharlstm-owner": owner} if owner else {}
    return httpx.request(method, f"{served.url}/make/{route}", headers=headers, timeout=SECONDS, **options)


def state(served: Served, owner: str = ANN) -> dict[str, Any]:
    answer = call(served, "state", owner, method="GET")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def until(served: Served, phase: str, owner: str = ANN) -> dict[str, Any]:
    wait_until(lambda: state(served, owner)["phase"] == phase)
    return state(served, owner)


def error(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


def test_a_text_becomes_a_zip_that_loads(served: Served, tmp_path: Path) -> None:
    call(served, "text", content=TEXT.encode(), params={"title": "Mein Tagebuch"})
    until(served, "checked")
    assert call(served, "start", json={"seconds": 30, "model": ""}).json()["phase"] == "training"
    assert until(served, "ready")["label"] == "Mein Tagebuch, made by you"
    answer = call(served, "model.zip", method="GET")
    assert answer.headers["content-disposition"] == 'attachment; filename="charlstm-mein-tagebuch.zip"'
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(unpacked)
    model = CharLSTM.from_pretrained(str(unpacked / "charlstm-mein-tagebuch"), device="cpu")
    assert len(model.generate(max_new_tokens=5, seed=1)) == 5
    for path in sorted(unpacked.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert call(served, "forget").json()["phase"] == "none"


def test_nobody_else_finds_it(served: Served) -> None:
    call(served, "text", content=TEXT.encode())
    until(served, "checked")
    assert state(served, BOB)["phase"] == "none"
    assert "no longer here" in error(call(served, "start", BOB, json={"seconds": 30}))
    assert "no longer here" in error(call(served, "model.zip", BOB, method="GET"))
    for key in ("", "a", "A" * 32, "a" * 33, "../" + "a" * 29):
        assert "expected 32 hexadecimal digits" in error(call(served, "state", key, method="GET"))
        assert "expected 32 hexadecimal digits" in error(call(served, "text", key, content=TEXT.encode()))


def test_this_route_alone_takes_more_than_a_megabyte(served: Served) -> None:
    long = "a line of a text\n" * 60_000
    assert "1,020,000 characters; expected 1,000,000 at most" in error(call(served, "text", content=long.encode()))
    assert "expected 8,000,000 at most" in error(call(served, "text", content=b"x" * 8_000_001), 413)
    assert "expected 1,000,000 at most" in error(call(served, "start", content=b"x" * 1_000_001), 413)
    assert call(served, "text", content=("𝄞" * 1_000_000).encode()).status_code == 200
    assert "12 characters; expected 2,000" in error(call(served, "text", content=b"a short text"))


def test_who_may_not_give_a_text_is_refused_before_it_is_received(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status_before_the_body(owner: str) -> bytes:
        head = f"POST /make/text HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nX-Hubcharlstm-Owner: {owner}\r\n"
        with served.raw(f"{head}Content-Length: 5000000\r\n\r\n".encode()) as connection:
            return connection.recv(1_000).partition(b"\r\n")[0]

    assert b" 400 " in status_before_the_body("nobody")
    monkeypatch.setattr(routes, "MAX_UPLOADS", 0)
    assert b" 429 " in status_before_the_body(ANN)


def test_a_body_without_a_length_is_bounded_too(served: Served) -> None:
    chunks = (b"x" * 1_000_000 for _ in range(9))
    assert "expected 8,000,000 at most" in error(call(served, "text", content=chunks), 413)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'"a"', b'{"seconds": "30"}', b'{"seconds": 30, "model": 1}', b"\xff", b"[" * 19_000,
     b'{"seconds": 1' + b"0" * 5_000 + b"}"],
    ids=range(9),
)  # fmt: skip
def test_what_is_no_choice_is_refused(served: Served, body: bytes) -> None:
    """Lists within lists by the thousand were a RecursionError, and status 500."""
    assert error(call(served, "start", content=body))


def test_a_text_that_is_no_utf_8_is_refused(served: Served) -> None:
    assert "no UTF-8 (at byte 2,000)" in error(call(served, "text", content=b"a" * 2_000 + b"\xff\xfe"))


def test_only_the_apps_own_models_can_be_begun_with(served: Served) -> None:
    call(served, "text", content=TEXT.encode())
    until(served, "checked")
    for name in ("/etc/passwd", "user/other", "my text, made by you"):
        assert "is not one of the app's own" in error(call(served, "start", json={"seconds": 30, "model": name}))


def test_a_training_begins_with_the_commit_that_is_served(
    served: Served, chat_model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model at another revision than main the trainer, which is offline, found no copy, or other weights."""
    call(served, "text", content=TEXT.encode())
    until(served, "checked")
    for revision, source in (("c" * 40, f"user/tiny@{'c' * 40}"), (None, "user/tiny")):
        monkeypatch.setattr(chat_model, "revision", revision)
        call(served, "start", json={"seconds": 30, "model": "tiny"})
        until(served, "ready")
        [written] = tmp_path.rglob("run/arguments")
        arguments = json.loads(written.read_text())
        assert arguments[arguments.index("--init-from") + 1] == source
        call(served, "again")


def test_where_it_is_off_there_is_nothing(chat_model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBCHARLSTM_MAKE_YOUR_OWN", "0")
    with serving(chat_model) as running:
        assert call(running, "state", method="GET").status_code == 404
        assert r"data-view=\"make" not in httpx.get(f"{running.url}/config").text
