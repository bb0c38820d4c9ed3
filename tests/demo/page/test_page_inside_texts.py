"""In a real browser: how a text comes into "Look inside", what is said of it, and on which pages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.demo.words.catalogue import INSIDE, catalogue
from tests.support.browser_app import App, BrowserUser
from tests.support.inside_user import TEXT, Inside, shown

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_answer_is_ready_once_a_text_is_typed_and_its_numbers_are_the_traces(
    inside: Inside, network: CharLSTM
) -> None:
    # However busy the machine is, no answer counts as slow: the page would fetch the next ones without their numbers.
    inside.page.evaluate("const now = performance.now.bind(performance); performance.now = () => now() / 1000")
    inside.open(None)
    field = inside.page.get_by_label("A text of your own")
    field.focus()
    with inside.page.expect_response("**/inside/prepare") as first:
        inside.page.keyboard.type("To be, or")
    assert re.fullmatch("[0-9a-f]{32}", first.value.request.headers["x-hubcharlstm-owner"])  # else nothing is prepared
    whole = "To be, or not"
    for _ in range(50):  # the server prepares nothing while it still answers what the view asked for as it opened
        for text in (whole + "?", whole):
            with inside.page.expect_response(
                lambda one, text=text: one.request.post_data_json.get("text") == text
            ) as last:
                field.fill(text)
            last.value.finished()
        if last.value.status == 200:
            break
    assert last.value.status == 200
    asked: list[dict[str, Any]] = []
    inside.page.on("request", lambda request: asked.append(request.post_data_json or {}))
    inside.press("Enter")
    inside.page.wait_for_function("document.querySelectorAll('#inside .char').length === 13")
    assert [body for body in asked if body.get("maps")] == []  # the exact values of a unit may still be asked for
    inside.to_scrubber()
    inside.press("End")
    found = network.trace(whole)
    assert inside.place == 12
    # A unit that the prepared answer lacks has the numbers of the text before, faint, until the server has answered.
    inside.page.wait_for_function(
        "value => document.querySelector(\"#inside .term[data-term='h'] .term-value\").textContent === value",
        arg=shown(float(found.hidden[0, -1, inside.unit])),
    )


def test_until_the_numbers_of_a_unit_have_come_those_of_the_one_before_are_faint(
    inside: Inside, network: CharLSTM
) -> None:
    """They stood there as if they were the chosen unit's."""
    inside.open()
    page = inside.page
    page.wait_for_selector("#inside:not(.cell-missing) .term[data-term='h'] .term-value >> text=/[0-9]/")
    offered = page.eval_on_selector_all("#inside option", "options => options.map(({ value }) => value)")
    unit = next(n for n in range(network.config.hidden_size) if f"0:{n}" not in offered)
    held: list[Any] = []
    page.route("**/inside/trace", lambda route: route.continue_() if held else held.append(route))
    page.get_by_label("Number of the unit").fill(str(unit))
    with page.expect_request("**/inside/trace"):
        inside.press("Tab")
    parts = [page.locator("#inside .cell-columns"), page.locator("#inside .card")]
    assert [one.get_attribute("aria-busy") for one in parts] == ["true", "true"]
    parts_of_cell = "[...document.querySelectorAll('#inside .cell-columns, #inside .card')]"
    opacities = f"{parts_of_cell}.map((one) => getComputedStyle(one).opacity)"
    page.wait_for_function(f"{opacities}.every((opacity) => opacity === '0.6')")
    held[0].continue_()
    page.wait_for_selector("#inside:not(.cell-missing)")
    assert [one.get_attribute("aria-busy") for one in parts] == ["false", "false"]
    assert page.evaluate(opacities) == ["1", "1"]
    page.wait_for_function("n => document.querySelector('#inside .card h2').textContent === `Unit ${n}`", arg=unit)
    assert inside.term("h") == shown(float(network.trace(TEXT).hidden[0, inside.place, unit]))


