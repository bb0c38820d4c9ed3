"""In a real browser: starters, speakers and settings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_starter_is_one_click(user: BrowserUser) -> None:
    user.type("not this")
    user.act(lambda: user.page.locator(".starter").first.click())
    assert user.text.startswith("ROMEO:\n") and user.message == "not this"


def test_the_same_line_at_three_temperatures_side_by_side(user: BrowserUser) -> None:
    user.act(lambda: user.page.get_by_text("the same line at 0.2, 0.8 and 1.4").click())
    page = user.page
    assert page.locator(".reply-temperature").all_text_contents() == ["at 0.2", "at 0.8", "at 1.4"]
    boxes = [page.locator(".reply").nth(n).bounding_box() for n in range(3)]
    assert boxes[0]["y"] == boxes[1]["y"] == boxes[2]["y"] and boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    texts = page.locator(".reply").all_text_contents()
    assert (
        len(set(texts)) == 3
        and len({caption.split("seed ")[1][:6] for caption in page.locator(".caption").all_text_contents()}) == 1
    )
    middle = page.locator(".reply-block").nth(1)
    user.act(lambda: middle.locator(".continue").click())
    grown = page.locator(".reply").all_text_contents()
    assert grown[0] == texts[0] and grown[2] == texts[2] and grown[1].startswith(texts[1]) and grown[1] != texts[1]


def test_surprise_me_draws_a_passage(user: BrowserUser) -> None:
    user.act(lambda: user.page.click("#surprise"))
    first = user.page.locator(".typed").last.text_content()
    user.act(lambda: user.page.click("#surprise"))
    second = user.page.locator(".typed").last.text_content()
    pool = {"ROMEO:\n", "To be, or ", "What light ", "JULIET:\n"}
    assert {first, second} <= pool and first != second


def test_talk_with_a_character(user: BrowserUser) -> None:
    page = user.page
    page.get_by_text("Juliet", exact=True).click()
    user.send("Good morrow {speaker}", length=40)
    assert page.text_content(".recipient") == "to JULIET" and user.text.startswith("JULIET:\n")
    page.click(".details summary")
    assert page.text_content(".detail-row.prompt pre") == "STRANGER:\nGood morrow {speaker}\n\nJULIET:\n"
    reply = user.text.removeprefix("JULIET:\n")
    assert "\n\n" not in reply
    field = page.get_by_role("searchbox", name="Talk with")
    field.fill("Nurse")
    field.press("Enter")
    user.send("Where is she?", length=20)
    assert user.text.startswith("Nurse:\n")


def test_presets_set_the_temperature_and_greedy_cycles_are_reported(user: BrowserUser) -> None:
    page = user.page
    temperature = page.get_by_label("number input for Temperature")
    for name, value in (("Careful", "0.5"), ("Wild", "1.3"), ("Balanced", "0.8"), ("Greedy", "0")):
        page.locator("#presets label", has_text=name).click()
        page.wait_for_function("v => document.querySelector('#field-temperature input').value === v", arg=value)
    assert temperature.input_value() == "0"
    page.get_by_label("As fast as it goes").check()
    user.send("To be", length=1_500)
    assert "temperature 0 ·" in user.caption and page.text_content(".reply-warning").startswith("It goes in circles: “")
    user.set("Temperature", 1.1)
    page.wait_for_function("!document.querySelector('#presets input:checked')")


def test_the_advanced_settings_are_collapsed_and_work(user: BrowserUser) -> None:
    page = user.page
    assert not page.is_visible("#field-top-k")
    page.get_by_text("More", exact=True).click()
    page.wait_for_selector("#field-top-k", state="visible")
    user.set("Top-k", 1)
    user.set("Top-p", 0.9)
    user.set("Min-p", 0.1)
    user.send("To be", length=40)
    greedy = user.text
    assert "top-k 1 · top-p 0.9 · min-p 0.1" in user.caption
    user.act(lambda: page.keyboard.press("Control+Enter"))
    assert user.text == greedy  # the likeliest of one
    stop = greedy[15:18]
    field = page.locator("#field-stop input")
    field.fill(stop)
    field.press("Enter")
    user.send("To be", length=40)
    assert user.text == greedy[: greedy.index(stop, 5)] and "ended by itself" in user.caption
    text = user.text
    user.act(lambda: page.keyboard.press("Alt+Enter"))
    assert user.text.startswith(text + stop)  # goes on behind what stopped it


def test_what_a_quick_user_enters_while_the_page_restores_its_settings_stays(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    user.page.add_init_script(  # between the moment when the values are taken and the one when they come back
        """document.addEventListener("command", (event) => {
          if (event.detail.name !== "restore-settings") return;
          const field = document.querySelector("#field-seed textarea, #field-seed input");
          field.value = "7";
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }, true);"""
    )
    user.open()
    user.page.wait_for_function("() => sessionStorage.getItem('hubcharlstm.settings.1')?.includes('\"seed\":\"7\"')")
    user.send("To be", length=20)
    assert user.seed == "7"
    assert user.page.get_by_label("Seed", exact=True).input_value() == "7"
    user.leave()


def test_of_two_models_chosen_one_after_the_other_the_later_one_is_shown(user: BrowserUser) -> None:
    """The second choice was dropped while the first one loaded, which then stood in the menu."""
    page = user.page
    held: list[Any] = []
    page.route("**/queue/join*", lambda route: held.append(route))
    for number, name in enumerate(("mute", "tiny")):
        page.click("#field-model input")
        page.get_by_role("option", name=name, exact=True).click()
        user.until(lambda number=number: len(held) > number)
    for route in held:  # in this order
        with page.expect_response("**/queue/join*"):
            route.continue_()
    page.unroute_all(behavior="wait")
    user.send("To be", length=20)
    assert " tiny " in user.caption and page.input_value("#field-model input") == "tiny"
    assert not str(page.text_content(".title")).startswith("Mute")
