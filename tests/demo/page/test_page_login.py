"""In a real browser: the login of an app with a password, which Gradio's page asks for in the colours of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser_app import App

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("locked"), HUBCHARLSTM_AUTH="anna:open sesame")
    yield app
    app.close()


def test_the_login_has_the_colours_of_the_page_and_opens_it(locked: App, browser: Any) -> None:
    """Beside the form stood two white panels, from edge to edge of a wide window."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(locked.url)
    page.locator("input[type=password]").wait_for()
    for place in ("100, 100", "640, 60", "1180, 100"):
        seen = page.evaluate(
            f"""() => {{
              let element = document.elementFromPoint({place});
              while (getComputedStyle(element).backgroundColor === "rgba(0, 0, 0, 0)") element = element.parentElement;
              return getComputedStyle(element).backgroundColor;
            }}"""
        )
        assert seen == page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
    page.locator("input").first.fill("anna")
    page.locator("input[type=password]").fill("close sesame")
    page.get_by_role("button").first.click()
    page.get_by_text("Incorrect Credentials").wait_for()
    page.locator("input").first.fill("anna")
    page.locator("input[type=password]").fill("open sesame")
    page.get_by_role("button").first.click()
    page.locator("textarea").first.wait_for()
    context.close()
