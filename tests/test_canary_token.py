"""A token or password reaches no message, log, file, card, record, repository, Space or Job but the Hub itself."""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hubcharlstm import CharLSTM, cli
from tests.support.hub_client import Client
from tests.support.hub_server import OWNER, USERS, Hub
from tests.support.leaks import places_of
from tests.support.training_cli import TEXT, TINY
from tests.support.web_server import WebServer

CANARY = "hf_CanaryCanaryCanaryCanary012345"
SHORT = [*TINY, "--max-train-chars", "4000", "--keep-epochs", "2"]


@pytest.fixture(scope="module")
def canary_hub() -> Iterator[Hub]:
    with Hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setitem(USERS, CANARY, OWNER)
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def owner(canary_hub: Hub, home: Path) -> Iterator[Client]:
    """Whose environment holds the canary."""
    client = Client(canary_hub.url, home / "hub", HF_TOKEN=CANARY)
    yield client
    client.close()


@pytest.fixture(scope="module")
def stranger(canary_hub: Hub, home: Path) -> Iterator[Client]:
    """Without a token, but for those of arguments; its own address of the Hub and its netrc hold the canary."""
    (home / "netrc").write_text(f"machine 127.0.0.1 login {OWNER} password {CANARY}\n", encoding="utf-8")
    (home / "netrc").chmod(0o600)
    address = canary_hub.url.replace("//", f"//{OWNER}:{CANARY}@")
    client = Client(address, home / "hub-of-a-stranger", HF_TOKEN="", NETRC=str(home / "netrc"))
    yield client
    client.close()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def leaks(said: object, folder: Path, hub: Hub, home: Path) -> list[str]:
    caches = [f"{place} of the cache" for place in places_of(CANARY, "", home, hub) if place != "netrc"]
    return places_of(CANARY, said, folder, hub) + caches


def test_a_token_of_the_environment(canary_hub: Hub, owner: Client, home: Path, here: Path) -> None:
    """Through every command that talks to the Hub, and each of them refused once."""
    canary_hub.runner = lambda hub, job: (job.logs.append(f"token {CANARY}"), setattr(job, "stage", "COMPLETED"))
    commands = [
        shlex.join(["fit", "text.txt", "--out", "run", "--push-to-hub", "user/canary", "--space", "user/chat", *SHORT]),
        "push run user/canary", "space user/chat --model user/canary --make-your-own",
        "space user/page --model user/canary --static", "evaluate user/canary text.txt",
        "job -- fit text.txt --out from-a-job --max-train-chars 2000",
    ]  # fmt: skip
    said = []
    try:
        for number, command in enumerate(commands):
            said.append(owner.call("train", command, str(here)))
            assert said[-1]["code"] == (0 if number < 5 else 2), said[-1]
            for method in ("GET", "POST"):
                canary_hub.fail(method, "^/api/", status=403, times=99, message=f"no rights for {CANARY}")
                said.append(owner.call("train", command.replace("--out ", "--out other-"), str(here)))
                canary_hub.faults.clear()
    finally:
        canary_hub.faults.clear()
        canary_hub.runner = None
    assert {"user/canary", "spaces/user/chat", "spaces/user/page"} <= canary_hub.repos.keys() and canary_hub.jobs
    assert "token hf_..." in said[-3]["out"], "the Job's own log shows it"
    assert sum("no rights for" in one["err"] for one in said) >= 8, "what the Hub says is repeated"
    for job in canary_hub.jobs.values():
        job.logs.clear()  # which held the token that was shown as hf_...
    assert leaks(said, here, canary_hub, home) == []


