"""In a real browser: a cell that "Look inside" holds at a value is held in the chat, too, until its chip is removed."""

from __future__ import annotations

from typing import Any

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLAMP = {(0, 3): 2.5}


def hold(user: BrowserUser, *, by_keyboard: bool = False) -> None:
    """Choose unit 3 in the view, set the knob to 2.5 and take both to the chat."""
    page = user.page
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    page.get_by_label("Number of the unit").fill("3")
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('#inside .card h2').textContent === 'Unit 3'")
    page.focus("#inside-knob")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    button = page.get_by_role("button", name="Hold it in the chat")
    if by_keyboard:
        button.press("Enter")
    else:
        button.click()
    page.wait_for_selector(".held-cell")
    page.wait_for_function("document.activeElement === document.querySelector('#field-message textarea')")


def reply_text(user: BrowserUser) -> str:
    return str(user.page.locator(".reply").last.evaluate("e => e.lastChild.data"))


@pytest.fixture(scope="module")
def network(app: App) -> CharLSTM:
    return CharLSTM.from_pretrained(app.folder / "tiny")


def written(network: CharLSTM, prompt: str, seed: int, **options: Any) -> str:
    return network.complete(prompt, max_new_tokens=40, temperature=0.8, seed=seed, **options).text


def test_the_next_message_is_written_with_it_and_its_link_has_it(user: BrowserUser, network: CharLSTM) -> None:
    page = user.page
    hold(user)
    assert page.text_content(".held-cell") == "Layer 0, unit 3 at 2.5 ×"
    page.fill("#field-seed :is(input, textarea)", "11")
    user.set("Temperature", 0.8)
    user.send("To be", length=40)
    assert reply_text(user) == written(network, "To be", 11, clamp=CLAMP) != written(network, "To be", 11)
    assert "1 cell clamped" in user.caption
    assert "clamp=0%3A3%3A2.5" in str(page.text_content(".detail-row.link pre"))
    page.get_by_role("button", name="Release Layer 0, unit 3 at 2.5").press("Enter")
    assert page.locator(".held-cells").count() == 0
    assert page.evaluate("document.activeElement === document.querySelector('#field-message textarea')")
    user.send("Who", length=40)
    assert "clamped" not in user.caption


def test_continue_writes_a_version_that_begins_with_the_reply_and_holds_the_cell(
    user: BrowserUser, network: CharLSTM
) -> None:
    page = user.page
    page.fill("#field-seed :is(input, textarea)", "12")
    user.set("Temperature", 0.8)
    user.send("To be", length=40)
    first = reply_text(user)
    hold(user, by_keyboard=True)
    user.act(lambda: page.locator(".action.continue").last.click())
    longer = reply_text(user)
    assert longer == first + written(network, "To be" + first, 12, clamp=CLAMP)
    assert page.text_content(".version-place") == "2/2" and "1 cell clamped" in user.caption
    user.act(lambda: page.locator(".action.continue").last.click())  # of a reply that holds it: exactly on
    assert reply_text(user).startswith(longer) and page.text_content(".version-place") == "2/2"


def test_the_chips_are_shown_with_their_own_model_alone(user: BrowserUser) -> None:
    """The page said that the next replies hold the cell, of a model that was not the chosen one."""
    page, chips = user.page, user.page.locator(".held-cell")

    def choose(name: str) -> None:
        page.click("#field-model input")
        page.get_by_role("option", name=name, exact=True).click()
        title = {"mute": "Mute, one", "tiny": "One small play"}[name]  # once the server has answered
        page.wait_for_function("title => document.title.startsWith(title)", arg=title)

    choose("mute")
    user.send("To be", length=20)
    choose("tiny")
    page.locator(".action.look-inside").last.click()
    page.wait_for_selector("#inside .char")
    page.get_by_role("button", name="Hold it in the chat").click()
    chips.wait_for()
    user.until(lambda: bool(page.input_value("#field-model input") == "mute"))
    user.send("To be", length=20)
    assert " mute " in user.caption and "1 cell clamped" in user.caption
    choose("tiny")
    chips.wait_for(state="detached")
    user.send("To be", length=20)
    assert " tiny " in user.caption and "clamped" not in user.caption
    choose("mute")
    chips.wait_for()
