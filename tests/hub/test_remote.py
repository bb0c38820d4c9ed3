"""Publishing to and loading from a Hub, with the real client against a stand-in on a loopback port."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from tests.support.hub_client import WRITTEN, Client
from tests.support.hub_server import BORN_WITH, GUEST_TOKEN, Hub

# --- publish and load --------------------------------------------------------------------------------------------


def test_a_push_is_one_commit_with_the_model_files_and_nothing_else(hub: Hub, author: Client) -> None:
    pushed = author.call("push", "user/one-commit", 1)
    repo = hub.repos["user/one-commit"]
    assert len(hub.requested("POST", "^/api/models/user/one-commit/commit/main")) == 1
    assert set(repo.files()) == WRITTEN | BORN_WITH.keys()
    assert pushed["url"] == f"{hub.url}/user/one-commit/commit/{repo.branches['main']}"
    assert not repo.private


def test_another_machine_loads_the_same_model(hub: Hub, author: Client, reader: Client) -> None:
    pushed = author.call("push", "user/same", 2, record={"name": "Old"})
    loaded = reader.call("load", "user/same")
    assert {k: loaded[k] for k in ("fingerprint", "text", "record")} == {
        k: pushed[k] for k in ("fingerprint", "text", "record")
    }
    assert loaded["revision"] == hub.repos["user/same"].branches["main"]


def test_a_load_takes_one_commit_and_only_model_files(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/mixed", 3)
    commit = hub.repos["user/mixed"].commit({"weights.bin": b"pickle", "notes.txt": b"-", "sub/config.json": b"{}"})
    before = len(hub.requests)
    assert reader.call("load", "user/mixed", cache_dir=str(tmp_path))["revision"] == commit
    fetched = {path.partition("/resolve/")[2] for _, path in hub.requests[before:] if "/resolve/" in path}
    assert fetched == {f"{commit}/{file}" for file in WRITTEN}
    assert {path.name for path in tmp_path.glob("*/snapshots/*/*")} == WRITTEN


def test_a_second_load_fetches_no_file(hub: Hub, author: Client, reader: Client) -> None:
    author.call("push", "user/twice", 4)
    first = reader.call("load", "user/twice")
    before = len(hub.requests)
    second = reader.call("load", "user/twice")
    assert first["fingerprint"] == second["fingerprint"]
    assert not [path for _, path in hub.requests[before:] if "/resolve/" in path]


def test_the_revision_chooses_the_weights(hub: Hub, author: Client, reader: Client) -> None:
    old = author.call("push", "user/grows", 5)
    first = hub.repos["user/grows"].branches["main"]
    new = author.call("push", "user/grows", 6)
    second = hub.repos["user/grows"].branches["main"]
    assert first != second and old["fingerprint"] != new["fingerprint"]
    hub.repos["user/grows"].branches["release/1"] = first
    for revision, commit, pushed in (
        (None, second, new),
        (first, first, old),
        ("release/1", first, old),
        ("main", second, new),
    ):
        loaded = reader.call("load", "user/grows", revision=revision)
        assert (loaded["revision"], loaded["fingerprint"]) == (commit, pushed["fingerprint"])


def test_a_running_program_sees_a_new_push(author: Client, reader: Client) -> None:
    author.call("push", "user/fresh", 7)
    reader.call("load", "user/fresh")
    new = author.call("push", "user/fresh", 8)
    assert reader.call("load", "user/fresh")["fingerprint"] == new["fingerprint"]


def test_pushing_the_same_model_again_makes_no_commit(hub: Hub, author: Client) -> None:
    first = author.call("push", "user/again", 9)
    again = author.call("push", "user/again", 9)
    assert first["url"] == again["url"]
    assert not hub.requested("POST", "^/api/models/user/again/commit/")[1:]


def test_a_push_leaves_nothing_of_an_older_model_behind(hub: Hub, author: Client, reader: Client) -> None:
    author.call("push", "user/retold", 10, record={"name": "Old"})
    hub.repos["user/retold"].commit({"notes.txt": b"mine", "loss.png": b"the old curve"})
    author.call("push", "user/retold", 11)
    assert reader.call("load", "user/retold")["record"] == {}
    assert set(hub.repos["user/retold"].files()) == WRITTEN | BORN_WITH.keys() | {"notes.txt"}


def test_saving_with_push_publishes_what_was_saved(hub: Hub, author: Client, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    author.call("save_and_push", str(folder), 12, "a plot", repo_id="user/saved", dtype="float16")
    assert set(hub.repos["user/saved"].files()) == WRITTEN | BORN_WITH.keys() | {"loss.png"}
    for path in folder.iterdir():
        assert hub.repos["user/saved"].files()[path.name] == path.read_bytes(), path.name


def test_saving_with_push_publishes_extra_files_too(hub: Hub, author: Client, tmp_path: Path) -> None:
    """The loss curve alone went along."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "mine.txt").write_text("private")
    author.call("save_and_push", str(folder), 18, "a plot", notes="to be read", repo_id="user/noted")
    files = hub.repos["user/noted"].files()
    assert set(files) == WRITTEN | BORN_WITH.keys() | {"loss.png", "notes.txt"}
    assert files["notes.txt"] == b"to be read"
    author.call("push", "user/noted", 19)
    assert "notes.txt" in hub.repos["user/noted"].files()


def test_a_bare_name_is_pushed_under_the_users_own(hub: Hub, author: Client) -> None:
    author.call("push", "bare", 13)
    card = hub.repos["user/bare"].files()["README.md"].decode()
    assert 'from_pretrained("user/bare")' in card


