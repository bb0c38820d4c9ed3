"""In a real browser: from a pasted text to a model of one's own, by keyboard and mouse, with the real trainer."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINES = ["The rain is on the hill", "the hill is in the rain", "and nobody is still", "but I am here again"]
POEM = "".join(f"{LINES[n % 4]}{',.;!'[n % 3]}\n" + ("\n" if n % 4 == 3 else "") for n in range(130))
LONG = 280_000  # a training on a machine with other work


def open_view(user: BrowserUser) -> Any:
    link = user.page.get_by_role("link", name="Make your own")
    link.focus()
    link.press("Enter")
    user.page.wait_for_selector("#make textarea")
    return user.page


@pytest.mark.timeout(600)
def test_a_poem_becomes_a_model_to_chat_with(app: App, user: BrowserUser, browser: Any, tmp_path: Path) -> None:
    page = open_view(user)
    button = page.get_by_role("button", name="Check the text")
    assert button.is_disabled() and "2,000 to 1,000,000 characters" in page.text_content("#make .amount")
    page.fill("#make textarea", POEM)
    assert page.text_content("#make .amount") == f"{len(POEM):,} characters; that fits"
    button.press("Enter")
    page.wait_for_selector("#make .findings", timeout=LONG)
    assert f"{len(POEM):,} characters" in page.text_content("#make .facts")
    assert "bits per character" in page.text_content("#make .beat-note")
    page.locator("input[name='making-begin']").first.check(force=True)
    minute = page.locator("input[name='making-time'][value='60']")
    minute.focus()
    minute.press("ArrowLeft")
    assert page.locator("input[name='making-time'][value='30']").is_checked()
    page.get_by_role("button", name="Train").press("Enter")
    page.wait_for_selector("#make .sheet >> visible=true", timeout=LONG)
    assert page.locator("#make .chart .beat").count() == 1
    page.reload()  # finds it again
    page.wait_for_selector("#make .clock, #make .verdict", timeout=LONG)
    page.get_by_text("It is ready").wait_for(timeout=LONG)
    assert page.locator("#make .held-line").count() == 1
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    archive = tmp_path / "model.zip"
    downloading.value.save_as(archive)
    zipfile.ZipFile(archive).extractall(tmp_path)
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert CharLSTM.from_pretrained(str(folder), device="cpu").generate("The rain", max_new_tokens=20, seed=1)
    page.get_by_role("button", name="Chat with it").click()
    page.wait_for_function("document.querySelector('#field-model input').value === 'my text, made by you'")
    user.send("The rain ", length=40)
    assert user.text.startswith("The rain ")
    other = BrowserUser(browser, app.url)
    other.page.locator("#field-model input").click()
    assert "made by you" not in " ".join(other.page.locator("[role=option]").all_text_contents())
    other.page.keyboard.press("Escape")
    other.leave()
    page.get_by_role("link", name="Make your own").click()
    page.get_by_role("button", name="Another text").click()
    page.wait_for_selector("#make textarea")
    assert not list(Path(app.folder).rglob("my-text.txt"))


def test_a_file_is_read_in_the_browser_and_shown_as_text(user: BrowserUser, tmp_path: Path) -> None:
    page = open_view(user)
    name = "<img src=x onerror=document.title='hacked'>"
    payload = {"name": f"{name}.txt", "mimeType": "text/plain", "buffer": ("<b>bold</b> & more\n" * 300).encode()}
    page.set_input_files("#make input[type=file]", payload)
    page.wait_for_selector("#make .findings", timeout=LONG)
    assert name.replace(",", "") in page.text_content("#make .subtitle")
    assert page.locator("#make img").count() == 0 and page.title() != "hacked"
    page.get_by_role("button", name="Another text").click()
    page.wait_for_selector("#make textarea")
    payload = {"name": "photo.txt", "mimeType": "text/plain", "buffer": b"\xff\xd8\xff" * 1_000}
    page.set_input_files("#make input[type=file]", payload)
    page.get_by_text("The file is no text in UTF-8").wait_for()


def test_a_text_of_one_letter_is_refused_in_words(user: BrowserUser) -> None:
    page = open_view(user)
    page.fill("#make textarea", "a" * 3_000)
    page.get_by_role("button", name="Check the text").click()
    page.get_by_text("That did not work").wait_for(timeout=LONG)
    assert "no character but a" in page.text_content("#make .verdict")
    page.get_by_role("button", name="Another text").press("Enter")
    page.wait_for_selector("#make textarea")


def test_the_chat_is_out_of_reach_while_another_view_is_open(user: BrowserUser) -> None:
    page = open_view(user)
    assert page.evaluate("document.getElementById('main-column').inert && document.getElementById('panel').inert")
    assert page.locator(".view-link[aria-current]").all_text_contents() == ["Make your own"]
    page.go_back()
    page.wait_for_function("!document.getElementById('main-column').inert")
    assert page.locator("#make").is_hidden()
