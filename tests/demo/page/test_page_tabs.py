"""In a real browser: two tabs share one conversation, and whatever was done is undone."""

from __future__ import annotations

import pytest

from tests.support.browser_app import BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def lines(user: BrowserUser) -> list[str]:
    return list(user.page.locator(".typed").all_text_contents())


def replies(user: BrowserUser) -> list[str]:
    return list(user.page.locator(".reply").all_text_contents())


def wait_for_lines(user: BrowserUser, expected: list[str]) -> None:
    user.page.wait_for_function(
        "lines => JSON.stringify([...document.querySelectorAll('.typed')].map((one) => one.textContent)) === lines",
        arg=user.page.evaluate("lines => JSON.stringify(lines)", expected),
    )


def test_each_tab_sees_the_others_turns_and_a_reload_keeps_both(user: BrowserUser) -> None:
    """Each tab stored what it had, over what the other had stored."""
    other = user.another_tab()
    user.send("Mine", length=30, wait=False)
    other.send("Yours", length=10, wait=False)  # the turn that comes to it next may be that of the first tab
    for tab in (user, other):
        wait_for_lines(tab, ["Mine", "Yours"])
        tab.until_done()
    user.until(lambda: replies(user) == replies(other))
    texts = replies(user)
    other.send("And more", length=5)
    wait_for_lines(user, ["Mine", "Yours", "And more"])
    for tab in (user, other):
        tab.page.reload()
        tab.page.wait_for_selector(".turn")
        assert lines(tab) == ["Mine", "Yours", "And more"]
        assert replies(tab)[:2] == texts


@pytest.mark.parametrize("is_overwritten", [True, False])
def test_of_two_tabs_that_store_at_the_same_time_no_turn_is_lost(user: BrowserUser, *, is_overwritten: bool) -> None:
    """The event of the other's text came while the storage had this tab's, or the other way round; neither looked."""
    user.send("Mine", length=5)
    user.page.evaluate(
        """isOverwritten => {
          const key = "hubcharlstm.conversation.2";
          const { turns: [mine] } = JSON.parse(localStorage.getItem(key));
          const yours = { ...mine, id: "2", slot: "2", request: "2", typed: "Yours", order: mine.order + 1 };
          const newValue = JSON.stringify({ turns: [yours], gone: {}, chosen: {} });
          if (!isOverwritten) localStorage.setItem(key, newValue);
          dispatchEvent(new StorageEvent("storage", { key, newValue }));
        }""",
        is_overwritten,
    )
    wait_for_lines(user, ["Mine", "Yours"])
    user.page.wait_for_function(
        "() => JSON.parse(localStorage.getItem('hubcharlstm.conversation.2')).turns.length === 2"
    )


def test_what_one_tab_deletes_does_not_come_back_from_the_other(user: BrowserUser) -> None:
    other = user.another_tab()
    user.send("One", length=5)
    user.send("Two", length=5)
    wait_for_lines(other, ["One", "Two"])
    user.page.locator(".more").first.click()
    user.page.keyboard.press("End")
    user.page.keyboard.press("Enter")
    wait_for_lines(other, ["Two"])
    other.send("Three", length=5)
    wait_for_lines(user, ["Two", "Three"])
    user.page.click("#undo")
    wait_for_lines(other, ["One", "Two", "Three"])
    other.page.click("#clear")
    wait_for_lines(user, [])
    other.page.click("#undo")
    wait_for_lines(user, ["One", "Two", "Three"])


def test_clear_is_undone_even_after_a_reload_and_the_reply_goes_on_where_it_was(user: BrowserUser) -> None:
    page = user.page
    page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=40)
    user.send("Again", length=5)
    first = page.locator(".reply").first.text_content()
    page.click("#clear")
    page.wait_for_selector(".turn", state="detached")
    assert page.text_content(".note-line").startswith("Cleared; Undo brings everything back")
    assert not page.is_visible("#clear") and page.is_visible("#undo")
    page.reload()
    page.wait_for_selector("#undo", state="visible")
    assert user.turns == 0
    page.click("#undo")
    wait_for_lines(user, ["To be", "Again"])
    assert page.locator(".reply").first.text_content() == first
    user.set("Length", 20)
    page.locator(".continue").first.click()  # the server has dropped its state, and finds it again by a replay
    page.wait_for_function("n => document.querySelector('.reply').textContent.length === n", arg=len(first) + 20)
    user.until_done()
    assert page.locator(".reply").first.text_content().startswith(first)
    for expected in (["To be", "Again"], ["To be"], []):
        page.click("#undo")
        wait_for_lines(user, expected)
    assert not page.is_visible("#undo")


def test_retry_edit_and_delete_are_undone(user: BrowserUser) -> None:
    page = user.page
    user.send("One", length=20)
    first = user.text
    user.act(lambda: page.locator(".retry").click())
    assert user.text != first
    page.click("#undo")
    assert user.text == first
    page.locator(".edit").click()
    user.send("Uno", length=5)
    assert lines(user) == ["Uno"]
    page.click("#undo")
    assert lines(user) == ["One"] and user.text == first
    user.type("")
    page.locator(".more").click()
    page.get_by_role("menuitem", name="Delete line and reply").click()
    page.wait_for_selector(".turn", state="detached")
    page.click("#undo")
    wait_for_lines(user, ["One"])
    assert user.text == first