def test_a_push_can_go_to_a_branch_or_a_pull_request(hub: Hub, author: Client, reader: Client) -> None:
    main = author.call("push", "user/branched", 14)
    repo = hub.repos["user/branched"]
    repo.branches["next"] = repo.branches["main"]
    on_branch = author.call("push", "user/branched", 15, branch="next")
    proposed = author.call("push", "user/branched", 16, create_pr=True)
    for revision, pushed in ((None, main), ("next", on_branch), ("refs/pr/1", proposed)):
        assert reader.call("load", "user/branched", revision=revision)["fingerprint"] == pushed["fingerprint"]


def test_a_private_push_is_for_its_owner_alone(hub: Hub, author: Client, reader: Client) -> None:
    pushed = author.call("push", "user/secret", 17, private=True)
    assert hub.repos["user/secret"].private
    assert reader.call("load", "user/secret")["fingerprint"] == pushed["fingerprint"]


# --- what is refused ---------------------------------------------------------------------------------------------


def test_a_model_that_the_hub_does_not_show(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/hidden", 18, private=True)
    for model_id, token in (
        ("user/missing", None),
        ("missing", None),
        ("user/hidden", False),
        ("user/hidden", GUEST_TOKEN),
    ):
        message = reader.refusal("load", model_id, token=token, cache_dir=str(tmp_path))
        assert "private" in message


def test_a_revision_that_is_not_there(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/plain", 19)
    for revision in ("nowhere", "feature/x", "0" * 40):
        assert revision in reader.refusal("load", "user/plain", revision=revision, cache_dir=str(tmp_path))


def test_a_gated_model(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/gated", 20)
    hub.repos["user/gated"].gated = True
    for token in (GUEST_TOKEN, False):
        assert "gated" in reader.refusal("load", "user/gated", token=token, cache_dir=str(tmp_path))
    assert reader.call("load", "user/gated", cache_dir=str(tmp_path))["revision"]


def test_a_token_that_the_hub_does_not_know(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/open", 21)
    assert "token" in reader.refusal("load", "user/open", token="of-nobody", cache_dir=str(tmp_path))
    assert "token" in reader.refusal("push", "user/open", 22, token="of-nobody")
    assert "token" in reader.refusal("push", "user/open", 22, token=False)
    assert len(hub.repos["user/open"].commits) == 2


def test_a_token_that_no_header_can_hold_is_not_shown(reader: Client, tmp_path: Path) -> None:
    for token in ("hidden-in-logs\n", "hidden-in-løgs", ""):
        for message in (
            reader.refusal("load", "user/any", token=token, cache_dir=str(tmp_path)),
            reader.refusal("push", "user/any", 29, token=token),
        ):
            assert "token" in message and "hidden" not in message


def test_a_push_to_what_belongs_to_another(hub: Hub, author: Client) -> None:
    hub.add_repo("guest/theirs")
    author.refusal("push", "guest/theirs", 23)
    author.refusal("push", "guest/new", 23)
    assert "guest/new" not in hub.repos
    assert len(hub.repos["guest/theirs"].commits) == 1


def test_a_push_to_a_branch_that_is_not_there(hub: Hub, author: Client) -> None:
    assert "nowhere" in author.refusal("push", "user/nowhere", 24, branch="nowhere")


def test_names_that_are_no_hub_id(reader: Client) -> None:
    for name in ("a/b/c", "user/-name", "user/two words", "~nobody-here/x", "x" * 5000):
        reader.refusal("load", name)
        reader.refusal("push", name, 25)


def test_a_repository_that_is_no_model(hub: Hub, reader: Client, tmp_path: Path) -> None:
    hub.add_repo("user/prose", {"notes.txt": b"-"})
    hub.add_repo("user/empty")
    hub.add_repo("user/no-vocabulary", {"config.json": b"{}", "model.safetensors": b"-"})
    for name in ("user/prose", "user/empty", "user/no-vocabulary"):
        assert "vocab.json" in reader.refusal("load", name, cache_dir=str(tmp_path))


class Tripwire:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def test_pickled_weights_are_neither_fetched_nor_read(hub: Hub, author: Client, reader: Client, tmp_path: Path) -> None:
    author.call("push", "user/torch-only", 26)
    tripwire = tmp_path / "unpickled"
    hub.repos["user/torch-only"].commit(
        {"pytorch_model.bin": pickle.dumps(Tripwire(tripwire)), "model.safetensors": None}
    )
    message = reader.refusal("load", "user/torch-only", cache_dir=str(tmp_path / "cache"))
    assert "model.safetensors" in message and "pickle" in message
    assert not tripwire.exists()
    assert not hub.requested("GET", "pytorch_model.bin")


# --- without a Hub -----------------------------------------------------------------------------------------------


def test_without_a_hub_the_cache_serves(
    hub: Hub, author: Client, reader: Client, offline: Client, tmp_path: Path
) -> None:
    pushed = author.call("push", "user/kept", 27)
    commit = reader.call("load", "user/kept", cache_dir=str(tmp_path))["revision"]
    for options in ({"local_files_only": True}, {}, {"revision": commit}):
        loaded = offline.call("load", "user/kept", cache_dir=str(tmp_path), **options)
        assert (loaded["fingerprint"], loaded["revision"]) == (pushed["fingerprint"], commit)


def test_without_hub_and_cache(offline: Client) -> None:
    assert "cannot be reached" in offline.refusal("load", "user/unseen")
    assert "cache" in offline.refusal("load", "user/unseen", local_files_only=True)
    offline.refusal("push", "user/unseen", 28)
