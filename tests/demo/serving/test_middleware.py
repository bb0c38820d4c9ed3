"""Requests of strangers: malformed calls, sizes, slow senders, other sites' pages, file routes, and a path prefix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.importorskip("gradio")

from gradio_client import Client

from hubcharlstm.demo.serving import middleware, server
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("call/v2/complete", b"{", 422),
        ("call/v2/complete", b'{"prompt": "To be"', 422),
        ("call/v2/complete", b"\xff\xfe", 422),
        ("call/v2/complete", b"[" * 10_000, 422),
        ("call/v2/complete", b"[]", 422),
        ("call/v2/complete", b"7", 422),
        ("call/v2/complete", b"{}", 422),
        ("call/v2/complete", b'{"prompt": "To be", "lenght": 5}', 422),
        ("call/v2/nothing", b"{}", 422),
        ("call/nothing", b'{"data": []}', 422),
        ("call/complete", b'{"data": "To be"}', 422),
        ("queue/join", b"{}", 422),
        ("queue/join", b'{"data": [], "fn_index": 99999, "session_hash": "x"}', 422),
        ("queue/join", b'{"data": {}, "fn_index": "no", "session_hash": []}', 422),
        ("cancel", b"{}", 422),
    ],
)
def test_a_malformed_call_is_answered_in_json(served: Served, path: str, content: bytes, status: int) -> None:
    answer = httpx.post(
        f"{served.url}/gradio_api/{path}", content=content, headers={"content-type": "application/json"}, timeout=20
    )
    assert answer.status_code in (status, 400, 404), answer.text
    assert "Traceback" not in answer.text and answer.headers["content-type"] == "application/json"
    assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"


def test_a_huge_request_is_refused_before_it_is_read(served: Served) -> None:
    answer = served.post("complete", prompt="x" * 10_000_000)
    assert answer.status_code == 413
    assert "The request has 10000013 bytes; expected 1,000,000 at most" in answer.json()["error"]
    with pytest.raises(httpx.HTTPStatusError, match="413"):
        Client(served.url, verbose=False, analytics_enabled=False).predict("x" * 10_000_000, api_name="/complete")


def test_a_body_of_many_small_values_is_refused_before_it_is_parsed(served: Served) -> None:
    """20 bodies of 700 kB in small values blocked the event loop for 11.8 of 14.2 seconds."""
    join = f"{served.url}/gradio_api/queue/join"
    for content in (b'{"data": [' + b"[]," * 200_000 + b"[]]}", b'{"data": ["' + b'\\"' * 20 + b'"' + b",1" * 200_000):
        answer = httpx.post(join, content=content, headers={"content-type": "application/json"}, timeout=20)
        assert answer.status_code == 413 and "values; expected 20,000 at most" in answer.json()["error"]
    texts = ("[,{" * 3_000, '\\"' * 3_000 + "," * 900)
    for text in texts:  # structure inside of a text is text
        assert served.refusal("complete", prompt=text, stop=7).startswith("The stop is 7")


def test_a_huge_body_without_a_length_is_cut_off(served: Served) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b" " * 10_000

    try:
        answer = httpx.post(f"{served.url}/gradio_api/call/v2/complete", content=endless(), timeout=20)
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # closed while the body was still being sent
    assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"


def test_an_incomplete_request_times_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_TIMEOUT", 0.5)
    monkeypatch.setattr(server, "IDLE_TIMEOUT", 0.5)
    head = b"POST /gradio_api/call/v2/complete HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n"
    with served.raw(head + b'{"prompt"') as slow:
        assert b"408" in slow.recv(1000)
    for begun in (b"", b"GET / HT", head[:60]):
        with served.raw(begun) as silent:
            assert silent.recv(1000) == b""  # closed
    assert served.last("complete", prompt="To be", max_new_tokens=3)["finish_reason"] == "length"


def test_cross_site_requests_are_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for path in ("/config", "/gradio_api/info", "/healthz"):
        assert "access-control-allow-origin" not in httpx.get(served.url + path, headers=foreign).headers
    sent = httpx.post(f"{served.url}/gradio_api/call/v2/complete", json={"prompt": ""}, headers=foreign)
    assert sent.status_code == 403 and "HUBCHARLSTM_ALLOW_ORIGINS" in sent.json()["error"]
    asked = {**foreign, "access-control-request-method": "POST"}
    assert (
        "access-control-allow-origin" not in httpx.options(f"{served.url}/gradio_api/queue/join", headers=asked).headers
    )
    own = {"origin": served.url, "sec-fetch-site": "same-origin"}
    sent = httpx.post(f"{served.url}/gradio_api/call/v2/complete", json={"prompt": ""}, headers=own)
    assert sent.status_code == 200
    served.receive("complete", sent.json()["event_id"])
    monkeypatch.setenv("HUBCHARLSTM_ALLOW_ORIGINS", "https://friend.example, https://other.example")
    with serving(tiny_model()) as open_to_one:
        friend = {**foreign, "origin": "https://friend.example"}
        sent = httpx.post(f"{open_to_one.url}/gradio_api/call/v2/complete", json={"prompt": ""}, headers=friend)
        assert sent.headers["access-control-allow-origin"] == "https://friend.example"
        open_to_one.receive("complete", sent.json()["event_id"])
        assert "access-control-allow-origin" not in httpx.get(open_to_one.url + "/config", headers=foreign).headers


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=app.py",
        "/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://user-space.hf.space/",
        "/gradio_api/deep_link?session_hash=x",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api//file=/etc/passwd",
        "/static/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/upload_progress?upload_id=x",
    ],
)
def test_file_routes_are_blocked(served: Served, path: str) -> None:
    answer = httpx.get(served.url + path)
    assert answer.status_code in (403, 404, 405), answer.text[:200]
    assert "root:" not in answer.text


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with serving(tiny_model()) as served:
        upload = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("state.json", b"")})
        assert upload.status_code == 404
        served.last("complete", prompt="To be", max_new_tokens=20)
        served.last("score", text="To be")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("strips", [True, False])
def test_it_works_behind_a_path_prefix(monkeypatch: pytest.MonkeyPatch, strips: bool) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/tools/chat")
    monkeypatch.setenv("HUBCHARLSTM_TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("HUBCHARLSTM_ALLOWED_HOSTS", "example.org")
    with serving(tiny_model()) as served:
        before = "" if strips else "/tools/chat"
        headers = {"x-forwarded-host": "example.org", "x-forwarded-proto": "https"}
        page = httpx.get(f"{served.url}{before}/", headers=headers)
        assert page.status_code == 200 and '"root":"https://example.org/tools/chat"' in page.text
        assert httpx.get(f"{served.url}{before}/healthz").json()["status"] == "ok"
        call = f"{served.url}{before}/gradio_api/call/v2/complete"
        event = httpx.post(call, json={"prompt": "To be", "max_new_tokens": 5}, headers=headers).json()["event_id"]
        assert '"finish_reason": "length"' in httpx.get(f"{call}/{event}", headers=headers).text
