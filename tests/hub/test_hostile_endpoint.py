"""A server that is not the Hub: names that lead out of the cache, one ETag for two files, waits without end."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import HubError
from hubcharlstm.hub import retry
from hubcharlstm.hub.retry import bounded_operation, call_with_deadline, remaining_seconds, retry_after
from tests.support.hub_client import Client
from tests.support.hub_server import Hub, git_oid


@pytest.fixture(autouse=True)
def well_again(hub: Hub) -> Iterator[None]:
    yield
    hub.faults.clear()


def all_files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"../../../../pwn"'},
        {"ETag": 'W/"../../../pwn"'},
        {"ETag": '"/tmp/pwn-by-etag"'},
        {"ETag": '".."'},
        {"ETag": '"' + "a" * 300 + '"'},
        {"X-Linked-Etag": '"../../../../pwn"'},
        {"X-Repo-Commit": "../../../../pwn"},
        {"X-Repo-Commit": "0" * 40},
        {"X-Repo-Commit": "main"},
    ],
    ids=str,
)
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_name_of_the_server_does_not_lead_out_of_the_cache(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, headers: dict[str, str], file: str
) -> None:
    """The client made a path of the ETag: 55 kB went to another folder."""
    if file == "model.safetensors" and "ETag" in headers:
        headers = {"X-Linked-Etag": headers["ETag"]}  # which comes before it
    author.call("push", "user/led-out", 80)
    cache = tmp_path / "a" / "b" / "cache"
    hub.fail("HEAD", f"user/led-out/resolve/.*{file}", kind="headers", headers=headers, times=9)
    message = reader.refusal("load", "user/led-out", cache_dir=str(cache))
    assert "HF_ENDPOINT" in message
    assert all(path.is_relative_to(cache) for path in all_files(tmp_path))
    assert not list(tmp_path.rglob("pwn*")) and not Path("/tmp/pwn-by-etag").exists()
    assert not list(cache.glob("*/refs/*"))


def test_a_missing_file_is_noted_nowhere_else(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    """The client notes that a file is missing in a folder that the response names."""
    author.call("push", "user/missing-file", 81)
    hub.fail("HEAD", "config.json", status=404, times=9, headers={
        "X-Error-Code": "EntryNotFound", "X-Repo-Commit": "../../../../pwn",
    })  # fmt: skip
    cache = tmp_path / "a" / "b" / "cache"
    assert "HF_ENDPOINT" in reader.refusal("load", "user/missing-file", cache_dir=str(cache))
    assert not list(tmp_path.rglob("pwn*"))


@pytest.mark.parametrize("sha", ["../../x", "main", "", "0" * 39, None, 5])
def test_a_commit_that_is_none_is_refused(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sha: Any
) -> None:
    from tests.support import hub_routes

    author.call("push", "user/no-commit", 82)
    right = hub_routes.repo_info

    def wrong(request: Any) -> Any:
        response = right(request)
        data = json.loads(response.body) | {"sha": sha}
        return type(response)(response.status, json.dumps(data).encode(), response.headers)

    routes = [(m, pattern, wrong if route is right else route) for m, pattern, route in hub_routes.ROUTES]
    monkeypatch.setattr(hub_routes, "ROUTES", routes)
    assert "HF_ENDPOINT" in reader.refusal("load", "user/no-commit", cache_dir=str(tmp_path))
    assert not all_files(tmp_path)


def test_one_etag_for_several_files_is_no_snapshot(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    """A file replaced the one before in the cache, and the broken snapshot was noted as `main`."""
    old = author.call("push", "user/one-etag", 83)
    first = reader.call("load", "user/one-etag", cache_dir=str(tmp_path))["revision"]
    author.call("push", "user/one-etag", 84, record={"name": "New"})
    same = {"ETag": f'"{git_oid(b"same")}"'}
    hub.fail("HEAD", r"one-etag/resolve/.*\.(json|md)", kind="headers", headers=same, times=99)
    outcome = reader.outcome("load", "user/one-etag", cache_dir=str(tmp_path))
    if "error" in outcome:  # by chance one at a time may come out right
        assert {"HubError", "NotAModelError"} & set(outcome["kinds"])
    [main] = tmp_path.glob("*/refs/main")
    if "error" in outcome:
        assert main.read_text() == first
        hub.faults.clear()
        cached = reader.call("load", "user/one-etag", cache_dir=str(tmp_path), local_files_only=True)
        assert cached["fingerprint"] == old["fingerprint"]
        assert reader.call("load", "user/one-etag", cache_dir=str(tmp_path))["record"] == {"name": "New"}


def test_a_snapshot_that_does_not_load_is_not_noted(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    old = author.call("push", "user/broken-head", 85)
    first = reader.call("load", "user/broken-head", cache_dir=str(tmp_path))["revision"]
    hub.repos["user/broken-head"].commit({"generation_config.json": b'{"temperature": NaN}'})
    outcome = reader.outcome("load", "user/broken-head", cache_dir=str(tmp_path))
    assert "no finite number" in outcome["error"] and "NotAModelError" in outcome["kinds"]
    cached = reader.call("load", "user/broken-head", cache_dir=str(tmp_path), local_files_only=True)
    assert (cached["revision"], cached["fingerprint"]) == (first, old["fingerprint"])


def test_a_message_of_the_server_is_one_line_of_text(hub: Hub, reader: Client, tmp_path: Path) -> None:
    """It was repeated whole, with the escapes that colour a terminal."""
    hub.add_repo("user/talkative", {"config.json": b"{}"})
    hub.fail("GET", "/api/models/user/talkative", status=403, message="\x1b[31mred" + "x" * 5000, times=9)
    message = reader.refusal("load", "user/talkative", cache_dir=str(tmp_path))
    assert "\x1b" not in message and len(message) < 1200


# --- waits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("9" * 400, 86_400), ("-5", 0), ("soon", 0), ("", 0), ("٣", 0), ("1e9", 0)]
)
def test_a_wait_of_the_hub_is_bounded(header: str, seconds: float) -> None:
    """400 digits made it infinite."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    request = httpx.Request("GET", "http://127.0.0.1/")
    response = httpx.Response(429, headers={"Retry-After": header.encode()}, request=request)
    assert retry_after(HfHubHTTPError("busy", response=response)) == seconds


