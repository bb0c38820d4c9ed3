"""From a text file to a chat on the Hub, by the commands that the README shows, against a Hub on a loopback port."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hubcharlstm.demo.space_card import models_of_card
from hubcharlstm.hub.model_folder import MODEL_FILES
from tests.support.hub_client import Client
from tests.support.hub_server import BORN_WITH, Hub

ROOT = Path(__file__).parents[2]
Published = tuple[Path, str]
TEXT = "ANN:\nThe cat sat on the mat.\n\nBOB:\nThe dog sat on the log.\n\n" * 30
SPACE_FILES = {"README.md", "app.py", "requirements.txt", "model_card.md", "pyproject.toml", "LICENSE", "thumbnail.png"}
TINY = "--embedding-dim 4 --hidden-size 8 --num-layers 1 --batch-size 4 --seq-len 16 --max-train-chars 5000"


@pytest.fixture(autouse=True)
def well_again(hub: Hub) -> Iterator[None]:
    yield
    hub.faults.clear()


def done(author: Client, folder: Path, line: str) -> str:
    """What the command prints."""
    result = author.call("train", line, str(folder))
    assert result["code"] == 0, result
    return str(result["out"])


def refused(author: Client, folder: Path, line: str) -> str:
    """The one sentence that the command ends with."""
    result = author.call("train", line, str(folder))
    assert result["code"] == 2, result
    return str(result["err"]).splitlines()[-1]


def package_files() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "hubcharlstm", "training"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    return set(listed.stdout.split())


@pytest.fixture(scope="module")
def published(author: Client, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The folder in which the whole road was gone, and what was shown on it."""
    folder = tmp_path_factory.mktemp("road")
    (folder / "mine.txt").write_text(TEXT, encoding="utf-8")
    line = (
        f"fit mine.txt --push-to-hub user/road --space user/chat --keep-epochs 1,3 --license mit --language en {TINY}"
    )
    return folder, done(author, folder, line)


def test_one_command_leads_from_a_text_to_a_space(hub: Hub, author: Client, published: Published) -> None:
    folder, shown = published
    model, space = hub.repos["user/road"], hub.repos["spaces/user/chat"]
    assert f"{hub.url}/user/road/commit/{model.branches['main']}" in shown
    assert shown.rstrip().endswith(f"{hub.url}/spaces/user/chat")
    assert set(model.files()) == set(MODEL_FILES) | BORN_WITH.keys()
    assert model.files()["model.safetensors"] == (folder / "runs/mine/model/model.safetensors").read_bytes()
    card = model.files()["README.md"].decode()
    assert 'from_pretrained("user/road")' in card and "license: mit" in card
    assert space.variables == {"HUBCHARLSTM_MODEL": "user/road"}
    assert len(space.commits) == 2
    pushes = [path.rpartition("/")[2] for path in hub.requested("POST", "user/road/commit")]
    assert pushes == ["epochs", "epochs", "main"]


def test_chosen_epochs_are_commits_with_tags_beside_the_main_branch(
    hub: Hub, author: Client, reader: Client, published: Published
) -> None:
    repo = hub.repos["user/road"]
    assert list(repo.messages.values()) == [
        "initial commit", "Upload mine, epoch-01", "Upload mine, epoch-03", "Upload mine",
    ]  # fmt: skip
    commits = list(repo.commits)
    assert repo.tags == {"epoch-01": commits[1], "epoch-03": commits[2]}
    assert repo.branches == {"epochs": commits[2], "main": commits[3]}
    loaded = {revision: reader.call("load", "user/road", revision=revision) for revision in (*repo.tags, "main")}
    assert len({model["fingerprint"] for model in loaded.values()}) >= 2
    for revision, epoch in (("epoch-01", 1), ("epoch-03", 3)):
        assert loaded[revision]["revision"] == repo.tags[revision]
        record = loaded[revision]["record"]
        assert record["best_epoch"] == epoch
        [evaluation] = [row for row in record["history"] if row["epoch"] == epoch]
        assert record["val_loss"] == evaluation["val_loss"]
        assert f'revision="{revision}"' in repo.files(revision)["README.md"].decode()


def test_the_card_installs_the_library_from_the_space_it_is_published_with(hub: Hub, published: Published) -> None:
    repo = hub.repos["user/road"]
    for revision in ("main", *repo.tags):
        assert "hf download user/chat --repo-type space" in repo.files(revision)["README.md"].decode()


