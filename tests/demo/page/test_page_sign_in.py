"""In a real browser, on a Space: sign in, publish to an account of one's own, and nobody else sees or uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")
pytest.importorskip("authlib")

from tests.support.browser_app import ROOT, BrowserUser, free_port
from tests.support.hub_server import GUEST_TOKEN, OWNER_TOKEN, Hub
from tests.support.openid_provider import CLIENT_SECRET, OpenIDProvider
from tests.support.served import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

POEM = "".join(f"Line {n} of a poem, and {'rain' if n % 2 else 'sun'} on the hill.\n" for n in range(80))
OF_THE_HOST = "token-of-the-host-of-this-space"
SECRETS = (OWNER_TOKEN, GUEST_TOKEN, OF_THE_HOST, CLIENT_SECRET)
LONG = 280_000
OF_GRADIO = ("https://huggingface.co/api/spaces/", "https://fonts.googleapis.com/", "Space not found")
"""On a Space Gradio's page asks the Hub about it, and for fonts of a header; the page's policy blocks both."""


@dataclass
class Space:
    """The app as it runs on a Space with OAuth. answers: the bodies of what the app has answered to browsers."""

    url: str
    provider: OpenIDProvider
    folder: Path
    output: list[str]
    answers: list[bytes] = field(default_factory=list)

    def user(self, browser: Any, **options: Any) -> BrowserUser:
        """Somebody with a browser of their own, who has a text."""
        user = BrowserUser(browser, self.url, **options)
        user.page.on("response", self._note)
        return user

    def _note(self, response: Any) -> None:
        is_endless = "heartbeat" in response.url or "queue/data" in response.url
        if response.url.startswith(self.url) and response.status == 200 and not is_endless:
            self.answers.append(response.body())


@pytest.fixture(scope="module")
def space_hub() -> Iterator[Hub]:
    with Hub() as running:
        yield running


@pytest.fixture(scope="module")
def space(space_hub: Hub) -> Iterator[Space]:
    port = free_port()
    unset = ("SPACE_HOST", "HF_HUB_OFFLINE", "HUBCHARLSTM_MODEL")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    provider = OpenIDProvider({"user": OWNER_TOKEN, "guest": GUEST_TOKEN})
    with provider, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={
                **inherited, **provider.environment, "SYSTEM": "spaces", "SPACE_ID": "host/making",
                "HUBCHARLSTM_MAKE_YOUR_OWN": "1", "HF_ENDPOINT": space_hub.url, "HF_TOKEN": OF_THE_HOST,
                "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "hub"), "TMPDIR": str(folder),
                "GRADIO_TEMP_DIR": str(folder / "gradio"), "GRADIO_SERVER_NAME": "127.0.0.1",
                "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1",
            },
        )  # fmt: skip
        running = Space(f"http://127.0.0.1:{port}", provider, folder, [])
        assert process.stdout is not None
        collector = threading.Thread(target=running.output.extend, args=(process.stdout,), daemon=True)
        collector.start()
        try:
            wait_until(lambda: is_up(running.url), seconds=120)
            yield running
        finally:
            process.terminate()
            process.wait(20)
            collector.join(10)
        log = "".join(running.output)
        assert not [secret for secret in SECRETS if secret in log], log
        # Gradio's reloader for Spaces asks for a package that the builder of Spaces adds
        assert "Traceback" not in log.replace("Traceback", "", log.count("`spaces` package is required")), log


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def train(user: BrowserUser, *, stop: bool = False) -> None:
    """Have a model trained. stop: as soon as something has been learned."""
    page = user.page
    page.goto(f"{user.url}/#make")
    page.fill("#make textarea", POEM)
    page.get_by_role("button", name="Check the text").click()
    page.locator("input[name='making-time'][value='30']").check(force=True, timeout=LONG)
    page.locator("input[name='making-begin']").first.check(force=True)
    page.get_by_role("button", name="Train").click()
    if stop:
        wait_until(lambda: has_learned(user), seconds=240)
        page.locator("#make").get_by_role("button", name="Stop").click()
    page.get_by_text("It is ready").wait_for(timeout=LONG)


def has_learned(user: BrowserUser) -> bool:
    """Whether the training under way has been evaluated, and its weights stored."""
    state = httpx.get(f"{user.url}/make/state", headers={"x-hubcharlstm-owner": owner(user)}, timeout=60).json()
    return bool(state["run"] and state["run"]["metrics"])


def open_publishing(user: BrowserUser) -> None:
    user.page.get_by_text("Publish it on the Hugging Face Hub").click()


def sign_in(user: BrowserUser, name: str) -> None:
    """By the button of the view and the provider's page, back to the view."""
    user.page.get_by_role("button", name="Sign in with Hugging Face").click()
    user.page.get_by_role("link", name=name).click()