def test_one_deadline_bounds_all_calls_of_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(retry.TIMEOUT_VARIABLE, "1")
    release = threading.Event()
    seen: list[float] = []
    with bounded_operation():
        with bounded_operation():  # the outer one counts
            assert call_with_deadline(60, lambda: seen.append(remaining_seconds()) or 5) == 5  # type: ignore[func-returns-value]
        with pytest.raises(TimeoutError):
            call_with_deadline(60, release.wait)
        with pytest.raises(TimeoutError):
            call_with_deadline(60, release.wait)
        assert remaining_seconds() == 0
    release.set()
    assert 0 < seen[0] <= 1 and remaining_seconds() == float("inf")


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "9" * 400, "100000", "٣"])
def test_a_deadline_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(retry.TIMEOUT_VARIABLE, value)
    with pytest.raises(HubError, match=retry.TIMEOUT_VARIABLE), bounded_operation():
        pass


def test_silence_ends_a_call_and_bytes_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    with pytest.raises(TimeoutError, match="silence"):
        call_with_deadline(60, release.wait, progress=lambda: 3, stall=0.2)
    release.set()

    def slow() -> str:
        time.sleep(1.2)
        return "all"

    assert call_with_deadline(60, slow, progress=lambda: time.monotonic_ns(), stall=0.7) == "all"


def test_a_wait_for_the_hub_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(retry, "REPORT_SECONDS", 0.2)

    def slow() -> int:
        time.sleep(0.7)
        return 5

    assert call_with_deadline(60, slow) == 5
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said and all(re.fullmatch(r"Waiting for the Hub for \d seconds, at most 60\.", line) for line in said)


