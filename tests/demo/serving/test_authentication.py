"""A password before the page, the API, `/v1` and the tools, and nowhere in what the app says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from gradio_client import Client

from hubcharlstm.demo import launch
from hubcharlstm.demo.serving import attempts
from hubcharlstm.demo.serving.attempts import WrongPasswords
from hubcharlstm.demo.serving.authentication import Authenticator, Credentials
from tests.support.browser_app import SECONDS, free_port
from tests.support.chat_doubles import tiny_model
from tests.support.clock import ManualClock
from tests.support.served import Served, serving

PASSWORD = "correct:höher"  # with the colon that ends the user's name, and a letter beyond ASCII
BEARER = {"authorization": f"Bearer {PASSWORD}".encode()}


@pytest.fixture(scope="module")
def locked() -> Iterator[Served]:
    with serving(tiny_model(), auth=f"me:{PASSWORD}") as running:
        yield running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """More wrong passwords than the limit allows one address, as all tests here have."""
    monkeypatch.setattr(attempts, "MAX_WRONG", 1_000)


# --- the credentials --------------------------------------------------------------------------------------------------


def test_they_come_from_the_argument_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBCHARLSTM_AUTH", raising=False)
    assert Credentials.of(None) is None
    monkeypatch.setenv("HUBCHARLSTM_AUTH", "me:secret\n")
    assert Credentials.of(None) == Credentials("me", "secret")
    assert Credentials.of("you:other") == Credentials("you", "other")


@pytest.mark.parametrize("wrong", ["hunter2", ":hunter2", "me:", " :x", ""])
def test_others_are_refused_without_being_repeated(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="--auth holds no user name and password; expected USER:PASSWORD") as refused:
        launch.launch("no/such/model", auth=wrong, port=free_port())
    assert "hunter2" not in str(refused.value)
    if wrong:
        monkeypatch.setenv("HUBCHARLSTM_AUTH", wrong)
        with pytest.raises(ValueError, match="HUBCHARLSTM_AUTH holds no user name and password"):
            Credentials.of(None)


def test_they_match_themselves_alone() -> None:
    credentials = Credentials("me", PASSWORD)
    assert credentials.match("me", PASSWORD)
    for user, password in (("me", "correct"), ("you", PASSWORD), ("", ""), ("me", ""), ("me\ud800", PASSWORD)):
        assert not credentials.match(user, password)
    for right in (PASSWORD, f"me:{PASSWORD}"):
        assert credentials.match_bearer(f"Bearer {right}".encode()) and credentials.match_bearer(
            f"bearer  {right} ".encode()
        )
    for header in (b"", b"Bearer", b"Bearer ", b"Bearer me", f"Basic {PASSWORD}".encode(), PASSWORD.encode(), b"\xff"):
        assert not credentials.match_bearer(header)
    assert PASSWORD not in repr(credentials)


# --- who is let in ----------------------------------------------------------------------------------------------------

REFUSED = [
    ("GET", "/config"), ("GET", "/gradio_api/info"), ("GET", "/gradio_api/app_id"), ("GET", "/gradio_api/token"),
    ("POST", "/gradio_api/call/v2/complete"), ("POST", "/gradio_api/call/complete"), ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/call/v2/complete/none"), ("GET", "/gradio_api/queue/data?session_hash=x"),
    ("POST", "/gradio_api/cancel"), ("GET", "/gradio_api/heartbeat/x"), ("POST", "/gradio_api/reset"),
    ("POST", "/gradio_api/mcp/"), ("GET", "/gradio_api/mcp/"), ("GET", "/gradio_api/mcp/schema"),
    ("GET", "/gradio_api/mcp/sse"), ("POST", "/gradio_api/mcp/messages/"), ("GET", "/gradio_api/startup-events"),
    ("POST", "/v1/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/tiny"), ("GET", "/v1"), ("GET", "/nothing"),
    ("GET", "//gradio_api/info"), ("GET", "/login_check"), ("GET", "/gradio_api/openapi.json"),
]  # fmt: skip


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_every_route_refuses_without_the_password(locked: Served, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "access-token-x=y; access-token-unsecure-x=y"}):
        answer = httpx.request(method, locked.url + path, headers=headers, timeout=20)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        error = answer.json()["error"]
        sentence = error["message"] if path.startswith("/v1") else error
        what = "The password is wrong" if "authorization" in headers else "A password is missing"
        assert sentence.startswith(f"{what}; expected it as 'Authorization: Bearer PASSWORD'")


def test_what_stays_open_tells_nothing_of_the_app(locked: Served) -> None:
    assert httpx.get(f"{locked.url}/healthz").json()["status"] == "ok"
    page = httpx.get(f"{locked.url}/")
    assert page.status_code == 200 and '"auth_required":true' in page.text.replace(" ", "")
    assert "dependencies" in page.text and "conversation" not in page.text and "tiny" not in page.text
    preflight = httpx.options(f"{locked.url}/v1/completions")
    assert preflight.status_code == 404 and "tiny" not in preflight.text


@pytest.mark.usefixtures("patient")
def test_programs_send_it_with_each_request(locked: Served) -> None:
    called = httpx.post(f"{locked.url}/gradio_api/call/v2/complete", json={"prompt": "To be"}, headers=BEARER)
    event = called.json()["event_id"]
    answer = httpx.get(f"{locked.url}/gradio_api/call/v2/complete/{event}", headers=BEARER, timeout=20)
    assert "event: complete" in answer.text
    assert httpx.get(f"{locked.url}/logout", headers=BEARER).status_code == 302
    for right in (PASSWORD, f"me:{PASSWORD}"):
        headers = {"authorization": f"Bearer {right}".encode(), "cookie": "access-token-other=1"}
        assert httpx.get(f"{locked.url}/gradio_api/info", headers=headers).status_code == 200


@pytest.mark.parametrize("by", ["bearer", "login"])
def test_wrong_passwords_are_limited(by: str) -> None:
    """An address could try as many passwords as it liked."""
    with serving(tiny_model(), auth=f"me:{PASSWORD}") as served:

        def attempt(password: str) -> httpx.Response:
            if by == "login":
                return httpx.post(f"{served.url}/login", data={"username": "me", "password": password}, timeout=20)
            headers = {"authorization": f"Bearer {password}".encode()}
            return httpx.get(f"{served.url}/gradio_api/info", headers=headers, timeout=20)

        cookies = httpx.post(f"{served.url}/login", data={"username": "me", "password": PASSWORD}, timeout=20).cookies
        statuses = [attempt(f"wrong{number}").status_code for number in range(attempts.MAX_WRONG)]
        assert set(statuses) == {401 if by == "bearer" else 400}
        refused = attempt(PASSWORD)
        assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= attempts.WITHIN_SECONDS
        assert refused.json()["error"].startswith("Your network address has sent 10 wrong passwords within 5 minutes")
        inside = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        assert httpx.get(f"{served.url}/config", headers=inside, timeout=20).status_code == 200
        assert httpx.get(f"{served.url}/", timeout=20).status_code == 200  # the login page itself


def test_logins_that_come_together_are_limited_too() -> None:
    """A thousand requests whose bodies came last passed the check together, and tried a thousand passwords."""
    demo: Any = None
    authenticator = Authenticator(Credentials("me", PASSWORD), demo)
    scope = {"type": "http", "method": "POST", "headers": [], "client": ("203.0.113.7", 5)}
    for _ in range(attempts.MAX_WRONG + 1):
        authenticator.admit(scope, "/login")
    assert authenticator.match("me", PASSWORD)
    for number in range(attempts.MAX_WRONG):
        assert not authenticator.match("me", f"wrong{number}")
    assert not authenticator.match("me", PASSWORD)


def test_an_address_may_try_again_once_an_attempt_is_old() -> None:
    clock = ManualClock()
    wrong = WrongPasswords(clock)
    for _ in range(attempts.MAX_WRONG):
        assert wrong.seconds_to_wait("a") == 0
        wrong.add("a")
        clock.now += 1
    assert wrong.seconds_to_wait("a") == attempts.WITHIN_SECONDS - attempts.MAX_WRONG and not wrong.seconds_to_wait("b")
    clock.now += attempts.WITHIN_SECONDS - attempts.MAX_WRONG
    assert wrong.seconds_to_wait("a") == 0
    wrong.add("a")
    assert wrong.seconds_to_wait("a") == 1


def test_addresses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_ADDRESSES", 3)
    wrong = WrongPasswords(ManualClock())
    for address in "abcad":
        wrong.add(address)
    assert list(wrong._times) == ["c", "a", "d"]


@pytest.mark.usefixtures("patient")
def test_gradios_client_logs_in(locked: Served) -> None:
    client = Client(locked.url, auth=("me", PASSWORD), verbose=False, analytics_enabled=False)
    assert len(client.predict("To be", 5, api_name="/complete")["text"]) == 5
    with pytest.raises(Exception, match=r"(?i)login|auth|credentials|401"):
        Client(locked.url, auth=("me", "wrong"), verbose=False, analytics_enabled=False)


def test_openais_client_takes_it_as_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("openai")
    monkeypatch.setenv("HUBCHARLSTM_AUTH", "me:plain")
    with serving(tiny_model()) as served:
        client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="plain", max_retries=0)
        assert len(client.completions.create(model="tiny", prompt="To be", max_tokens=5).choices[0].text) == 5
        stranger = openai.OpenAI(base_url=f"{served.url}/v1", api_key="other", max_retries=0)
        with pytest.raises(openai.AuthenticationError, match="The password is wrong") as refused:
            stranger.models.list()
        assert refused.value.code == "invalid_api_key"


@pytest.mark.usefixtures("patient")
def test_assistants_send_it_too(locked: Served) -> None:
    pytest.importorskip("mcp")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> Any:
        async with (
            httpx.AsyncClient(headers=BEARER) as http,
            streamable_http_client(f"{locked.url}/gradio_api/mcp/", http_client=http) as (incoming, outgoing, _),
            ClientSession(incoming, outgoing) as session,
        ):
            await session.initialize()
            return await session.call_tool("complete", {"prompt": "To be", "max_new_tokens": 5})

    assert len(asyncio.run(run()).structuredContent["text"]) == 5


@pytest.mark.usefixtures("patient")
def test_the_password_stands_in_no_log(locked: Served, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    httpx.get(f"{locked.url}/config", headers={"authorization": f"Bearer {PASSWORD}x".encode()})
    httpx.post(f"{locked.url}/login", data={"username": "me", "password": PASSWORD + "x"})
    httpx.post(f"{locked.url}/gradio_api/call/v2/complete", json={"prompt": 7}, headers=BEARER)
    out, err = capfd.readouterr()
    assert all("höher" not in text for text in (caplog.text, out, err))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_somebody_logs_in_on_the_page(locked: Served, browser: Any) -> None:
    page = browser.new_page()
    page.set_default_timeout(SECONDS * 1000)
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    page.goto(locked.url)
    username, password = page.get_by_label("username"), page.get_by_label("password")
    username.fill("me")
    password.fill("wrong")
    page.get_by_role("button", name="Login").click()
    page.get_by_text("Incorrect").first.wait_for()
    assert refused == [], "the login page needs nothing that is refused"
    username.fill("me")  # Gradio empties both
    password.fill(PASSWORD)
    page.get_by_role("button", name="Login").click()
    page.wait_for_selector("#send")
    page.fill("#field-message textarea", "To be")
    page.press("#field-message textarea", "Enter")
    page.wait_for_selector(".reply")
    page.context.close()
