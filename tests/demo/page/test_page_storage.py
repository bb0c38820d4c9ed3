"""In a real browser: a mistake loses nothing, and the conversation is stored, exported and cleared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "  <img src=x onerror='window.hit=1'> & `a` **b** _c_ $x^2$ ${window.hit=1} {{value}} end"


def test_a_mistake_is_shown_beside_its_control_and_nothing_is_lost(user: BrowserUser) -> None:
    page = user.page
    page.get_by_label("Seed", exact=True).fill("<b>seven</b>")
    user.type("To be")
    page.press("#field-message textarea", "Enter")
    assert "The seed is '<b>seven</b>'; expected a whole number" in user.error_message()
    assert page.locator("#seed-row + .error-message").count() == 1
    assert page.get_by_label("Seed", exact=True).get_attribute("aria-describedby") == "error-message"
    user.until_done()
    assert user.message == "To be" and user.turns == 0
    page.get_by_label("Seed", exact=True).fill("")
    user.type("x" * 10_001)
    page.press("#field-message textarea", "Enter")
    page.wait_for_function("document.querySelector('.error-message')?.textContent.includes('10,001')")
    assert len(user.message) == 10_001 and user.turns == 0
    user.until_done()
    user.send("short", length=5)
    assert page.locator(".error-message").count() == 0


def test_a_browser_that_stores_nothing_says_so_once_and_hides_no_other_error(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    user.page.add_init_script(
        """const { setItem } = Storage.prototype;
        Storage.prototype.setItem = function (key, value) {
          if (key.startsWith("hubcharlstm")) throw new DOMException("full", "QuotaExceededError");
          setItem.call(this, key, value);
        };
        window.told = [];
        new MutationObserver((changes) => {
          const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
          told.push(...added.filter(({ id }) => id === "error-message"));
        }).observe(document, { childList: true, subtree: true });"""
    )
    user.open()
    user.send("To be", length=300)
    assert user.error_message().startswith("This browser keeps no more of the conversation")
    assert user.page.evaluate("told.length") == 1  # not at each of the saves while the reply was written
    user.page.get_by_label("Seed", exact=True).fill("seven")
    user.type("Or not")
    user.page.press("#field-message textarea", "Enter")
    user.page.wait_for_selector("#seed-row + .error-message")
    user.until_done()
    user.page.wait_for_timeout(200)
    assert "The seed is 'seven'" in user.error_message()
    user.leave()


def saved(user: BrowserUser, name: str) -> Any:
    with user.page.expect_download() as got:
        user.page.click(f"#save-{name}")
    return got.value.path().read_text(encoding="utf-8")


def test_the_conversation_survives_a_reload_and_is_exported_and_cleared(user: BrowserUser) -> None:
    user.send(HOSTILE, length=20)
    user.send("Two", length=20)
    text = user.text
    user.page.reload()
    user.page.wait_for_selector(".turn")
    assert user.turns == 2 and user.text == text
    assert saved(user, "text").count("\n> ") + 1 >= 2 and text in saved(user, "text")
    turns = json.loads(saved(user, "json"))
    assert [turn["typed"] for turn in turns] == [HOSTILE, "Two"]
    assert "Two" + turns[1]["replies"][0]["text"] == text
    user.page.click("#clear")
    user.page.wait_for_selector(".turn", state="detached")
    assert "Two" not in user.page.evaluate("JSON.stringify(localStorage)")
    user.page.reload()
    user.page.wait_for_selector("#conversation .title")
    assert user.turns == 0


def test_a_reply_that_a_reload_cut_short_stands_as_far_as_it_came(user: BrowserUser) -> None:
    user.send("To be", length=2_000, wait=False)
    user.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    user.page.reload()
    user.page.wait_for_selector(".turn")
    cut = user.text
    assert 20 < len(cut) < 2_000 and "stopped" in user.caption
    user.until_done()
    user.set("Length", 30)
    user.act(lambda: user.page.locator(".continue").click())
    assert user.text.startswith(cut) and len(user.text) == len(cut) + 30
    user.errors.clear()  # Gradio's own client complains of the stream that the reload cut off


def test_a_clock_that_was_set_back_undoes_nothing(user: BrowserUser) -> None:
    user.send("One", length=10)
    user.send("Two", length=10)
    user.page.goto(user.url + "/healthz")
    user.page.evaluate(
        """() => {
          const key = "hubcharlstm.conversation.2", data = JSON.parse(localStorage.getItem(key));
          for (const turn of data.turns) turn.changed += 3_600_000; // the clock went an hour ahead then
          localStorage.setItem(key, JSON.stringify(data));
        }"""
    )
    user.open()
    user.page.wait_for_selector(".turn")
    before = user.text
    user.act(lambda: user.page.locator(".continue").last.click())
    longer = user.text
    user.page.reload()
    user.page.wait_for_selector(".turn")
    assert user.text == longer != before and longer.startswith(before)


def open_with_stored(user: BrowserUser, text: str) -> None:
    """Open the page in a browser that has stored `text`; set from another page, since this one saves as it closes."""
    user.page.goto(user.url + "/healthz")
    user.page.evaluate("text => localStorage.setItem('hubcharlstm.conversation.1', text)", text)
    user.open()


def test_damaged_storage_is_no_end_of_the_page(user: BrowserUser) -> None:
    for stored in ("{", "7", '[{"id": 1}]', '[null, {"replies": []}]'):
        open_with_stored(user, stored)
        assert user.turns == 0
    user.send("To be", length=5)
    assert user.turns == 1


OLD_REPLY = {
    "id": "0123456789abcdef0123456789abcdef", "text": "thus to be, and thus to be", "seed": "9223372036854775807",
    "temperature": 0.0, "length": 26, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "stop": "", "model": "tiny",
    "revision": "", "precision": "int8", "device": "cpu", "writing": False, "continued": False,
    "ending": "length reached", "rate": 99.0, "circle": "thus to be, and ", "verdict": "same text",
    "hash": "0123456789abcdef", "foot": "26 characters · seed 9223372036854775807 · length reached",
    "link": "?message=To+be", "python": "print('old')", "command": "hubcharlstm generate",
}  # fmt: skip
OLD_TURN = {
    "id": "fedcba9876543210", "typed": "To be", "speaker": "", "context": "", "prompt": "To be", "shown": "To be",
    "notes": ["É read as E"], "replies": [OLD_REPLY],
}  # fmt: skip
"""A turn as the first version stored it: with foot, circle, verdict and notes."""


def test_a_conversation_that_the_first_version_stored_is_shown_whole(user: BrowserUser) -> None:
    """The words changed after people had conversations in their browsers: nothing that a user made is ever lost."""
    cut = {**OLD_TURN, "id": "fedcba9876543211", "notes": []}
    cut["replies"] = [{**OLD_REPLY, "writing": True, "circle": "", "verdict": "", "foot": "writing · seed 7"}]
    open_with_stored(user, json.dumps([OLD_TURN, cut]))
    user.page.wait_for_selector(".turn")
    page = user.page
    assert user.turns == 2 and user.text == "To be" + OLD_REPLY["text"]
    first, second = page.locator(".caption").all_text_contents()
    assert first.startswith("26 characters · seed 9223372036854775807 · temperature 0 · tiny · int8 on cpu")
    assert first.endswith(" · length reached") and second.endswith(" · stopped")
    assert page.text_content(".warnings") == "É read as E"
    warning = page.locator(".reply-warning").first.text_content()
    assert warning.startswith("It goes in circles: “thus to be, and”") and warning.endswith("Replay: same text.")
    page.locator(".details summary").first.click()
    assert page.locator(".details pre").all_text_contents()[1] == OLD_REPLY["python"]
    assert "It goes in circles" not in saved(user, "text") and OLD_REPLY["text"] in saved(user, "text")
    user.act(lambda: page.locator(".retry").last.click())
    stored = json.loads(saved(user, "json"))
    assert stored[0]["replies"][0]["caption"] == OLD_REPLY["foot"] and stored[0]["warnings"] == OLD_TURN["notes"]
