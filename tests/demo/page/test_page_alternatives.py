"""In a real browser: a character of a reply shows what else could have stood there, and a choice is written on from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Once the page has come to rest: a conversation follows its end a frame or more after the window's size changes.
CENTRE = """async at => {
  const view = document.querySelector('#conversation .view');
  const place = () => [innerHeight, view.scrollTop, view.scrollHeight].join();
  for (let rest = 0, last = place(); rest < 5; rest = place() === last ? rest + 1 : 0, last = place()) {
    await new Promise((done) => requestAnimationFrame(done));
  }
  const node = [...document.querySelectorAll('.reply')].at(-1).lastChild;
  const range = document.createRange();
  while (node.data[at] === '\\n') at += 1;
  range.setStart(node, at);
  range.setEnd(node, at + 1);
  const box = range.getClientRects()[0];
  return { x: box.left + box.width / 2, y: box.top + box.height / 2, at };
}"""
IS_AT_END = """() => {
  const view = document.querySelector('#conversation .view');
  return innerHeight === 500 && view.scrollTop + view.clientHeight > view.scrollHeight - 2;
}"""
VISIBLE = {"↵": "\n", "␣": " ", "⇥": "\t"}


def reply_text(user: BrowserUser) -> str:
    """The reply alone, without what stands before it."""
    return str(user.page.locator(".reply").last.evaluate("e => e.lastChild.data"))


def point_at(user: BrowserUser, at: int) -> tuple[float, float, int]:
    centre = user.page.evaluate(CENTRE, at)
    return centre["x"], centre["y"], centre["at"]


def open_at(user: BrowserUser, at: int) -> int:
    """Click a character, wait for its alternatives; returns where it stands."""
    x, y, found = point_at(user, at)
    user.page.mouse.click(x, y)
    user.page.wait_for_selector(".alternative")
    return found


def choose_other(user: BrowserUser) -> str:
    """Click the first choice that did not come; returns its character."""
    option = user.page.locator(".alternative:not(.came)").first
    glyph = str(option.locator(".glyph").text_content())
    user.act(option.click)
    return VISIBLE.get(glyph, glyph)


def test_alternatives_that_were_clicked_stay_when_a_phones_keyboard_goes(user: BrowserUser) -> None:
    """They take the focus, the keyboard goes, the window grows, and that closed them."""
    user.send("To be", length=200)
    user.page.set_viewport_size({"width": 390, "height": 500})
    user.page.wait_for_function(IS_AT_END)
    open_at(user, 190)
    user.page.set_viewport_size({"width": 390, "height": 844})
    user.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    panel, reply = user.page.locator(".alternatives").bounding_box(), user.page.locator(".reply").last.bounding_box()
    assert panel["y"] < reply["y"] + reply["height"] + 40 and panel["y"] + panel["height"] > reply["y"] - 40
    user.page.evaluate("document.querySelector('#conversation .view').scrollTop = 0")
    user.page.wait_for_selector(".alternatives", state="detached")


def test_a_click_shows_the_likeliest_and_which_one_came(user: BrowserUser) -> None:
    user.send("To be", length=30)
    text, page = reply_text(user), user.page
    at = open_at(user, 12)
    options = page.locator(".alternatives [role=listbox] [role=option]")
    came = page.locator(".alternative.came")
    assert options.count() in (10, 11) and came.count() == 1
    glyph = came.locator(".glyph").text_content()
    assert VISIBLE.get(glyph, glyph) == text[at] and came.get_attribute("aria-selected") == "true"
    assert "the one that came" in came.get_attribute("aria-label")
    shares = page.locator(".alternative .bar.before").evaluate_all("all => all.map(one => parseFloat(one.style.width))")
    assert shares[:10] == sorted(shares[:10], reverse=True)
    assert f"character {at + 1} of 30" in page.locator(".alternatives").get_attribute("aria-label")
    assert "temperature 0.8" in page.text_content(".alternatives-legend")
    page.keyboard.press("Escape")
    assert page.locator(".alternatives").count() == 0
    assert page.evaluate("document.activeElement.classList.contains('reply')")
    open_at(user, 12)
    page.mouse.click(5, 400)
    assert page.locator(".alternatives").count() == 0
    user.leave()


def test_another_choice_is_written_on_from_as_a_version(user: BrowserUser) -> None:
    user.send("To be", length=30)
    first, seed, page = reply_text(user), user.seed, user.page
    at = open_at(user, 12)
    character = choose_other(user)
    second = reply_text(user)
    assert second.startswith(first[:at] + character) and len(second) == at + 1 + 30 and second != first
    assert user.seed == seed and page.text_content(".version-place") == "2/2" and user.turns == 1
    assert f"written on after character {at + 1}" in user.caption
    page.get_by_role("button", name="Previous version").focus()
    page.keyboard.press("ArrowLeft")
    assert reply_text(user) == first
    page.keyboard.press("ArrowRight")
    assert reply_text(user) == second
    page.keyboard.press("Alt+Enter")
    page.wait_for_function("text => document.querySelector('.reply').lastChild.data.length > text.length", arg=second)
    user.until_done()
    assert reply_text(user).startswith(second) and page.text_content(".version-place") == "2/2"
    page.locator(".details summary").click()
    longer = reply_text(user)
    link = page.locator(".detail-row.link pre").text_content()
    user.open(link[link.index("?") :])
    page.wait_for_function("document.querySelectorAll('.turn').length === 2")  # the page stored its own as it closed
    user.until_done()
    assert page.locator(".reply-warning").last.text_content() == "Replay: same text." and reply_text(user) == longer


def test_the_keyboard_does_all_of_it(user: BrowserUser) -> None:
    user.send("To be", length=30)
    first, page = reply_text(user), user.page
    page.locator(".reply").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    said = page.locator("#conversation [role=status]").text_content()
    assert said.startswith("character 3 of 30: ") and page.evaluate("CSS.highlights.get('place').size") == 1
    page.keyboard.press("Enter")
    page.wait_for_selector(".alternative:focus")
    assert page.locator(".alternative.came:focus").count() == 1
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "document.querySelector('.alternatives')?.getAttribute('aria-label').includes('character 4 of 30')"
    )
    page.wait_for_selector(".alternative:focus")
    page.keyboard.press("Home")
    if page.locator(".alternative.came:focus").count():
        page.keyboard.press("ArrowDown")
    glyph = page.locator(".alternative:focus .glyph").text_content()
    user.act(lambda: page.keyboard.press("Enter"))
    assert reply_text(user).startswith(first[:3] + VISIBLE.get(glyph, glyph)) and reply_text(user) != first
    assert page.text_content(".version-place") == "2/2" and page.evaluate("CSS.highlights.get('chosen').size") == 1
    page.locator(".reply").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".alternative:focus")
    assert page.locator(".alternative.came").count() == 0  # nothing came after the end


def test_a_pointer_at_rest_shows_them_and_leaving_hides_them(user: BrowserUser) -> None:
    user.send("To be", length=30)
    page = user.page
    x, y, _ = point_at(user, 12)
    page.mouse.move(x + 1, y)
    page.mouse.move(x, y)
    page.wait_for_selector(".alternative")
    assert page.evaluate("document.activeElement.closest('.alternatives')") is None  # the focus stays where it was
    bounds = page.locator(".alternatives").bounding_box()
    page.mouse.move(x, bounds["y"] + 8)
    page.wait_for_timeout(600)
    assert page.locator(".alternatives").count() == 1
    page.mouse.move(5, 5)
    page.wait_for_selector(".alternatives", state="detached")
    user.leave()


def test_one_press_looks_inside_at_the_character(user: BrowserUser) -> None:
    user.send("To be", length=30)
    text, page = reply_text(user), user.page

    def shown(at: int) -> str:
        page.wait_for_function("n => document.getElementById('inside-scrubber')?.value === String(n)", arg=5 + at)
        return str(page.locator("#inside .char.here").text_content())[0].replace("⏎", "\n")

    at = open_at(user, 12)
    page.get_by_role("button", name="Look inside at this character").click()
    assert shown(at) == text[at] and page.locator(".alternatives").count() == 0
    user.return_to_chat()
    page.locator(".reply").focus()
    for key in (*["ArrowRight"] * 4, "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(".alternative:focus")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert shown(3) == text[3]


def test_selecting_text_shows_nothing(user: BrowserUser) -> None:
    """From the prompt on, for a text of chance may have a line break anywhere."""
    user.send("To be", length=30)
    page = user.page
    bounds = page.locator(".reply .prompt-text").bounding_box()
    y = bounds["y"] + bounds["height"] / 2
    page.mouse.move(bounds["x"] + 2, y)
    page.mouse.down()
    page.mouse.move(bounds["x"] + bounds["width"] + 40, y, steps=6)
    page.mouse.up()
    assert page.evaluate("getSelection().toString().length") > 2
    page.wait_for_timeout(150)
    assert page.locator(".alternatives").count() == 0


def test_a_tap_on_a_phone_shows_them_within_the_screen(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    user.send("To be")
    x, y, _ = point_at(user, 20)
    user.page.touchscreen.tap(x, y)
    user.page.wait_for_selector(".alternative")
    bounds = user.page.locator(".alternatives").bounding_box()
    assert (
        bounds["x"] >= 0
        and bounds["x"] + bounds["width"] <= 390
        and bounds["y"] >= 0
        and bounds["y"] + bounds["height"] <= 844
    )
    option = user.page.locator(".alternative:not(.came)").first
    user.act(option.tap)
    assert user.page.text_content(".version-place") == "2/2"
    user.leave()


def test_a_reply_of_several_is_written_on_alone(user: BrowserUser) -> None:
    page = user.page
    user.act(lambda: page.get_by_text("the same line at 0.2, 0.8 and 1.4").click())
    first = reply_text(user)
    at = open_at(user, 5)
    assert "temperature 1.4" in page.text_content(".alternatives-legend")
    character = choose_other(user)
    assert page.locator(".reply").count() == 1 and "temperature 1.4" in user.caption
    assert reply_text(user).startswith(first[:at] + character) and page.text_content(".version-place") == "2/2"


def test_a_refusal_is_one_sentence_in_the_panel(user: BrowserUser) -> None:
    user.send("To be", length=20)
    body = 'event: error\ndata: {"error": "The app is busy: try again in about 3 seconds."}\n\n'
    user.page.route("**/call/v2/alternatives", lambda route: route.fulfill(json={"event_id": "x"}))
    user.page.route(
        "**/call/v2/alternatives/x", lambda route: route.fulfill(content_type="text/event-stream", body=body)
    )
    x, y, _ = point_at(user, 5)
    user.page.mouse.click(x, y)
    sentence = user.page.locator(".alternatives [role=alert]").text_content()
    assert sentence == "The app is busy: try again in about 3 seconds."


def test_a_server_that_is_gone_or_a_proxys_page_is_told_in_a_sentence(user: BrowserUser) -> None:
    """The panel told the browser's own words: "Failed to fetch", or of a token that is no JSON."""
    user.send("To be", length=30)
    page = user.page
    answers = [
        lambda route: route.fulfill(status=502, body="<html>", content_type="text/html"),
        lambda route: route.abort(),
    ]
    sentences = ["The server answered with status 502", "The server did not answer; expected it to"]
    for at, answer, sentence in zip((5, 12), answers, sentences, strict=True):
        page.route("**/call/v2/alternatives", answer)
        x, y, _ = point_at(user, at)
        page.mouse.click(x, y)
        page.locator(".alternatives-error", has_text=sentence).wait_for()
        page.keyboard.press("Escape")
    user.errors.clear()  # Chromium's own lines about both


