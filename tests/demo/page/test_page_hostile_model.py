"""A model whose every text is HTML and a script: the page shows it as text, wherever a text of a model stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hubcharlstm import CharLSTM, GenerationConfig
from tests.support.browser_app import RECORD, App, BrowserUser, find_chromium, save_model

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=hit=1></script><script>hit=1</script>"


def spoilt(value: Any) -> Any:
    """The value with every text in it made hostile."""
    if isinstance(value, dict):
        return {name: spoilt(one) for name, one in value.items()}
    if isinstance(value, list):
        return [spoilt(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.fixture(scope="module")
def hostile_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The folder's name, which the menu shows, is hostile, too, as far as a name can be."""
    find_chromium()
    folder = tmp_path_factory.mktemp("hostile")
    named = folder / HOSTILE.partition("</")[0]
    save_model(named)
    model = CharLSTM.from_pretrained(named)
    model.record = spoilt({**RECORD, "ancestors": [{"name": "a/b", "title": "t", "train_chars": 5}]})
    model.generation_config = GenerationConfig(
        examples=(HOSTILE, "To be"), speakers=(HOSTILE, "ROMEO"), turn_template="{speaker}:\n{message}\n",
        turn_stop="\n\n", max_new_tokens=20,
    )  # fmt: skip
    model.save_pretrained(named)
    running = App(folder, HUBCHARLSTM_MODEL=str(named))
    yield running
    running.close()
    running.check_output()


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_html_of_the_page_holds_it_escaped(hostile_app: App, language: str) -> None:
    text = httpx.get(f"{hostile_app.url}/?lang={language}", timeout=60).text
    assert "img src=x" in text, "it is there"
    assert "<img src=x" not in text and "<script>hit" not in text


def test_the_page_shows_it_as_text(hostile_app: App, browser: Any) -> None:
    user = BrowserUser(browser, hostile_app.url)  # whose console must hold no error, as of an image that is not there
    page = user.page
    assert "<img src=x" in str(page.text_content("#conversation"))
    user.choose_speaker(HOSTILE)
    user.send("To be", length=20)
    page.locator(".turn").last.get_by_text("Details").click()
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    page.get_by_role("link", name="Make your own").click()
    page.wait_for_selector("#make textarea")
    assert page.locator("img[src=x]").count() == 0 and page.evaluate("window.hit") is None
    user.leave()