def test_the_card_installs_the_library_from_a_given_url(hub: Hub, author: Client, published: Published) -> None:
    folder, _ = published
    url = "git+https://example.org/hubcharlstm"
    assert "is to be installed from 'nowhere'" in refused(
        author, folder, "push runs/mine user/elsewhere --install-from nowhere"
    )
    assert "user/elsewhere" not in hub.repos
    done(author, folder, "push runs/mine user/elsewhere")
    assert "pip install" not in hub.repos["user/elsewhere"].files()["README.md"].decode()
    done(author, folder, f"push runs/mine user/elsewhere --install-from {url}")
    assert f'pip install "{url}"' in hub.repos["user/elsewhere"].files()["README.md"].decode()
    author.call("push", "user/by-python", 210, install_from=url)
    assert f'pip install "{url}"' in hub.repos["user/by-python"].files()["README.md"].decode()


def test_pushing_the_run_again_sends_nothing(hub: Hub, author: Client, published: Published) -> None:
    folder, _ = published
    repo = hub.repos["user/road"]
    before = dict(repo.tags), len(repo.commits)
    uploads = len(hub.requested("PUT", "/upload/"))
    result = author.call("train", "push runs/mine user/road", str(folder))
    assert (result["code"], result["out"]) == (0, f"{hub.url}/user/road/commit/{repo.branches['main']}\n")
    assert "has all of it already" in result["err"]
    assert (dict(repo.tags), len(repo.commits)) == before
    assert len(hub.requested("PUT", "/upload/")) == uploads


def test_a_run_that_is_resumed_publishes_as_it_was_asked_to(hub: Hub, author: Client, published: Published) -> None:
    folder, _ = published
    before = len(hub.repos["user/road"].commits), len(hub.repos["spaces/user/chat"].commits)
    shown = done(author, folder, "resume runs/mine").splitlines()
    head = hub.repos["user/road"].branches["main"]
    assert shown[-2:] == [f"{hub.url}/user/road/commit/{head}", f"{hub.url}/spaces/user/chat"]
    assert (len(hub.repos["user/road"].commits), len(hub.repos["spaces/user/chat"].commits)) == before


def test_a_push_that_broke_off_before_a_tag_is_finished_by_the_next(
    hub: Hub, author: Client, published: Published
) -> None:
    folder, _ = published
    hub.fail("POST", "user/half/tag/", status=500, times=9)
    assert "try again later" in refused(author, folder, "push runs/mine user/half")
    assert len(hub.repos["user/half"].commits) == 2
    hub.faults.clear()
    result = author.call("train", "push runs/mine user/half", str(folder))
    assert result["code"] == 0
    assert re.search(r"Sending \d of 7 files, \d+\.\d MB, to user/half", result["err"])
    repo = hub.repos["user/half"]
    assert [message for message in repo.messages.values() if message] == [
        "initial commit", "Upload mine, epoch-01", "Upload mine, epoch-03", "Upload mine",
    ]  # fmt: skip
    assert set(repo.tags) == {"epoch-01", "epoch-03"}