def test_what_the_server_sends_is_shown_as_text(user: BrowserUser) -> None:
    user.send("To be", length=20)
    choice = {"character": "<b>", "rank": 1, "probability": 0.5, "sampling_probability": 0.5}
    answer = {
        "choices": [choice],
        "actual": choice,
        "warnings": ["<i>x</i>"],
        "temperature": 0.8,
        "top_k": 0,
        "top_p": 1,
        "min_p": 0,
    }
    body = f"event: complete\ndata: {json.dumps([answer])}\n\n"
    user.page.route("**/call/v2/alternatives", lambda route: route.fulfill(json={"event_id": "x"}))
    user.page.route(
        "**/call/v2/alternatives/x", lambda route: route.fulfill(content_type="text/event-stream", body=body)
    )
    open_at(user, 5)
    assert user.page.text_content(".alternative .glyph") == "<b>" and "<i>x</i>" in user.page.text_content(
        ".alternatives-foot"
    )
    assert user.page.locator(".alternatives :is(b, i)").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(app: App, browser: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    user = BrowserUser(browser, app.url, reduced_motion="reduce")
    if scheme == "dark":
        user.open("?__theme=dark")
    user.send("To be", length=30)
    user.page.locator("#field-surprise input").check()
    user.page.wait_for_function("[...CSS.highlights.keys()].some(name => name.startsWith('surprise'))")
    open_at(user, 12)
    results = Axe().run(user.page)
    found = [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]][:4])
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert found == []
    user.leave()


