"""In a real browser: an exported conversation is loaded again, and a hostile or damaged file harms nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def saved_json(user: BrowserUser, file: Path) -> list[dict[str, Any]]:
    with user.page.expect_download() as got:
        user.page.click("#save-json")
    got.value.save_as(file)
    return list(json.loads(file.read_text(encoding="utf-8")))


def load(user: BrowserUser, file: Path) -> None:
    with user.page.expect_file_chooser() as chooser:
        user.page.click("#load-json")
    chooser.value.set_files(file)


def test_a_saved_conversation_is_loaded_in_another_browser(
    user: BrowserUser, app: App, browser: Any, tmp_path: Path
) -> None:
    page = user.page
    assert not page.is_visible("#save-json") and not page.is_visible("#save-text") and page.is_visible("#load-json")
    user.send("One", length=20)
    user.act(lambda: page.keyboard.press("Control+Enter"))
    user.send("Two", length=20)
    page.locator(".turn").first.get_by_role("button", name="Previous version").click()
    texts = page.locator(".reply").all_text_contents()
    turns = saved_json(user, tmp_path / "conversation.json")
    assert [(turn["typed"], turn["is_shown"]) for turn in turns] == [("One", True), ("One", False), ("Two", False)]

    other = BrowserUser(browser, app.url)
    other.send("Mine", length=5)
    load(other, tmp_path / "conversation.json")
    other.page.wait_for_function("document.querySelectorAll('.turn').length === 2")
    assert other.page.text_content(".note-line") == "3 messages loaded; Undo takes them away again."
    assert other.page.locator(".reply").all_text_contents()[0] == texts[0]
    other.page.get_by_role("button", name="Next version").click()
    assert other.page.locator(".typed").all_text_contents() == ["One", "Two", "Mine"]
    load(other, tmp_path / "conversation.json")
    other.page.wait_for_function("document.querySelector('.note-line')?.textContent.startsWith('All of the file')")
    length = len(other.page.locator(".reply").nth(1).text_content())
    other.page.locator(".turn").nth(1).locator(".continue").click()
    grown = "n => document.querySelectorAll('.reply')[1].textContent.length > n"
    other.page.wait_for_function(grown, arg=length)
    other.until_done()
    other.page.click("#undo")
    other.page.click("#undo")
    other.page.wait_for_function("document.querySelectorAll('.turn').length === 1")
    assert other.page.locator(".typed").all_text_contents() == ["Mine"]
    other.leave()


HOSTILE = "<img src=x onerror='window.hit=1'>"


def test_a_hostile_file_is_shown_as_text(user: BrowserUser, tmp_path: Path) -> None:
    user.send("One", length=5)
    (turn,) = saved_json(user, tmp_path / "good.json")
    texts = dict.fromkeys(("text", "caption", "python", "command", "cycle", "replay_check", "model"), HOSTILE)
    hostile = {
        **turn, "id": "hostile-1", "slot": "hostile-1", "parent": "hostile-1", "typed": HOSTILE, "speaker": HOSTILE,
        "shown": HOSTILE, "warnings": [HOSTILE], "__proto__": {"hit": 1}, "order": -1,
        "replies": [{**turn["replies"][0], **texts, "extra": "x", "top_k": "many"}],
    }  # fmt: skip
    (tmp_path / "hostile.json").write_text(json.dumps([hostile]), encoding="utf-8")
    load(user, tmp_path / "hostile.json")
    user.page.wait_for_function("document.querySelectorAll('.turn').length === 2")
    page = user.page
    assert page.locator(".typed").first.text_content() == HOSTILE
    page.locator(".details summary").first.click()
    assert page.locator("#conversation img").count() == 0 and page.evaluate("window.hit") is None
    stored = json.loads(page.evaluate("localStorage['hubcharlstm.conversation.2']"))["turns"]
    reply = next(one for one in stored if one["id"] == "hostile-1")["replies"][0]
    assert "extra" not in reply and "top_k" not in reply
    page.locator(".continue").first.click()
    assert "was kept in a form that this page does not know" in user.error_message()


def test_a_reply_that_was_saved_while_it_was_written_is_a_stopped_one(user: BrowserUser, tmp_path: Path) -> None:
    user.set("Length", 60)
    user.send("One")
    (turn,) = saved_json(user, tmp_path / "whole.json")
    turn["id"] = turn["slot"] = "written-1"
    turn["replies"][0] |= {"writing": True, "ending": ""}
    (tmp_path / "early.json").write_text(json.dumps([turn]), encoding="utf-8")
    load(user, tmp_path / "early.json")
    user.page.wait_for_function("document.querySelectorAll('.turn').length === 2")
    assert user.page.locator(".reply.writing").count() == 0
    assert "stopped" in "".join(user.page.locator(".caption").all_text_contents())


@pytest.fixture(scope="module")
def saver(app: App, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrowserUser, Any]]:
    """Somebody who has saved a conversation, and what stands in the file."""
    user = BrowserUser(browser, app.url)
    user.send("One", length=5)
    yield user, saved_json(user, tmp_path_factory.mktemp("saved") / "good.json")
    user.leave()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "The file is no JSON; expected a conversation that was saved here as JSON"),
        ("[]", "The file holds no conversation, or a damaged one; expected"),
        ('{"turns": []}', "holds no conversation"),
        ('[{"id": "12345678"}]', "holds no conversation"),
        ("[null, 7, [[]]]", "holds no conversation"),
        ("same id twice", "holds no conversation"),
        ("a link elsewhere", "holds no conversation"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(
    saver: tuple[BrowserUser, Any], tmp_path: Path, content: str, sentence: str
) -> None:
    user, turns = saver[0], deepcopy(saver[1])
    user.open()  # without the sentence of the last file
    if content == "same id twice":
        content = json.dumps(turns * 2)
    if content == "a link elsewhere":
        turns[0]["replies"][0]["link"] = "https://elsewhere.example/"
        content = json.dumps(turns)
    (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    load(user, tmp_path / "bad.json")
    assert sentence in user.error_message()
    assert user.page.locator(".typed").all_text_contents() == ["One"]
