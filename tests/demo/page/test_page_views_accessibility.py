"""In a real browser: axe finds nothing serious in "Look inside" and in "Make your own", light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, app: App, browser: Any) -> Iterator[BrowserUser]:
    user = BrowserUser(browser, app.url, reduced_motion="reduce", color_scheme=request.param)
    assert user.page.evaluate("document.body.classList.contains('dark')") is (request.param == "dark")
    yield user
    user.leave()


def violations(user: BrowserUser) -> list[Any]:
    """What axe finds that is serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]][:4])
        for one in Axe().run(user.page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_look_inside(themed: BrowserUser) -> None:
    page = themed.page
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    assert violations(themed) == []
    page.get_by_label("underline what stands in the training text", exact=True).check()
    page.focus("#inside-scrubber")
    for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="How much like its own is it?").click()
    page.wait_for_selector("#inside .scores", state="visible")
    page.get_by_role("button", name="A walk in six steps").click()
    assert violations(themed) == []


def test_make_your_own(themed: BrowserUser) -> None:
    page = themed.page
    page.get_by_role("link", name="Make your own").click()
    page.wait_for_selector("#make textarea")
    assert violations(themed) == []
    page.fill("#make textarea", "a" * 3000)
    page.get_by_role("button", name="Check the text").click()
    page.get_by_text("That did not work").wait_for(timeout=280_000)
    assert violations(themed) == []


def test_cells_that_the_chat_holds(themed: BrowserUser) -> None:
    page = themed.page
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    page.get_by_role("button", name="Hold it in the chat").click()
    page.wait_for_selector(".held-cell")
    assert violations(themed) == []