def test_a_refusal_speaks_the_language_of_the_page(app: App, browser: Any) -> None:
    """The endpoint's error is English; the page showed it as it is."""
    user = BrowserUser(browser, app.url, locale="de-DE")
    user.send("To be")
    user.page.route(
        "**/gradio_api/call/v2/alternatives",
        lambda route: route.continue_(post_data=json.dumps(json.loads(route.request.post_data) | {"k": 10_000})),
    )
    x, y, _ = point_at(user, 5)
    user.page.mouse.click(x, y)
    user.page.wait_for_selector(".alternatives-error")
    assert "möglich ist eine ganze Zahl von 1 bis" in str(user.page.text_content(".alternatives-error"))
    user.page.unroute_all()
    user.leave()


# --- a clamp ----------------------------------------------------------------------------------------------------------


def test_a_link_with_a_clamp_is_written_so_and_retry_keeps_it(user: BrowserUser) -> None:
    user.open("?message=To+be&length=20&seed=7&clamp=0:3:2.5")
    user.page.wait_for_selector(".turn")
    user.until_done()
    assert "1 cell clamped" in user.caption
    user.act(lambda: user.page.keyboard.press("Control+Enter"))
    assert "1 cell clamped" in user.caption and "seed 7 " not in user.caption
    open_at(user, 5)
    choose_other(user)
    assert "1 cell clamped" in user.caption
    assert "clamp=" in user.page.locator(".detail-row.link pre").text_content()


