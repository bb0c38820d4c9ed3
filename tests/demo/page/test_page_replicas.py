"""In a real browser: two replicas behind nginx, one of which is killed while it writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import httpx
import pytest

from tests.support.browser_app import SECONDS, App, BrowserUser
from tests.support.nginx import Nginx, find_nginx
from tests.support.served import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COOKIE = "hubcharlstm_replica"
USERS = 100
LENGTH = 700
COMPLETE = "/gradio_api/call/v2/complete"
REQUEST: dict[str, Any] = {"prompt": "To be", "max_new_tokens": 60, "temperature": 1.0}
GIVEN = "".join(f"Line {n} of a text that somebody has given.\n" for n in range(80))


@dataclass
class Replicas:
    """Two replicas, by their names, behind nginx."""

    apps: dict[str, App]
    nginx: Nginx

    def name_of(self, port: int) -> str:
        return next(name for name, app in self.apps.items() if app.port == port)

    def answered(self, prefix: str = "/") -> list[str]:
        return [self.name_of(port) for port in self.nginx.answered(prefix)]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    find_nginx()
    folder = tmp_path_factory.mktemp("replicas")

    def start(name: str) -> App:
        (folder / name).mkdir()
        return App(folder / name, HUBCHARLSTM_REPLICA=name, HUBCHARLSTM_TRUSTED_PROXIES="127.0.0.1")

    with ThreadPoolExecutor() as pool:
        apps = dict(zip("ab", pool.map(start, "ab"), strict=True))
    nginx = Nginx(folder / "nginx", [app.port for app in apps.values()])
    try:
        yield Replicas(apps, nginx)
    finally:
        nginx.close()
        for app in apps.values():
            app.close()
    for app in apps.values():
        app.check_output()


def test_users_spread_and_stay_while_requests_with_their_context_go_round(replicas: Replicas) -> None:
    users = [httpx.Client(base_url=replicas.nginx.url, timeout=SECONDS) for _ in range(USERS)]
    names = [user.get("/").cookies[COOKIE] for user in users]
    assert Counter(names) == {"a": USERS // 2, "b": USERS // 2}
    wait_until(lambda: replicas.answered() == names)  # nginx logs a request after its answer
    for user in users * 2:
        assert COOKIE not in user.get("/gradio_api/info").cookies
    wait_until(lambda: replicas.answered("/gradio_api/info") == names * 2)
    for _ in range(6):
        assert users[0].get("/v1/models").status_code == 200
    wait_until(lambda: len(replicas.answered("/v1")) == 6)
    answered = replicas.answered("/v1")
    assert answered in (["a", "b"] * 3, ["b", "a"] * 3)
    for _ in range(3):  # without cookies: its event has to be found again
        assert len(complete(replicas.nginx.url, prompt="To be", max_new_tokens=20, seed=3)) == 20
    for user in users:
        user.close()


def test_a_hundred_users_at_once_get_the_texts_of_one_app(replicas: Replicas) -> None:
    """Each has a text from the endpoint of the page, which knows them by their cookie, and one from any replica."""
    before = len(replicas.answered(COMPLETE))
    all_came = Barrier(USERS, timeout=SECONDS)  # a request to `/v1` between two of theirs would take one's turn

    def ask(seed: int) -> tuple[str, str, str]:
        with httpx.Client(base_url=replicas.nginx.url, timeout=SECONDS) as user:
            name = user.get("/").cookies[COOKIE]
            all_came.wait()
            text = complete(replicas.nginx.url, user, seed=seed, **REQUEST)
            body = {"prompt": "To be", "max_tokens": 60, "temperature": 1, "seed": seed}
            answer = user.post("/v1/completions", json=body)
        return name, text, answer.json()["choices"][0]["text"]

    with ThreadPoolExecutor(USERS) as pool:
        names, texts, others = zip(*pool.map(ask, range(USERS)), strict=True)
    assert Counter(names) == {"a": USERS // 2, "b": USERS // 2}
    wait_until(lambda: len(replicas.answered(COMPLETE)) == before + 2 * USERS)
    assert Counter(replicas.answered(COMPLETE)[before:]) == {"a": USERS, "b": USERS}
    with httpx.Client(timeout=SECONDS) as user:
        alone = [complete(replicas.apps["a"].url, user, seed=seed, **REQUEST) for seed in range(USERS)]
    for found in (texts, others):  # where the CPU has no int8, a rounding in fp32 may turn one draw in a million
        assert sum(text == expected for text, expected in zip(found, alone, strict=True)) >= USERS - 2


def test_the_page_moves_to_the_other_replica_and_goes_on_with_the_same_text(replicas: Replicas, browser: Any) -> None:
    user = BrowserUser(browser, replicas.nginx.url)
    page = user.page
    home = cookie_of(user)
    page.get_by_role("link", name="Make your own").click()
    page.fill("#make textarea", GIVEN)
    page.get_by_role("button", name="Check the text").click()
    page.wait_for_selector("#make .subtitle")
    user.return_to_chat()
    page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=LENGTH, wait=False)
    page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    assert set(replicas.answered("/gradio_api/queue/join")) == {home}
    replicas.apps[home].kill()
    cut = user.text
    assert len(cut) < len("To be") + LENGTH
    until_written(user, LENGTH)
    user.until_done()
    other = cookie_of(user)
    assert {home, other} == {"a", "b"}
    assert user.text.startswith(cut) and len(user.text) == len("To be") + LENGTH and user.turns == 1
    alone = complete(replicas.apps[other].url, prompt="To be", max_new_tokens=LENGTH, seed=7)
    assert user.text == "To be" + alone
    page.get_by_role("link", name="Make your own").click()
    page.wait_for_selector("#make textarea")
    assert page.text_content("#make .error-message").startswith("Your text is no longer here")
    user.errors.clear()  # of the moment when nobody was there
    user.leave()


def complete(url: str, user: httpx.Client | None = None, **params: Any) -> str:
    """The text of the endpoint for programs, by a request and the stream of its events; without `user` no cookies."""
    post, get = (user.post, user.get) if user else (httpx.post, httpx.get)
    begun = post(f"{url}{COMPLETE}", json=params, timeout=SECONDS)
    events = get(f"{url}{COMPLETE}/{begun.json()['event_id']}", timeout=SECONDS).text
    data = events.rpartition("event: complete\ndata: ")[2].partition("\n")[0]
    return str(json.loads(data)[0]["text"])


def until_written(user: BrowserUser, length: int) -> None:
    """Wait for the end of a reply, over the loading of a page in between."""
    from playwright.sync_api import Error as PlaywrightError

    for _ in range(100):
        try:
            if user.page.evaluate("document.querySelector('.reply')?.lastChild.length ?? 0") >= length:
                return
        except PlaywrightError as error:
            if "navigation" not in str(error):  # the page that is asked is being left
                raise
        user.page.wait_for_timeout(400)
    pytest.fail(f"The reply did not reach {length} characters: {user.page.locator('body').inner_text()[:2000]}")


def cookie_of(user: BrowserUser) -> str:
    return str(next(cookie["value"] for cookie in user.context.cookies() if cookie["name"] == COOKIE))
