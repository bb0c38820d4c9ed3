"""A static Space, from the command to a page that a browser pulls from the loopback Hub and runs."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubcharlstm import CharLSTM
from tests.support.exported_page import PageUser
from tests.support.hub_client import Client
from tests.support.hub_server import Hub

TEXT = "ANN:\nThe cat sat on the mat.\n\nBOB:\nThe dog sat on the log.\n\n" * 30
TINY = "--embedding-dim 4 --hidden-size 8 --num-layers 1 --batch-size 4 --seq-len 16 --max-train-chars 5000"


def outcome(author: Client, folder: Path, line: str, code: int = 0) -> str:
    """What the command prints, or for code 2 the sentence that it ends with."""
    result = author.call("train", line, str(folder))
    assert result["code"] == code, result
    return str(result["err"]).splitlines()[-1] if code else str(result["out"])


@pytest.fixture(scope="module")
def run(author: Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("static")
    (folder / "mine.txt").write_text(TEXT, encoding="utf-8")
    line = f"fit mine.txt --push-to-hub user/small --space user/page --static --license mit {TINY}"
    return folder, outcome(author, folder, line)


@pytest.mark.browser
def test_one_command_leads_from_a_text_to_a_page_that_runs(
    hub: Hub, run: tuple[Path, str], browser: Any, tmp_path: Path
) -> None:
    folder, shown = run
    assert shown.rstrip().endswith(f"index.html\nthumbnail.png\n{hub.url}/spaces/user/page")
    repo = hub.repos["spaces/user/page"]
    data = yaml.safe_load(repo.files()["README.md"].decode().split("---\n")[1])
    assert (data["sdk"], data["app_file"], data["models"], data["license"]) == (
        "static", "index.html", ["user/small"], "mit",
    )  # fmt: skip
    assert data["title"] == "Mine, one letter at a time"
    assert data["short_description"] == "Chat with Mine, one letter at a time"
    assert data["thumbnail"] == f"{hub.url}/spaces/user/page/resolve/main/thumbnail.png"
    assert repo.files()["thumbnail.png"].startswith(b"\x89PNG")
    with urllib.request.urlopen(f"{hub.url}/spaces/user/page/resolve/main/index.html") as answer:
        (tmp_path / "index.html").write_bytes(answer.read())
    user = PageUser(browser, tmp_path / "index.html")
    user.write("The cat ", seed=7, length=80)
    model = CharLSTM.from_pretrained(folder / "runs/mine/model", precision="int8")
    assert user.replies == [model.generate("The cat ", seed=7, max_new_tokens=80)]
    user.leave()


def test_the_card_installs_nothing_from_a_static_space(hub: Hub, run: tuple[Path, str]) -> None:
    assert "hf download" not in hub.repos["user/small"].files()["README.md"].decode()


def test_the_page_is_updated_in_one_commit_of_what_changed(hub: Hub, author: Client, run: tuple[Path, str]) -> None:
    folder, _ = run
    repo = hub.repos["spaces/user/page"]
    line = "space user/page --model user/small --static"
    assert outcome(author, folder, line) == f"{hub.url}/spaces/user/page\n"
    repo.commit({"index.html": b"an older one"})
    assert outcome(author, folder, line) == f"index.html\n{hub.url}/spaces/user/page\n"


def test_a_private_model_gets_a_private_page(hub: Hub, author: Client, run: tuple[Path, str]) -> None:
    folder, _ = run
    outcome(author, folder, "push runs/mine user/whispered --private")
    refusal = outcome(author, folder, "space user/page --model user/whispered --static", 2)
    assert "user/whispered is private and everybody can read user/page" in refusal
    outcome(author, folder, "space user/quiet --model user/whispered --static")
    assert hub.repos["spaces/user/quiet"].private


def test_a_dry_run_writes_the_files(author: Client, run: tuple[Path, str]) -> None:
    folder, _ = run
    outcome(author, folder, "space user/dry --model user/small --static --dry-run dry")
    assert {path.name for path in (folder / "dry").iterdir()} == {"README.md", "index.html", "thumbnail.png"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "space user/page --model user/small --static --hardware cpu-upgrade",
            "--hardware is for a Space with a server",
        ),
        ("space user/page --model user/not-there --static", "no model user/not-there"),
        ("fit mine.txt --out other --push-to-hub user/small --static", "--static has no Space to make"),
    ],
)
def test_what_cannot_be_is_told(author: Client, run: tuple[Path, str], line: str, message: str) -> None:
    assert message in outcome(author, run[0], line, 2)