def test_what_cannot_be_published_is_not_even_trained(hub: Hub, author: Client, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(TEXT, encoding="utf-8")
    for flags, words in (
        ("--push-to-hub guest/theirs", "you are user"),
        ("--push-to-hub user/mine --space guest/theirs", "you are user"),
        ("--space user/chat", "expected --push-to-hub"),
        ("--keep-epochs 400", "expected 1 to"),
    ):
        assert words in refused(author, tmp_path, f"fit mine.txt {flags} {TINY}")
    assert not (tmp_path / "runs").exists()


# --- Spaces ------------------------------------------------------------------------------------------------------


def test_a_space_is_the_app_the_package_and_nothing_else(hub: Hub, author: Client, published: Published) -> None:
    files = hub.repos["spaces/user/chat"].files()
    expected = package_files() | SPACE_FILES
    assert set(files) - BORN_WITH.keys() == expected
    _, shown = published
    assert {line for line in shown.splitlines() if line in expected} == expected
    assert files["requirements.txt"] == (ROOT / "requirements.txt").read_bytes()


def test_the_configuration_of_a_space(hub: Hub, author: Client, published: Published) -> None:
    data = yaml.safe_load(hub.repos["spaces/user/chat"].files()["README.md"].decode().split("---\n")[1])
    pinned = re.search(r"^gradio==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned
    assert data == {
        "title": "Mine, one letter at a time", "emoji": "🪶", "colorFrom": "yellow", "colorTo": "gray", "sdk": "gradio",
        "sdk_version": pinned[1], "python_version": "3.11", "app_file": "app.py", "models": ["user/road"],
        "preload_from_hub": ["user/road"], "license": "mit",
        "short_description": "Chat with Mine, one letter at a time",
        "thumbnail": f"{hub.url}/spaces/user/chat/resolve/main/thumbnail.png",
    }  # fmt: skip
    assert hub.repos["spaces/user/chat"].files()["thumbnail.png"].startswith(b"\x89PNG")


def test_a_space_is_updated_in_one_commit_of_what_changed(hub: Hub, author: Client, published: Published) -> None:
    folder, _ = published
    repo = hub.repos["spaces/user/chat"]
    repo.commit({"hubcharlstm/gone.py": b"old", "notes.md": b"mine", "app.py": b"changed"})
    count = len(repo.commits)
    line = "space user/chat --model user/road --hardware cpu-upgrade"
    shown = done(author, folder, line).splitlines()
    assert shown == ["app.py", "hubcharlstm/gone.py (gone)", f"{hub.url}/spaces/user/chat"]
    assert len(repo.commits) == count + 1
    assert repo.hardware == "cpu-upgrade"
    assert repo.files()["notes.md"] == b"mine"
    before = len(hub.requests_for("user/chat"))
    assert done(author, folder, line).splitlines() == [f"{hub.url}/spaces/user/chat"]
    assert len(repo.commits) == count + 1
    assert {method for method, _ in hub.requests_for("user/chat")[before:]} <= {
        "GET",
        "HEAD",
    }  # nothing that restarts it


def test_a_space_for_a_private_model(hub: Hub, author: Client, tmp_path: Path) -> None:
    author.call("push", "user/whispered", 80, private=True)
    line = "space user/hushed --model user/whispered --private --torch-index https://cpu.example/"
    assert "give the Space a secret HF_TOKEN" in done(author, tmp_path, line)
    space = hub.repos["spaces/user/hushed"]
    assert space.private
    readme = space.files()["README.md"].decode()
    assert "preload_from_hub" not in readme and "title: Whispered, one letter at a time" in readme
    assert space.files()["requirements.txt"].startswith(b"--extra-index-url https://cpu.example/\n#")
    assert not [path for path, content in space.files().items() if b"token-of-user" in content]


def test_a_space_that_cannot_be(hub: Hub, author: Client, tmp_path: Path) -> None:
    for line, words in (
        ("space user/empty --model user/not-there", "no model user/not-there"),
        ("space guest/theirs --model user/road", "hf auth whoami"),
        ("space user/empty --model user/road --torch-index cpu", "--torch-index is 'cpu'"),
    ):
        assert words in refused(author, tmp_path, line)
    assert "spaces/user/empty" not in hub.repos


def test_a_dry_run_changes_nothing_and_shows_what_would_go_up(hub: Hub, author: Client, tmp_path: Path) -> None:
    line = "space user/dry --model user/anything --dry-run space"
    shown = done(author, tmp_path, line).split("\n\n")
    written = {
        path.relative_to(tmp_path / "space").as_posix() for path in (tmp_path / "space").rglob("*") if path.is_file()
    }
    assert written == package_files() | SPACE_FILES == set(shown[0].splitlines())
    assert "it serves user/anything, which its README.md names" in shown[1]
    assert "note: The Hub shows you no model user/anything" in shown[1]
    assert {method for method, _ in hub.requests_for("user/dry", "user/anything")} <= {"GET", "HEAD"}
    assert "spaces/user/dry" not in hub.repos
    assert "exists already" in refused(author, tmp_path, line)


def test_a_dry_run_is_titled_by_the_record_of_the_model(
    hub: Hub, author: Client, tmp_path: Path, published: Published
) -> None:
    assert "note: user/road" not in done(author, tmp_path, "space user/dry --model user/road --dry-run space")
    for name in ("README.md", "thumbnail.png"):
        pushed = hub.repos["spaces/user/chat"].files()[name]
        assert (tmp_path / "space" / name).read_bytes() == pushed.replace(b"user/chat", b"user/dry")
    assert models_of_card(tmp_path / "space" / "README.md") == ["user/road"]


# --- the README --------------------------------------------------------------------------------------------------


def test_the_commands_of_the_readme_work_as_printed(hub: Hub, author: Client, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Publish")[1].split("## Numbers")[0]
    hosting = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\.venv/bin/python -m training (.*)$", section, re.MULTILINE)
    lines += re.findall(r"^\.venv/bin/python -m training (space .*--dry-run .*)$", hosting, re.MULTILINE)
    lines.sort(key=lambda line: not line.startswith("fit "))  # the run that the others publish comes first
    assert [line.split()[0] for line in lines] == ["fit", "push", "space", "space"]
    (tmp_path / "mine.txt").write_text(TEXT, encoding="utf-8")
    for line in lines:
        done(author, tmp_path, line.partition("  #")[0].replace("USER", "user"))
    assert hub.repos["spaces/user/chat"].variables == {"HUBCHARLSTM_MODEL": "user/charlstm-mine"}
    assert len(hub.repos["user/charlstm-mine"].commits) == 2  # the push by itself had nothing left to do
    assert (tmp_path / "space" / "app.py").is_file()
    record = author.call("load", "user/charlstm-mine")["record"]
    assert record["command"] == f"python -m training {lines[0]}".replace("USER", "user")
