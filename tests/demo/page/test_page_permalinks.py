"""In a real browser: the permalink of a reply, and a page that is opened by its link."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from hubcharlstm import cli
from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def permalink(user: BrowserUser) -> dict[str, str]:
    user.page.locator(".details summary").last.click()
    return {
        name: user.page.locator(f".details pre[aria-label='{label}']").last.text_content()
        for name, label in (("link", "Link"), ("python", "Python"), ("command", "Command line"))
    }


def test_a_link_opens_the_page_with_everything_set_and_writes_the_same_text(user: BrowserUser) -> None:
    user.set("Temperature", 1.1)
    user.send("To be & <b>", length=45)
    text, link = user.text, permalink(user)["link"]
    user.page.goto(user.url + "/healthz")
    user.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    user.page.goto("about:blank")
    user.open(link.removeprefix(user.url + "/"))
    user.page.wait_for_selector(".reply-warning:not(:empty)")
    assert user.text == text and user.page.locator(".reply-warning").last.text_content() == "Replay: same text."
    assert user.page.get_by_label("number input for Temperature").input_value() == "1.1"
    assert user.page.get_by_label("number input for Length").input_value() == "45"
    assert user.page.get_by_label("Seed", exact=True).input_value() == user.seed
    assert "?" not in user.page.url
    assert not user.page.get_by_label("Keep").is_checked()
    written = user.seed
    user.send("To be", length=5)
    assert user.seed != written  # the link's seed was the link's alone


def test_a_replay_that_differs_says_so(user: BrowserUser) -> None:
    user.open("?" + urlencode({"message": "To be", "length": 20, "seed": 7, "hash": "0" * 16, "precision": "fp64"}))
    user.page.wait_for_selector(".reply-warning:not(:empty)")
    assert user.page.text_content(".reply-warning").startswith(
        "Replay: differs on this hardware (written in fp64, here "
    )


def test_the_python_and_the_command_generate_the_same_text(user: BrowserUser, app: App) -> None:
    user.send("To 'be'\\", length=30)
    got = permalink(user)
    printed: list[str] = []
    exec(got["python"], {"print": printed.append})  # what a user would paste
    assert "To 'be'\\" + printed[0] == user.text
    words = shlex.split(got["command"])
    assert words[0] == "hubcharlstm" and cli.main(words[1:]) == 0


@pytest.fixture(scope="module")
def clicker(app: App, browser: Any) -> Iterator[BrowserUser]:
    """Somebody with a reply, who opens one hostile link after another."""
    user = BrowserUser(browser, app.url)
    user.send("Mine", length=5)
    yield user
    user.leave()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("temperature=9", "The temperature is 9.0; expected 0 to 2"),
        ("temperature=nan", "The temperature is nan; expected 0 to 2"),
        ("length=100000", "The length is 100,000; expected a whole number from 1 to 2,000"),
        ("length=<script>", "The link's length is '<script>'; expected a number"),
        ("seed=-1", "The seed is '-1'; expected a whole number"),
        ("top_k=1_0", "The link's top-k is '1_0'"),
        ("message=a&message=b", "names one setting twice"),
        ("message=%ff", "The link is damaged"),
        ("message=x&model=" + quote("/etc/passwd"), "which is not in the menu"),
        ("message=" + "x" * 10_001, "The message has 10,001 characters"),
        ("message=x&speaker=" + "y" * 61, "The name is no text of up to 60 characters"),
    ],
)
def test_a_hostile_link_is_refused_and_changes_nothing(clicker: BrowserUser, query: str, sentence: str) -> None:
    clicker.open("?" + query)
    assert sentence in clicker.error_message()
    assert clicker.page.locator(".typed").all_text_contents() == ["Mine"] and clicker.message == ""
    assert clicker.page.locator(".error-message script").count() == 0


def test_a_strangers_parameters_are_left_alone(user: BrowserUser) -> None:
    user.open("?__theme=dark&utm_source=x")
    user.page.wait_for_timeout(300)
    assert user.turns == 0 and user.page.locator(".error-message").count() == 0
    assert parse_qs(urlsplit(user.page.url).query) == {"__theme": ["dark"]}
    user.page.goto(user.url + "/?utm_source=x#inside")
    user.page.wait_for_selector("body[data-restored]")
    assert urlsplit(user.page.url).fragment == "inside"  # the view of it is opened again by a reload


LATE = """
const find = Document.prototype.querySelector;
Document.prototype.querySelector = function (selector) {
  return selector.startsWith("#field-length") && performance.now() < 2500 ? null : find.call(this, selector);
};
"""


def test_a_permalink_is_opened_where_the_settings_come_late(user: BrowserUser) -> None:
    """Gradio loads each kind of control by itself; a link that came before the settings was never sent."""
    page = user.another_tab().page
    page.add_init_script(LATE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{user.url}/?message=To+be&seed=7&length=20")
    page.wait_for_function("document.querySelector('.reply')?.textContent.length >= 20")
    assert errors == []