def test_the_trace_of_a_reply_with_a_clamp_says_that_it_has_none(user: BrowserUser) -> None:
    """Its surprises are those of a network that did not write the text, and nothing said so."""
    user.open("?message=To+be&length=20&seed=7&clamp=0:3:2.5")
    user.page.wait_for_selector(".turn")
    user.until_done()
    user.page.locator(".action.look-inside").click()
    facts = user.page.locator("#inside .facts")
    facts.get_by_text("The reply was written with cells clamped; it is read here without.").wait_for()
    user.page.fill("#inside .own-text", "Another text")
    user.page.press("#inside .own-text", "Enter")
    user.page.wait_for_function("() => document.querySelector('#inside .facts').textContent.includes(': 12 char')")
    assert "clamped" not in facts.text_content()


def test_retry_with_another_model_clamps_none_of_its_cells(user: BrowserUser) -> None:
    page = user.page
    user.open("?message=To+be&length=20&seed=7&clamp=0:3:2.5")
    page.wait_for_selector(".turn")
    user.until_done()
    page.click("#field-model input")
    page.get_by_role("option", name="mute", exact=True).click()
    page.wait_for_function("document.querySelector('.title').textContent.startsWith('Mute')")
    user.act(lambda: page.keyboard.press("Control+Enter"))
    assert " mute " in user.caption and "clamped" not in user.caption