def test_on_a_slow_link_a_text_is_prepared_without_its_answer(inside: Inside) -> None:
    """The answer for 200 characters is 325 kB: at each key that would fill the link of a phone."""
    asked: list[dict[str, Any]] = []

    def watch(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.continue_()

    inside.page.evaluate("performance.now = () => 0")  # how quick a link is does not depend on this machine
    inside.open(None)
    inside.page.evaluate("(() => { let now = 0; performance.now = () => (now += 300); })()")
    inside.page.route("**/inside/prepare", watch)
    field = inside.page.get_by_label("A text of your own")
    for text in ("To be", "To be, or"):
        with inside.page.expect_response("**/inside/prepare") as answer:
            field.fill(text)
        answer.value.finished()
    assert answer.value.status == 204
    assert [bool(body["maps"]) for body in asked] == [True, False]
    with inside.page.expect_response("**/inside/trace") as trace:
        field.press("Enter")
    assert trace.value.status == 200
    inside.page.wait_for_function("document.querySelectorAll('#inside .char').length === 9")


def test_no_character_has_a_colour_of_the_text_before(inside: Inside, network: CharLSTM) -> None:
    inside.open()
    inside.choose(9)
    inside.page.wait_for_function("() => document.querySelectorAll('#inside .char')[4].style.backgroundColor !== ''")
    asked = []
    inside.page.route(
        "**/inside/trace",  # unit 9 of the new text is asked for apart, and does not come
        lambda route: (
            asked.append(route) if '"cells":[[0,9]]' in (route.request.post_data or "") else route.continue_()
        ),
    )
    other = TEXT[::-1]
    inside.trace(TEXT + "!")
    inside.trace(other)
    surprise = network.trace(other).surprise
    colors = [float(inside.color(at).split(", ")[3][:-1]) for at in range(len(other))]
    assert asked and colors == pytest.approx([min(1, float(one) / 8) * 0.72 for one in surprise], abs=0.003)
    for route in asked:
        route.continue_()
    inside.page.unroute_all(behavior="wait")


def test_a_text_is_compared_and_taken_along(inside: Inside, network: CharLSTM) -> None:
    inside.open()
    inside.page.get_by_role("button", name="How much like its own is it?").click()
    row = inside.page.locator("#inside .scores tbody tr").first
    row.wait_for()
    assert row.locator("td").all_text_contents()[:3] == ["tiny", f"{network.score(TEXT).bpc:.2f}", "2.16"]
    for name, file in (("Take it along as HTML", "inside.html"), ("The layer as PNG", "layer.png")):
        with inside.page.expect_download() as download:
            inside.page.get_by_role("button", name=name).click()
        assert download.value.suggested_filename == file


def test_a_reply_opens_with_its_prompt_and_the_chat_stays_as_it_is(inside: Inside) -> None:
    user, page = inside.user, inside.page
    user.send("To be", length=20)
    before = user.text
    user.type("a draft")
    page.locator(".action.look-inside").last.click()
    page.wait_for_selector("#inside .char")
    strip = "() => document.querySelector('#inside p.visually-hidden').textContent"
    page.wait_for_function(f"text => ({strip})().endsWith(text)", arg=before[-10:])
    assert page.url.endswith("#inside")
    user.return_to_chat()
    assert page.locator("#inside").is_hidden() and user.text == before and user.message == "a draft"
    page.go_back()
    page.locator("#inside").wait_for(state="visible")


def test_the_chat_goes_on_writing_under_it(inside: Inside) -> None:
    inside.user.send("To be", length=300, wait=False)
    inside.open("To be")
    inside.page.wait_for_function("() => document.querySelectorAll('.reply.writing').length === 0")
    inside.user.return_to_chat()
    assert len(inside.user.text) >= 300


def test_a_model_that_was_chosen_meanwhile_reads_the_same_text(inside: Inside) -> None:
    """The view kept showing what the model before had made of it."""
    inside.open()
    page, facts = inside.page, inside.page.locator("#inside .facts")
    assert str(facts.text_content()).startswith("tiny: ")
    inside.user.return_to_chat()
    page.click("#field-model input")
    page.get_by_role("option", name="mute", exact=True).click()
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_function("() => document.querySelector('#inside .facts').textContent.startsWith('mute: ')")
    assert page.locator("#inside .char").count() == len(TEXT)


def test_a_link_opens_it_with_its_text(inside: Inside) -> None:
    inside.open("What <i>light</i>")
    inside.page.reload()
    inside.page.wait_for_selector("#inside .char")
    assert inside.page.text_content("#inside p.visually-hidden") == "What <i>light</i>"


def test_what_cannot_be_traced_is_told_and_what_was_there_stays(inside: Inside) -> None:
    inside.open("To be")
    inside.page.get_by_label("A text of your own").fill("😀")
    inside.press("Enter")
    inside.page.wait_for_function(
        "() => document.querySelector('#inside .error-message').textContent.includes('nothing that the model can read')"
    )
    assert inside.page.locator("#inside .char").count() == 5
    refused = [error for error in inside.user.errors if "status of 400" in error]
    assert len(refused) == 1  # Chromium's own line about the answer
    inside.user.errors.remove(refused[0])


def test_a_view_that_did_not_load_at_first_loads_without_the_sentence_about_it(inside: Inside) -> None:
    page = inside.page
    page.route("**/inside/words/*", lambda route: route.abort())
    page.get_by_role("link", name="Look inside").click()
    page.get_by_text("The view did not load").wait_for()
    page.unroute_all()
    inside.user.return_to_chat()
    inside.open(None)
    assert page.get_by_text("The view did not load").count() == 0
    inside.user.errors.clear()  # of the words that did not come


def test_before_a_text_has_come_the_view_takes_no_other_question(inside: Inside) -> None:
    """Its buttons told of properties of null."""
    page = inside.page
    page.route("**/inside/trace", lambda route: route.abort())
    page.get_by_role("link", name="Look inside").click()
    page.get_by_text("The server did not answer").wait_for()
    page.locator("#inside .take button").first.evaluate("node => node.closest('[inert]') ?? node.click()")
    page.locator("#inside .card button").first.evaluate("node => node.closest('[inert]') ?? node.click()")
    page.wait_for_timeout(100)
    assert page.locator("#inside .error-message").all_text_contents()[0].startswith("The server did not answer")
    page.unroute_all()
    page.get_by_label("A text of your own").fill(TEXT)
    inside.press("Enter")
    page.wait_for_selector("#inside .char")
    assert page.locator("#inside [inert]").count() == 0
    inside.user.errors.clear()  # of the trace that did not come


@pytest.mark.parametrize("size", [(390, 844), (320, 568), (844, 390)], ids=str)
def test_a_phone_shows_all_of_it(browser: Any, app: App, size: tuple[int, int]) -> None:
    user = BrowserUser(browser, app.url, viewport={"width": size[0], "height": size[1]})
    inside = Inside(user)
    user.page.evaluate("location.hash = '#inside'")
    user.page.wait_for_selector("#inside .char")
    wide = user.page.evaluate(
        "() => [...document.querySelectorAll('#inside *')].filter((e) => e.getClientRects().length && "
        "e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className.baseVal ?? e.className)"
    )
    assert wide == []
    inside.to_scrubber()
    inside.press("ArrowRight")
    assert inside.place == 1
    user.leave()


@pytest.mark.parametrize(("language", "gate", "refusal"), [
    ("de", "Vergessens-Gate", "Der Text enthält nichts"),
    ("ar", "بوابة النسيان", "ليس في النص ما يستطيع النموذج قراءته"),
])  # fmt: skip
def test_it_speaks_the_language_of_the_page(browser: Any, app: App, language: str, gate: str, refusal: str) -> None:
    user = BrowserUser(browser, app.url)
    user.open(f"?lang={language}")
    page = user.page
    page.evaluate("location.hash = '#inside=To be'")
    page.wait_for_selector("#inside .char")
    entries = catalogue(language, INSIDE)
    assert page.text_content("#inside .start-walk") == entries["inside.walk"]
    page.locator("#inside .term[data-term='x.f']").hover()
    assert gate in str(page.text_content("#inside .explanation"))
    page.locator("#inside .start-walk").click()
    page.wait_for_function(
        "text => document.querySelector('#inside .walk-question').textContent === text", arg=entries["inside.walk_f"]
    )
    for part in (".equation", ".scrub-bar", ".drawing"):
        assert page.locator(f"#inside {part}").first.evaluate("e => getComputedStyle(e).direction") == "ltr"
    page.fill("#inside .own-text", "😀")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "text => document.querySelector('#inside .error-message').textContent.includes(text)", arg=refusal
    )
    assert page.locator("#inside").evaluate("e => /undefined|\\{\\w+\\}|inside\\./.test(e.textContent)") is False
    user.errors.clear()  # Chromium's own line about the refusal
    user.leave()
