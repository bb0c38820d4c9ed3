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


CONTRASTS = """async () => {
  const { ofGate, ofSurprise, ofValue, ofWeight } = await import(new URL("inside/colors.js", document.baseURI).href);
  const { color, backgroundColor } = getComputedStyle(document.querySelector("#inside .strip"));
  const [letters, paper] = [color, backgroundColor].map((value) => value.match(/[\\d.]+/g).map(Number).slice(0, 3));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const all = { gate: ofGate(1), above: ofValue(1), below: ofValue(-1), bits: ofSurprise(8), weight: ofWeight(1) };
  return Object.entries(all).map(([name, value]) => {
    const [r, g, b, alpha] = value.match(/[\\d.]+/g).map(Number);
    const ground = [r, g, b].map((part, n) => alpha * part + (1 - alpha) * paper[n]);
    const [low, high] = [luminance(letters), luminance(ground)].sort((one, other) => one - other);
    return [name, (high + 0.05) / (low + 0.05)];
  });
}"""


def test_letters_are_legible_on_the_strongest_colours_of_a_text(themed: BrowserUser) -> None:
    """Axe passes over the coloured text, which is hidden from screen readers. WCAG 2.2, 1.4.3."""
    page = themed.page
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    assert [(name, ratio) for name, ratio in page.evaluate(CONTRASTS) if ratio < 4.5] == []


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