def secrets_in(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in SECRETS)
    ]


def test_two_users_publish_each_to_their_own_account(space: Space, space_hub: Hub, browser: Any) -> None:
    ann = space.user(browser)
    train(ann)
    open_publishing(ann)
    assert ann.page.locator("#publish-name").count() == 0  # nothing to send before a sign-in
    sign_in(ann, "Cancel")
    ann.page.get_by_text("You are not signed in").wait_for()
    sign_in(ann, "user")
    ann.page.locator("#publish-name").wait_for()  # the model is still there, and the form is open
    assert "your account \u2068user\u2069" in ann.page.text_content("#make .publishing .hint")
    assert ann.page.locator(".public-lines li").count() > 1  # the name of the text, and what is in it

    bob = space.user(browser)
    stranger = bob.page.evaluate(
        "fetch('make/state', {headers: {'x-hubcharlstm-owner': 'b'.repeat(32)}}).then(answer => answer.json())"
    )
    assert (stranger["may_publish"], stranger["account"]) == (False, "")

    ann.page.locator("#publish-license").select_option("cc0-1.0")
    assert ann.page.get_by_label("private: only you see it").is_checked()
    ann.page.get_by_role("button", name="Publish", exact=True).click()
    ann.page.get_by_text("It is on the Hub, and private").wait_for(timeout=LONG)
    shown = ann.page.text_content("#make .publishing")
    assert 'CharLSTM.from_pretrained("user/charlstm-my-text")' in shown
    link = ann.page.get_by_role("link", name="Duplicate this Space")
    assert link.get_attribute("href") == f"{space_hub.url}/spaces/host/making?duplicate=true"
    repo = space_hub.repos["user/charlstm-my-text"]
    files = repo.files()
    assert repo.private and "license: cc0-1.0" in files["README.md"].decode()

    # Bob has no sign-in: Ann's is no help to him, not even with her key
    headers = {"x-hubcharlstm-owner": owner(ann)}
    published = httpx.post(f"{space.url}/make/publish", json={"name": "stolen"}, headers=headers, timeout=60)
    assert published.status_code == 400 and "Nobody is signed in" in published.json()["error"]
    assert set(space_hub.repos) == {"user/charlstm-my-text"}

    # What Bob signs in to is his own account, from his own browser
    train(bob, stop=True)
    open_publishing(bob)
    sign_in(bob, "guest")
    bob.page.locator("#publish-name").fill("charlstm-of-bob")
    bob.page.get_by_text("private: only you see it").click()
    bob.page.get_by_role("button", name="Publish", exact=True).click()
    bob.page.get_by_text("It is on the Hub:").wait_for(timeout=LONG)
    assert not space_hub.repos["guest/charlstm-of-bob"].private
    bob.page.reload()
    bob.page.get_by_text("It is ready").wait_for()
    open_publishing(bob)
    bob.page.get_by_role("button", name="Sign out").click()
    bob.page.get_by_role("button", name="Sign in with Hugging Face").wait_for()

    assert space.answers and not [one for one in space.answers if any(secret.encode() in one for secret in SECRETS)]
    for repo in space_hub.repos.values():
        assert not [path for path, content in repo.files().items() if any(one.encode() in content for one in SECRETS)]
    assert secrets_in(space.folder) == []
    for user in (ann, bob):
        user.context.close()
        assert [error for error in user.errors if not any(known in error for known in OF_GRADIO)] == []


def owner(user: BrowserUser) -> str:
    """The key that the page has drawn for its browser."""
    return str(user.page.evaluate("localStorage.getItem('hubcharlstm.owner.1')"))
