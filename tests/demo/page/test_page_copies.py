"""In a real browser: what stands in the training text is underlined, in replies and in "Look inside"."""

from __future__ import annotations

from typing import Any

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import COPIED_PROMPT, COPIED_SEED, App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

UNDERLINED = "[...(CSS.highlights.get('copied') ?? [])].map(String)"


def send_copied(user: BrowserUser, seed: int = COPIED_SEED) -> str:
    """Send what the model's filter was made with, or another seed; returns the reply."""
    user.page.fill("#field-seed :is(input, textarea)", str(seed))
    user.set("Temperature", 0.8)
    user.send(COPIED_PROMPT, length=60)
    return str(user.page.locator(".reply").last.evaluate("e => e.lastChild.data"))


def switch(user: BrowserUser) -> None:
    user.page.locator("#field-copies").get_by_role("checkbox").press("Space")


def test_a_switch_underlines_runs_of_the_training_text_and_is_kept(user: BrowserUser, app: App) -> None:
    page = user.page
    network = CharLSTM.from_pretrained(app.folder / "tiny")
    reply = send_copied(user)
    assert network.copied_runs(reply).runs == ((0, 60),)
    assert page.evaluate(UNDERLINED) == [] and not page.is_visible(".copies-note")
    switch(user)
    page.wait_for_function(f"{UNDERLINED}.length === 1")
    assert page.evaluate(UNDERLINED) == [reply]
    note = str(page.text_content(".copies-note"))
    assert note.startswith("20 and more characters that stand in the training text. 1 run in the last reply. None is ")
    assert "underlines 0.8% of all other stretches" in note and "32% of the underlined runs" in note
    send_copied(user, COPIED_SEED + 1)
    page.wait_for_function("document.querySelector('.copies-note').textContent.includes('0 runs in the last reply')")
    assert page.evaluate(UNDERLINED) == [reply]
    page.locator("#field-surprise").get_by_role("checkbox").press("Space")
    page.wait_for_function("[...CSS.highlights.keys()].some(name => name.startsWith('surprise'))")
    assert page.evaluate(UNDERLINED) == [reply]  # both at once
    user.open()
    page.wait_for_function(f"{UNDERLINED}.length === 1")
    switch(user)
    page.wait_for_function(f"{UNDERLINED}.length === 0")
    assert not page.is_visible(".copies-note")


def test_the_note_is_about_the_last_reply_and_comes_back_with_the_switch(user: BrowserUser) -> None:
    """The replies are searched from the last to the first; the note was about the one that was searched last."""
    page = user.page
    reply = send_copied(user)
    send_copied(user, COPIED_SEED + 1)
    switch(user)
    page.wait_for_function(f"{UNDERLINED}.length === 1")
    assert page.evaluate(UNDERLINED) == [reply]
    note = str(page.text_content(".copies-note"))
    assert "0 runs in the last reply" in note
    switch(user)
    page.wait_for_selector(".copies-note", state="detached")
    switch(user)
    page.wait_for_function("note => document.querySelector('.copies-note')?.textContent === note", arg=note)


def test_keys_tell_whether_a_character_is_part_of_a_run(user: BrowserUser) -> None:
    page = user.page
    send_copied(user)
    switch(user)
    page.wait_for_function(f"{UNDERLINED}.length === 1")
    page.locator(".reply").last.focus()
    page.keyboard.press("ArrowRight")
    assert str(page.text_content("#conversation [role=status]")).endswith("in a run that stands in the training text")
    switch(user)
    page.locator(".reply").last.focus()
    page.keyboard.press("ArrowRight")
    assert not str(page.text_content("#conversation [role=status]")).endswith("the training text")


def test_a_model_without_a_filter_says_so(user: BrowserUser) -> None:
    page = user.page
    page.click("#field-model input")
    page.get_by_role("option", name="mute", exact=True).click()
    page.wait_for_function("document.querySelector('#field-model input').value === 'mute'")
    user.send("To be", length=30)
    switch(user)
    page.wait_for_function("document.querySelector('.copies-note').textContent !== ''")
    assert str(page.text_content(".copies-note")).startswith("mute has no filter of its training text")
    assert page.evaluate(UNDERLINED) == []


def test_look_inside_underlines_them_too(user: BrowserUser) -> None:
    page = user.page
    reply = send_copied(user)
    page.locator(".action.look-inside").last.click()
    page.wait_for_selector("#inside .char")
    assert page.locator("#inside .char.copied").count() == 0
    page.get_by_label("underline what stands in the training text", exact=True).press("Space")
    page.wait_for_selector("#inside .char.copied")
    marked = page.locator("#inside .char.copied").all_text_contents()
    assert "".join(marked).replace("⏎", "") == reply
    note = str(page.text_content(".copied-note"))
    assert note.startswith("1 run of 20 and more characters stands in the training text. None is") and "0.8%" in note
    page.focus("#inside-scrubber")
    page.keyboard.press("End")
    assert page.get_attribute("#inside-scrubber", "aria-valuetext").endswith("that stands in the training text")
    page.keyboard.press("Home")
    assert not page.get_attribute("#inside-scrubber", "aria-valuetext").endswith("that stands in the training text")
    page.get_by_label("underline what stands in the training text", exact=True).press("Space")
    assert page.locator("#inside .char.copied").count() == 0 and not page.is_visible(".copied-note")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(app: App, browser: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    user = BrowserUser(browser, app.url, reduced_motion="reduce", color_scheme=scheme)
    assert user.page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
    send_copied(user)
    switch(user)
    user.page.wait_for_function(f"{UNDERLINED}.length === 1")
    violations = Axe().run(user.page).response["violations"]
    assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
    user.leave()
