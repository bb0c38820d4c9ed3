"""Loading over a bad network, with a bad token, of a bad artifact: what is seen, and that nothing is half-loaded."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_client import WRITTEN, Client
from tests.support.hub_server import Hub


@pytest.fixture(autouse=True)
def well_again(hub: Hub) -> Iterator[None]:
    yield
    hub.faults.clear()
    hub.part_size = None


def cached_files(cache: Path) -> set[str]:
    return {path.name for path in cache.glob("*/snapshots/*/*")}


# --- pull: the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        ("/large/", {"kind": "cut"}),
        ("/large/", {"kind": "reset"}),
        ("/large/", {"status": 503}),
        ("/large/", {"status": 429, "headers": {"Retry-After": "0"}}),
        ("/large/", {"kind": "slow", "seconds": 1.0}),
        ("/large/", {"kind": "flip"}),
        ("vocab.json", {"kind": "flip"}),
        ("training.json", {"kind": "reset"}),
        ("/api/models/user/[^/]*$", {"status": 500}),
        ("/api/models/user/[^/]*$", {"kind": "reset"}),
        ("/api/models/user/[^/]*$", {"status": 429, "headers": {"Retry-After": "1"}}),
    ],
)
def test_one_fault_on_the_way_is_not_even_seen(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, pattern: str, how: dict[str, Any]
) -> None:
    pushed = author.call("push", "user/bumpy", 40, record={"name": "Bumpy"})
    fault = hub.fail("GET", pattern, **how)
    loaded = reader.call("load", "user/bumpy", cache_dir=str(tmp_path))
    assert fault.happened == 1
    assert {key: loaded[key] for key in ("fingerprint", "record")} == {
        key: pushed[key] for key in ("fingerprint", "record")
    }


@pytest.mark.parametrize("file", ["/large/", "/config.json", "/README.md"])
def test_a_file_that_stays_damaged_is_refused_and_not_kept(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, file: str
) -> None:
    """The client itself lets a flipped bit through and keeps it: every later load would have had it."""
    pushed = author.call("push", "user/rotten", 41)
    fault = hub.fail("GET", file, kind="flip", times=2)
    message = reader.refusal("load", "user/rotten", cache_dir=str(tmp_path))
    assert "damaged" in message and fault.happened == 2
    assert len(hub.faults) == 1
    assert (file.strip("/") if file != "/large/" else "model.safetensors") not in cached_files(tmp_path)
    assert reader.call("load", "user/rotten", cache_dir=str(tmp_path))["fingerprint"] == pushed["fingerprint"]


def test_a_file_that_rots_in_the_cache_is_fetched_again(
    hub: Hub, author: Client, reader: Client, tmp_path: Path
) -> None:
    pushed = author.call("push", "user/rusty", 42)
    commit = reader.call("load", "user/rusty", cache_dir=str(tmp_path))["revision"]
    [weights] = tmp_path.glob("*/snapshots/*/model.safetensors")
    whole = weights.read_bytes()
    for options in ({}, {"revision": commit}):
        weights.resolve().write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        message = reader.refusal("load", "user/rusty", cache_dir=str(tmp_path), local_files_only=True, **options)
        assert "model.safetensors" in message and "damaged" in message
        loaded = reader.call("load", "user/rusty", cache_dir=str(tmp_path), **options)
        assert loaded["fingerprint"] == pushed["fingerprint"]


def test_a_download_that_broke_leaves_nothing_half_loaded(
    hub: Hub, author: Client, reader: Client, tmp_path: Path
) -> None:
    pushed = author.call("push", "user/broken", 43)
    hub.fail("GET", "/large/", kind="reset", times=9)
    message = reader.refusal("load", "user/broken", cache_dir=str(tmp_path))
    assert "connection" in message
    assert "cache" in reader.refusal("load", "user/broken", cache_dir=str(tmp_path), local_files_only=True)
    hub.faults.clear()
    assert reader.call("load", "user/broken", cache_dir=str(tmp_path))["fingerprint"] == pushed["fingerprint"]


def test_a_broken_download_of_a_new_commit_leaves_the_old_one_to_fall_back_on(
    hub: Hub, author: Client, reader: Client, tmp_path: Path
) -> None:
    """The client notes the new commit before its files are there, and would find an incomplete one."""
    old = author.call("push", "user/two-steps", 44)
    first = reader.call("load", "user/two-steps", cache_dir=str(tmp_path))["revision"]
    author.call("push", "user/two-steps", 45)
    hub.fail("GET", "/large/", kind="reset", times=9)
    loaded = reader.call("load", "user/two-steps", cache_dir=str(tmp_path))
    assert (loaded["revision"], loaded["fingerprint"]) == (first, old["fingerprint"])
    assert any(first in warning for warning in loaded["warned"])


@pytest.mark.serial
@pytest.mark.parametrize(
    "how",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "60"}},
        {"kind": "reset"},
        {"kind": "slow", "seconds": 6.0},
    ],
)
def test_a_hub_that_is_down_is_replaced_by_the_cache_at_once(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, how: dict[str, Any]
) -> None:
    pushed = author.call("push", "user/down", 46)
    commit = reader.call("load", "user/down", cache_dir=str(tmp_path))["revision"]
    hub.fail("GET", "/api/models/user/down", times=9, **how)
    loaded = reader.call("load", "user/down", cache_dir=str(tmp_path))
    assert (loaded["fingerprint"], loaded["revision"]) == (pushed["fingerprint"], commit)
    assert len(loaded["warned"]) == 1 and commit in loaded["warned"][0]
    assert loaded["seconds"] < 5


@pytest.mark.serial
def test_a_hub_that_cannot_be_reached_answers_within_five_seconds(offline: Client) -> None:
    """The client alone takes 23 seconds for a commit by its id, and for ever where nobody answers."""
    for revision in (None, "main", "0" * 40):
        outcome = offline.outcome("load", "user/unseen", revision=revision)
        assert "cannot be reached" in outcome["error"]
        assert outcome["seconds"] < 5


@pytest.mark.serial
def test_a_hub_that_takes_the_connection_and_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = Client(f"http://127.0.0.1:{mute.getsockname()[1]}", tmp_path / "home")
        try:
            for call in ({"verb": "load", "revision": "0" * 40}, {"verb": "check_account"}):
                outcome = client.outcome(call.pop("verb"), "user/unseen", **call)
                assert "cannot be reached" in outcome["error"]
                assert outcome["seconds"] < 5
        finally:
            client.close()


def test_a_commit_that_is_in_the_cache_is_not_asked_for(
    hub: Hub, author: Client, reader: Client, offline: Client, tmp_path: Path
) -> None:
    pushed = author.call("push", "user/pinned", 47)
    commit = reader.call("load", "user/pinned", cache_dir=str(tmp_path))["revision"]
    asked = hub.requests_for("user/pinned")
    loaded = reader.call("load", "user/pinned", revision=commit, cache_dir=str(tmp_path))
    assert loaded["fingerprint"] == pushed["fingerprint"]
    assert hub.requests_for("user/pinned") == asked
    assert offline.call("load", "user/pinned", revision=commit, cache_dir=str(tmp_path))["warned"] == []


def test_a_pull_while_a_push_lands_is_of_one_commit(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    """The mixin asks for config and weights one after the other, of whatever is newest at that moment."""
    old = author.call("push", "user/race", 48, record={"name": "Old"})
    slow = hub.fail("GET", "resolve/.*(config|vocab).json", kind="slow", seconds=0.7, times=2)
    reader.begin("load", "user/race", cache_dir=str(tmp_path))
    while not slow.happened:
        time.sleep(0.01)
    new = author.call("push", "user/race", 49, record={"name": "New"})
    loaded = reader.end()
    assert {key: loaded[key] for key in ("fingerprint", "record")} == {
        key: old[key] for key in ("fingerprint", "record")
    }
    assert reader.call("load", "user/race", cache_dir=str(tmp_path))["fingerprint"] == new["fingerprint"]


# --- pull: rights, room, settings --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_told_even_where_a_copy_is_in_the_cache(
    hub: Hub, author: Client, reader: Client, tmp_path: Path, status: int
) -> None:
    author.call("push", "user/taken-back", 50)
    reader.call("load", "user/taken-back", cache_dir=str(tmp_path))
    codes = {"X-Error-Code": "RepoNotFound"} if status == 404 else {}
    hub.fail("GET", "/api/models/user/taken-back", status=status, headers=codes)
    message = reader.refusal("load", "user/taken-back", cache_dir=str(tmp_path))
    assert "hf auth" in message
    assert reader.call("load", "user/taken-back", cache_dir=str(tmp_path), local_files_only=True)


def test_a_fresh_copy_that_cannot_be_had_does_not_deny_the_cached_one(
    hub: Hub, author: Client, reader: Client, tmp_path: Path
) -> None:
    """The message said that no whole copy is in the cache, where one is."""
    author.call("push", "user/anew", 51)
    reader.call("load", "user/anew", cache_dir=str(tmp_path))
    hub.fail("GET", "/api/models/user/anew", kind="reset", times=9)
    message = reader.refusal("load", "user/anew", cache_dir=str(tmp_path), force_download=True)
    assert "cannot be reached" in message and "no whole copy" not in message and "force_download" in message
    assert reader.call("load", "user/anew", cache_dir=str(tmp_path))["warned"]


def test_a_token_that_is_invalid_is_told_apart_from_a_model_that_is_not_there(
    hub: Hub, reader: Client, tmp_path: Path
) -> None:
    hub.add_repo("user/closed", {"config.json": b"{}"}, private=True)
    assert "your token is valid" in reader.refusal("load", "user/closed", token="of-nobody", cache_dir=str(tmp_path))
    assert "log in" in reader.refusal("load", "user/closed", token=False, cache_dir=str(tmp_path))


def test_a_disk_without_room(hub: Hub, author: Client, tmp_path: Path) -> None:
    author.call("push", "user/heavy", 51)
    client = Client(hub.url, tmp_path / "home")
    try:
        client.call("limit_file_size", 4000)
        message = client.refusal("load", "user/heavy")
        assert "no room" in message and "HF_HOME" in message
        assert not list((tmp_path / "home").rglob("model.safetensors"))
    finally:
        client.close()


def test_the_client_s_settings_are_honoured(hub: Hub, author: Client, tmp_path: Path) -> None:
    """HF_HOME, HF_TOKEN and HF_ENDPOINT are what every other test runs with."""
    author.call("push", "user/settings", 52, private=True)
    home = tmp_path / "home"
    for settings, outcome in (
        ({"HF_TOKEN": ""}, "if it is private"),
        ({}, None),
        ({"HF_HUB_OFFLINE": "1"}, None),
    ):
        client = Client(hub.url, home, **settings)
        asked = hub.requests_for("user/settings", "user/never-loaded")
        try:
            if outcome is None:
                assert client.call("load", "user/settings")["warned"] == []
            else:
                assert outcome in client.refusal("load", "user/settings")
            if "HF_HUB_OFFLINE" in settings:
                assert "HF_HUB_OFFLINE is set" in client.refusal("load", "user/never-loaded")
        finally:
            client.close()
        if "HF_HUB_OFFLINE" in settings:
            assert hub.requests_for("user/settings", "user/never-loaded") == asked
    assert cached_files(home / "hub") == WRITTEN


def test_a_cache_that_cannot_be_written_still_serves(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    pushed = author.call("push", "user/sealed", 54)
    reader.call("load", "user/sealed", cache_dir=str(tmp_path))
    [refs] = tmp_path.glob("*/refs")
    shutil.rmtree(refs)
    refs.write_bytes(b"")
    loaded = reader.call("load", "user/sealed", cache_dir=str(tmp_path))
    assert loaded["fingerprint"] == pushed["fingerprint"]
    assert len(loaded["warned"]) == 1 and "cannot be written" in loaded["warned"][0]


def test_a_folder_has_no_revisions(author: Client, tmp_path: Path) -> None:
    author.call("save_and_push", str(tmp_path / "model"), 55, "a plot", repo_id="user/here-too")
    assert "has no revision 'v1'" in author.refusal("load", str(tmp_path / "model"), revision="v1")


# --- pull: artifacts ---------------------------------------------------------------------------------------------


def test_a_config_that_asks_for_a_hundred_gigabytes(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/huge", 53)
    repo = hub.repos["user/huge"]
    config = json.loads(repo.files()["config.json"]) | {"hidden_size": 56_000, "num_layers": 2}
    repo.commit({"config.json": json.dumps(config).encode()})
    before = len(hub.requests)
    outcome = reader.outcome("load", "user/huge", cache_dir=str(tmp_path))
    assert "user/huge has a model.safetensors of" in outcome["error"] and "NotAModelError" in outcome["kinds"]
    assert not [path for _, path in hub.requests[before:] if "safetensors" in path]


def test_a_foreign_repository_is_not_downloaded(hub: Hub, reader: Client, tmp_path: Path) -> None:
    """Gigabytes of somebody's transformer, only to say that it has no vocab.json."""
    hub.add_repo(
        "user/transformer", {"config.json": b"{}", "model.safetensors": b"x" * 10_000, "tokenizer.json": b"{}"}
    )
    assert "vocab.json" in reader.refusal("load", "user/transformer", cache_dir=str(tmp_path))
    assert not hub.requested("GET", "user/transformer/resolve")