def test_a_token_as_an_argument(canary_hub: Hub, stranger: Client, owner: Client, home: Path, here: Path) -> None:
    said = [
        owner.call("push", "user/by-argument", 1, token=CANARY, private=True),
        owner.call("save_and_push", str(here / "saved"), 2, "plot", repo_id="user/by-argument-2", token=CANARY),
        owner.call("load", "user/by-argument", token=CANARY, cache_dir=str(here / "cache")),
        owner.outcome("check_account", "guest/model", token=CANARY),
        owner.outcome("load", "user/by-argument", token=f"{CANARY}\n"),
        owner.outcome("push", "user/by-argument", 1, token=f"{CANARY} "),
        stranger.outcome("load", "user/by-argument", cache_dir=str(here / "other")),
        stranger.outcome("push", "user/by-argument", 1),
        stranger.outcome("train", "space user/leaky --model user/by-argument", str(here)),
    ]
    for kind in ("status", "cut", "drop"):
        canary_hub.fail("GET", "/api/models/user/by-argument", kind=kind, times=99, status=500)
        said.append(owner.outcome("load", "user/by-argument", token=CANARY, cache_dir=str(here / "third")))
        canary_hub.faults.clear()
        assert "HubError" in said[-1]["kinds"]
    assert leaks(said, here, canary_hub, home) == []


@pytest.mark.parametrize(
    "command",
    [
        "fit https://user:{0}@example.org/text.txt", "fit text.txt --init-from https://user:{0}@huggingface.co/user/model",
        "fit text.txt --teacher https://user:{0}@huggingface.co/user/model",
        "fit text.txt --push-to-hub https://user:{0}@huggingface.co/user/model",
        "fit text.txt --val https://user:{0}@example.org/text.txt", "fit hf://user:{0}@datasets/x",
        "push run https://user:{0}@huggingface.co/user/model",
        "push run user/model --install-from https://user:{0}@example.org/x",
        "space https://user:{0}@huggingface.co/spaces/user/space --model user/model",
        "space user/space --model https://user:{0}@huggingface.co/user/model",
        "space user/space --model user/model --torch-index https://user:{0}@example.org/simple",
        "evaluate https://user:{0}@huggingface.co/user/model text.txt",
        "evaluate user/model https://user:{0}@example.org/text.txt",
        "job -- fit https://user:{0}@example.org/text.txt",
    ],
)  # fmt: skip
def test_a_password_in_an_address_is_not_repeated(stranger: Client, canary_hub: Hub, here: Path, command: str) -> None:
    """The refusal of an address with a password showed it, for whoever reads the log of a build."""
    said = stranger.outcome("train", command.format(CANARY), str(here))
    assert said["code"] == 2, said
    assert places_of(CANARY, said, here, canary_hub) == []


@pytest.mark.parametrize("command", ["generate To --model", "score text.txt --model", "info --model", "app --model"])
def test_nor_by_the_other_command(command: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = cli.main([*command.split(), f"https://user:{CANARY}@huggingface.co/user/model"])
    assert code == 2 and CANARY not in said.getvalue()


def test_a_netrc_is_not_used_for_texts(stranger: Client, canary_hub: Hub, here: Path, home: Path) -> None:
    with WebServer({"/text.txt": TEXT.encode()}) as web:
        said = stranger.call("train", shlex.join(["fit", f"{web.url}/text.txt", "--out", "run", *SHORT]), str(here))
    assert said["code"] == 0, said
    assert leaks(said, here, canary_hub, home) == []


def test_the_app_shows_no_secret_of_its_host(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the page nor an answer, its permalink included, holds what the server's environment does."""
    pytest.importorskip("gradio")
    from tests.support.served import Served

    for name in ("HF_TOKEN", "OAUTH_CLIENT_SECRET", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, CANARY)
    served = Served(model)
    try:
        pages = ["/", "/config", "/gradio_api/info", "/healthz", "/v1/models", "/inside/none", "/make/state", "/none"]
        said = [httpx.get(f"{served.url}{page}", timeout=60).text for page in pages]
        event = served.post("complete", prompt="To be", max_new_tokens=20).json()["event_id"]
        said += [str(update) for update in served.receive("complete", event)]
    finally:
        served.close()
    assert "To be" in said[-1]
    assert [page for page, text in zip([*pages, "complete"], said, strict=False) if CANARY in text] == []