def test_an_answer_that_comes_as_a_wait_ends_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the end of a wait and the look at the call its result was lost: "cannot be reached (TimeoutError)"."""
    release = threading.Event()

    class JustTooLate(Future[int]):
        """Ends, at the first wait, right after that wait has."""

        def result(self, timeout: float | None = None) -> int:
            if release.is_set():
                return super().result(timeout)
            release.set()
            super().result()
            raise TimeoutError

    monkeypatch.setattr(retry, "Future", JustTooLate)
    assert call_with_deadline(60, lambda: release.wait() and 5) == 5


@pytest.fixture(scope="module")
def hurried(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client whose operations may take three seconds."""
    client = Client(hub.url, tmp_path_factory.mktemp("hurried"), HUBCHARLSTM_HUB_TIMEOUT="3")
    yield client
    client.close()


@pytest.mark.parametrize(
    ("method", "pattern", "how"),
    [
        ("POST", "/commit/main", {"status": 429, "headers": {"Retry-After": "3600"}}),
        ("POST", "/commit/main", {"kind": "slow", "seconds": 30.0}),
        ("PUT", "/upload/", {"kind": "slow", "seconds": 30.0}),
        ("POST", "/preupload/", {"status": 429, "headers": {"Retry-After": "9" * 400}}),
        ("POST", "/api/repos/create", {"status": 429, "headers": {"Retry-After": "3600"}}),
    ],
)
def test_a_push_ends_at_its_deadline(hub: Hub, hurried: Client, method: str, pattern: str, how: dict[str, Any]) -> None:
    """It slept for an hour where the Hub asked it to, and for ever where it said nothing."""
    hub.repos.pop("user/late", None)
    hub.objects.clear()
    hub.fail(method, pattern, times=99, **how)
    hurried.begin("push", "user/late", 86)
    outcome = hurried.end()
    assert "HubError" in outcome["kinds"], outcome
    hub.faults.clear()


def test_a_pull_whose_body_stalls_ends_at_its_deadline(hub: Hub, author: Client, hurried: Client) -> None:
    author.call("push", "user/stalled", 87)
    hub.fail("GET", "/large/", kind="stall", seconds=30.0, times=99)
    assert "cannot be reached" in hurried.refusal("load", "user/stalled")


@pytest.mark.slow
@pytest.mark.parametrize("file", ["/large/", "config.json"])
def test_a_lasting_fault_of_a_new_commit_does_not_hold_up_the_copy(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, file: str
) -> None:
    """The copy came after 47 seconds of the client's own retries."""
    old = author.call("push", "user/held-up", 88)
    reader.call("load", "user/held-up", cache_dir=str(tmp_path))
    author.call("push", "user/held-up", 89)
    for method in ("GET", "HEAD"):
        hub.fail(method, file, status=500, times=999)
    loaded = reader.call("load", "user/held-up", cache_dir=str(tmp_path))
    assert loaded["fingerprint"] == old["fingerprint"] and len(loaded["warned"]) == 1


# --- tags and branches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skip", range(3))
@pytest.mark.parametrize(("method", "status"), [("POST", 403), ("POST", 500), ("DELETE", 403), ("DELETE", 500)])
def test_a_tag_is_never_lost(hub: Hub, monkeypatch: pytest.MonkeyPatch, method: str, status: int, skip: int) -> None:
    """It was deleted before the new one was created; a refusal between the two lost it."""
    from hubcharlstm.hub import tags, upload
    from tests.support.hub_server import OWNER_TOKEN

    repo = hub.add_repo(f"user/tagged-{method}-{status}-{skip}".lower())
    old, new = repo.commit({"a": b"1"}), repo.commit({"a": b"2"})
    repo.tags["epoch-01"] = old
    monkeypatch.setattr(upload, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(tags, "HfApi", lambda token=None: huggingface_api(hub.url, token))
    hub.fail(method, f"{repo.name}/tag/", status=status, times=1, skip=skip)
    try:
        tags.set_tag(repo.name, "epoch-01", new, token=OWNER_TOKEN)
    except HubError:
        assert repo.tags.get("epoch-01") in (old, new)
        hub.faults.clear()
        tags.set_tag(repo.name, "epoch-01", new, token=OWNER_TOKEN)
    assert repo.tags == {"epoch-01": new}


def huggingface_api(endpoint: str, token: str | None) -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint, token=token)
