"""Pushing over a bad network and with a bad token: what is seen, and that nothing is lost or sent twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_client import WRITTEN, Client
from tests.support.hub_server import BORN_WITH, READ_ONLY_TOKEN, Hub


@pytest.fixture(autouse=True)
def well_again(hub: Hub) -> Iterator[None]:
    yield
    hub.faults.clear()
    hub.part_size = None


def test_weights_go_by_lfs_and_only_what_changed_goes(hub: Hub, author: Client) -> None:
    author.call("push", "user/thrifty", 60)
    uploads = len(hub.requested("PUT", "/upload/"))
    author.call("push", "user/thrifty", 60)
    assert len(hub.requested("PUT", "/upload/")) == uploads
    assert len(hub.requested("POST", "user/thrifty/commit")) == 1
    author.call("push", "user/thrifty", 60, record={"name": "Renamed"})
    assert len(hub.requested("PUT", "/upload/")) == uploads
    repo = hub.repos["user/thrifty"]
    assert len(repo.commits) == 3
    author.call("push", "user/thrifty", 61, record={"name": "Renamed"})
    assert len(hub.requested("PUT", "/upload/")) == uploads + 1


def test_a_large_file_goes_in_parts(hub: Hub, author: Client, reader: Client) -> None:
    hub.part_size = 9_000
    pushed = author.call("push", "user/parts", 62)
    assert len(hub.requested("PUT", "/upload/[0-9a-f]*/[0-9]")) > 1
    assert reader.call("load", "user/parts")["fingerprint"] == pushed["fingerprint"]


@pytest.mark.parametrize(
    ("method", "pattern", "how"),
    [
        ("POST", "/commit/main", {"kind": "lost"}),
        ("POST", "/commit/main", {"status": 503}),
        ("POST", "/commit/main", {"status": 429, "headers": {"Retry-After": "1"}}),
        ("POST", "/commit/main", {"kind": "cut"}),
        ("POST", "/preupload/", {"status": 500}),
        ("PUT", "/upload/", {"status": 503}),
        ("PUT", "/upload/", {"kind": "reset"}),
        ("GET", "/api/models/user/stormy", {"status": 503, "skip": 1}),
        ("POST", "/api/validate-yaml", {"kind": "lost"}),
        ("POST", "/api/repos/create", {"kind": "lost"}),
    ],
)
def test_one_fault_during_a_push_makes_one_commit_all_the_same(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, method: str, pattern: str, how: dict[str, Any]
) -> None:
    """A commit whose answer is lost is sent twice by the client on its other road, and fails on this one."""
    hub.repos.pop("user/stormy", None)
    hub.objects.clear()
    fault = hub.fail(method, pattern, **how)
    pushed = author.call("push", "user/stormy", 63)
    assert fault.happened == 1
    repo = hub.repos["user/stormy"]
    assert len(repo.commits) == 2
    assert set(repo.files()) == WRITTEN | BORN_WITH.keys()
    assert pushed["url"].endswith(repo.branches["main"])
    assert reader.call("load", "user/stormy", cache_dir=str(tmp_path))["fingerprint"] == pushed["fingerprint"]


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("pattern", ["/preupload/", "/commit/", "/info/lfs/"])
def test_a_push_that_is_refused_on_the_way_changes_nothing(hub: Hub, author: Client, status: int, pattern: str) -> None:
    hub.repos.pop("user/refused", None)
    hub.objects.clear()
    hub.fail("POST", pattern, status=status)
    message = author.refusal("push", "user/refused", 74)
    assert str(status) in message
    assert ("hf auth whoami" in message) == (status != 404)
    assert len(hub.repos["user/refused"].commits) == 1


def test_a_push_that_breaks_off_leaves_the_repository_as_it_was(hub: Hub, author: Client, reader: Client) -> None:
    old = author.call("push", "user/steady", 64)
    repo = hub.repos["user/steady"]
    before = dict(repo.branches)
    hub.fail("POST", "/commit/main", status=500, times=99)
    message = author.refusal("push", "user/steady", 65)
    assert "try again later" in message
    assert repo.branches == before
    assert reader.call("load", "user/steady")["fingerprint"] == old["fingerprint"]
    hub.faults.clear()
    new = author.call("push", "user/steady", 65)
    assert len(repo.commits) == 3
    assert reader.call("load", "user/steady")["fingerprint"] == new["fingerprint"]


def test_two_who_push_at_once_do_not_mix(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    """Each sends only what differs from the commit that it saw, so one that lands between would be mixed in."""
    author.call("push", "user/busy", 66)
    slow = hub.fail("POST", "user/busy/commit", kind="slow", seconds=1.0)
    author.begin("push", "user/busy", 67, record={"name": "First"})
    while not slow.happened:
        time.sleep(0.01)
    second = reader.call("push", "user/busy", 68)
    first = author.end()
    assert "error" not in first
    loaded = reader.call("load", "user/busy", cache_dir=str(tmp_path))
    assert loaded["fingerprint"] in (first["fingerprint"], second["fingerprint"])
    assert loaded["fingerprint"] == first["fingerprint"] and loaded["record"] == {"name": "First"}


def test_a_proposal_is_not_sent_twice(hub: Hub, author: Client) -> None:
    author.call("push", "user/proposed", 69)
    hub.fail("POST", "/commit/main", kind="lost")
    author.refusal("push", "user/proposed", 70, create_pr=True)
    assert [branch for branch in hub.repos["user/proposed"].branches if branch.startswith("refs/pr")] == ["refs/pr/1"]


def test_a_token_that_may_only_read(hub: Hub, author: Client, tmp_path: Path) -> None:
    author.call("push", "user/readable", 71, private=True)
    client = Client(hub.url, tmp_path / "home", HF_TOKEN=READ_ONLY_TOKEN)
    try:
        assert client.call("load", "user/readable")
        for repo_id in ("user/readable", "user/not-there"):
            assert "hf auth whoami" in client.refusal("push", repo_id, 72)
            assert "may only read" in client.refusal("check_account", repo_id)
        assert "user/not-there" not in hub.repos
    finally:
        client.close()


def test_whether_one_may_push_is_known_before_there_is_anything_to_push(
    hub: Hub, author: Client, offline: Client
) -> None:
    author.call("check_account", "user/next")
    author.call("check_account", "next")
    assert "you are user" in author.refusal("check_account", "guest/next")
    assert "token" in author.refusal("check_account", "user/next", token="of-nobody")
    assert "cannot be reached" in offline.refusal("check_account", "user/next")
    assert "user/next" not in hub.repos


@pytest.mark.serial
def test_a_push_without_a_hub_answers_within_five_seconds(offline: Client) -> None:
    outcome = offline.outcome("push", "user/unseen", 73)
    assert "cannot be reached" in outcome["error"]
    assert outcome["seconds"] < 5
