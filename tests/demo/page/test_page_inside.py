"""In a real browser: "Look inside" by mouse and by keyboard, with the numbers of the library's own trace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.demo.words.catalogue import INSIDE, catalogue
from hubcharlstm.inspection.terms import unit_terms
from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = "To be, or not to be:\nthat is <b>it</b>"

SERIES = {
    "f": "forget_gate", "i": "input_gate", "g": "candidate", "o": "output_gate", "c": "cell", "h": "hidden"
}  # fmt: skip


@pytest.fixture(scope="module")
def network(app: App) -> CharLSTM:
    return CharLSTM.from_pretrained(app.folder / "tiny")


class Inside:
    """A user of the view."""

    def __init__(self, user: BrowserUser) -> None:
        self.user, self.page = user, user.page

    def open(self, text: str | None = TEXT) -> None:
        self.page.get_by_role("link", name="Look inside").click()
        self.page.wait_for_selector("#inside .char")
        if text is not None:
            self.trace(text)

    def trace(self, text: str) -> None:
        self.page.get_by_label("A text of your own").fill(text)
        self.page.keyboard.press("Enter")
        self.page.wait_for_function("n => document.querySelectorAll('#inside .char').length === n", arg=len(text))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def to_scrubber(self) -> None:
        self.page.focus("#inside-scrubber")

    @property
    def place(self) -> int:
        return int(self.page.input_value("#inside-scrubber"))

    @property
    def unit(self) -> int:
        return int(self.page.get_by_label("Number of the unit").input_value())

    def choose(self, unit: int) -> None:
        self.page.get_by_label("Number of the unit").fill(str(unit))
        self.press("Tab")
        self.page.wait_for_function(
            "n => document.querySelector('#inside .card h2').textContent === `Unit ${n}`", arg=unit
        )

    def term(self, name: str) -> str:
        return str(self.page.text_content(f"#inside .term[data-term='{name}'] .term-value >> nth=0"))

    def explanation(self) -> str:
        return str(self.page.text_content("#inside .explanation"))

    def color(self, at: int) -> str:
        return str(self.page.evaluate("n => document.querySelectorAll('#inside .char')[n].style.backgroundColor", at))


@pytest.fixture
def inside(user: BrowserUser) -> Iterator[Inside]:
    yield Inside(user)


def shown(value: float) -> str:
    return f"{0.0 if abs(value) < 0.0005 else value:.3f}".replace("-", "−")


def test_a_text_is_prepared_while_it_is_typed_and_its_numbers_are_the_traces(inside: Inside, network: CharLSTM) -> None:
    inside.open(None)
    field = inside.page.get_by_label("A text of your own")
    field.focus()
    with inside.page.expect_response("**/inside/prepare") as first:
        inside.page.keyboard.type("To be, or")
    assert first.value.status == 204
    assert re.fullmatch("[0-9a-f]{32}", first.value.request.headers["x-hubcharlstm-owner"])  # else nothing is prepared
    with inside.page.expect_response("**/inside/prepare"):
        inside.page.keyboard.type(" not")
    inside.press("Enter")
    inside.page.wait_for_function("document.querySelectorAll('#inside .char').length === 13")
    inside.to_scrubber()
    inside.press("End")
    found = network.trace("To be, or not")
    assert inside.place == 12
    assert inside.term("h") == shown(float(found.hidden[0, -1, inside.unit]))


def test_every_number_is_the_traces(inside: Inside, network: CharLSTM) -> None:
    inside.open()
    found = network.trace(TEXT)
    inside.to_scrubber()
    for unit, at in ((3, 0), (3, 5), (17, 11)):
        inside.choose(unit)
        inside.to_scrubber()
        inside.press("Home", *["ArrowRight"] * at)
        for symbol, name in SERIES.items():
            assert float(inside.term(symbol).replace("−", "-")) == pytest.approx(
                getattr(found, name)[0, at, unit], abs=6e-4
            )
        terms = unit_terms(network, found, 0, unit)
        for n, gate in enumerate("ifgo"):
            for letter, value in (("x", terms.input[n, at]), ("u", terms.recurrent[n, at]), ("b", terms.bias[n])):
                assert float(inside.term(f"{letter}.{gate}").replace("−", "-")) == pytest.approx(value, abs=6e-4)
        before = found.cell[0, at - 1, unit] if at else found.initial_cell[0, unit]
        assert float(inside.term("before").replace("−", "-")) == pytest.approx(before, abs=6e-4)
        label = str(inside.page.get_attribute("#inside .drawing", "aria-label"))
        assert f"the cell is now {shown(found.cell[0, at, unit])}" in label
        plates = inside.page.locator("#inside .valve[data-term='f'] .plate")
        depth = sum(float(plate.get_attribute("height") or 0) for plate in plates.all())
        assert depth == pytest.approx(38 * (1 - found.forget_gate[0, at, unit]), abs=0.05)


def test_keys_move_through_the_text_and_space_plays(inside: Inside) -> None:
    inside.open()
    asked = len(inside.user.requests)
    inside.to_scrubber()
    inside.press("End")
    assert inside.place == len(TEXT) - 1
    inside.press("Home", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft")
    assert inside.place == 2
    value = str(inside.page.get_attribute("#inside-scrubber", "aria-valuetext"))
    assert value.startswith(f"the space, character 3 of {len(TEXT)}, expected with ")
    inside.press("Space")
    inside.page.wait_for_function("() => Number(document.getElementById('inside-scrubber').value) > 3")
    inside.press("Space")
    stopped = inside.place
    inside.page.wait_for_timeout(600)
    assert inside.place == stopped and len(inside.user.requests) == asked  # no step asks the server


def test_the_text_is_text_and_a_click_moves_to_its_character(inside: Inside) -> None:
    inside.open()
    assert inside.page.locator("#inside .strip b").count() == 0
    inside.page.locator("#inside .char").nth(7).click()
    assert inside.place == 7
    assert inside.page.locator("#inside .char.here").text_content() == TEXT[7]
    inside.page.get_by_role("button", name="Next character").click()
    assert inside.place == 8


def test_terms_answer_to_the_pointer_and_to_the_keyboard(inside: Inside) -> None:
    inside.open()
    inside.page.locator("#inside .term[data-term='x.f']").hover()
    assert inside.explanation().startswith("W x: what “T” itself says to the forget gate: ")
    inside.page.locator("#inside .term").first.focus()
    assert inside.explanation().startswith("f, the forget gate: ")
    inside.press("ArrowRight")
    assert inside.explanation().startswith("σ squeezes ")
    assert inside.place == 0
    inside.press("ArrowRight", "ArrowRight")
    assert inside.explanation().startswith("U h: what all outputs h of the step before say to the forget gate")
    inside.page.locator("#inside .drawing [data-term='o']").first.hover()
    assert inside.explanation().startswith("o, the output gate: ")


def test_the_text_is_coloured_by_surprise_by_a_gate_and_by_what_mattered(inside: Inside, network: CharLSTM) -> None:
    inside.open()
    found = network.trace(TEXT)
    menu = inside.page.get_by_label("Colour by")
    inside.page.wait_for_function("() => document.querySelectorAll('#inside .char')[4].style.backgroundColor !== ''")
    assert inside.color(4).startswith("rgba(213, 94, 0, ")
    strength = min(1, float(found.surprise[4]) / 8) * 0.72
    assert float(inside.color(4).split(", ")[3][:-1]) == pytest.approx(strength, abs=0.003)
    inside.choose(9)
    menu.select_option("forget_gate")
    assert inside.color(4).startswith("rgba(0, 114, 178, ")
    assert float(inside.color(4).split(", ")[3][:-1]) == pytest.approx(0.72 * found.forget_gate[0, 4, 9], abs=0.003)
    menu.select_option("cell")
    assert ("230, 159, 0" in inside.color(6)) == bool(found.cell[0, 6, 9] < 0)
    inside.page.locator("#inside .char").nth(8).click()
    menu.select_option("weights")
    norms = network.connectivity(TEXT, 8).norms
    most = int(np.argmax(norms))
    inside.page.wait_for_function(
        "n => document.querySelectorAll('#inside .char')[n].style.backgroundColor.startsWith('rgba(150, 90, 160')",
        arg=most,
    )
    assert inside.color(most) == "rgba(150, 90, 160, 0.72)" and inside.color(9) == ""


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


def test_the_map_picks_a_unit_and_a_place(inside: Inside) -> None:
    inside.open()
    frame = inside.page.locator("#inside .map-frame")
    frame.scroll_into_view_if_needed()
    size = frame.bounding_box()
    frame.click(position={"x": size["width"] * 12.5 / len(TEXT), "y": size["height"] * 0.3})
    assert inside.place == 12
    inside.page.wait_for_function("() => document.querySelector('#inside .map-frame').ariaLabel.includes(' at ')")
    first = inside.unit
    inside.press("ArrowDown", "ArrowRight")
    inside.page.wait_for_function("n => Number(document.querySelector('#inside .unit-number').value) !== n", arg=first)
    assert inside.place == 13
    assert f"Unit {inside.unit} at " in str(frame.get_attribute("aria-label"))
    inside.page.locator("#inside .map-card select").select_option("input_gate")
    inside.page.wait_for_function(
        "() => /: 0\\.\\d\\d\\. Arrow/.test(document.querySelector('#inside .map-frame').ariaLabel)"
    )


def test_the_knob_clamps_the_cell_and_writes_on(inside: Inside) -> None:
    inside.open("To be")
    inside.choose(5)
    knob = inside.page.get_by_label("Hold the cell at")
    knob.focus()
    inside.press("End")
    inside.page.get_by_role("button", name="Write on").click()
    written = inside.page.locator("#inside .written-text")
    inside.page.wait_for_function(
        "() => [...document.querySelectorAll('#inside .written-text')].every((p) => p.textContent.length > 150)"
    )
    assert written.nth(0).text_content() != written.nth(1).text_content()
    assert inside.page.get_by_text("Unit 5 held at 3.0").is_visible()


def test_what_was_written_on_from_a_text_goes_with_it(inside: Inside) -> None:
    inside.open("To be")
    inside.page.get_by_role("button", name="Write on").click()
    inside.page.wait_for_function("() => document.querySelector('#inside .written-text').textContent.length > 0")
    inside.trace("What light")
    assert inside.page.locator("#inside .written").is_hidden()
    assert inside.page.get_by_role("button", name="Write on").is_enabled()


def test_a_walk_of_six_steps_answers_with_this_models_numbers(inside: Inside, network: CharLSTM) -> None:
    inside.open()
    inside.choose(3)
    found = network.trace(TEXT)
    inside.page.get_by_role("button", name="A walk in six steps").click()
    questions = []
    for step in range(6):
        questions.append(inside.page.text_content("#inside .walk-question"))
        if step == 3:
            at = int(np.abs(found.cell[0, :, 3]).argmax())
            assert inside.place == at
            assert shown(np.tanh(found.cell[0, at, 3])) in str(inside.page.text_content("#inside .walk-answer"))
        inside.press("Enter")
    assert len(set(questions)) == 6 and "Is h the hidden state or the output?" in questions
    assert inside.page.locator("#inside .walk").is_hidden()


def test_a_walk_tells_the_numbers_of_another_unit_once_it_is_chosen(inside: Inside, network: CharLSTM) -> None:
    inside.open()
    inside.choose(3)
    inside.page.get_by_role("button", name="A walk in six steps").click()
    inside.choose(9)
    gates = network.trace(TEXT).forget_gate[0, :, 9]
    at = int(np.minimum(gates, 1 - gates).argmax())
    assert shown(float(gates[at])) in str(inside.page.text_content("#inside .walk-answer"))
    assert inside.place == at


def test_a_selected_stretch_names_its_cells(inside: Inside) -> None:
    inside.open()
    inside.to_scrubber()
    inside.press("Home", *["Shift+ArrowRight"] * 4)
    assert inside.page.locator("#inside .char.selected").count() == 5
    buttons = inside.page.locator("#inside .stretch button:not(.quote)")
    assert buttons.count() == 6
    label = str(buttons.first.text_content())
    buttons.first.click()
    unit = int(label.split()[1].rstrip(":"))
    inside.page.wait_for_function("n => Number(document.querySelector('#inside .unit-number').value) === n", arg=unit)
    first, last = inside.page.locator("#inside .char").nth(7), inside.page.locator("#inside .char").nth(10)
    first.hover()
    inside.page.mouse.down()
    last.hover()
    inside.page.mouse.up()
    assert inside.page.locator("#inside .char.selected").count() == 4


def test_a_stretch_whose_cells_do_not_come_shows_none_of_the_stretch_before(inside: Inside) -> None:
    page = inside.page
    inside.open()
    inside.to_scrubber()
    inside.press("Home", *["Shift+ArrowRight"] * 4)
    chips = page.locator("#inside .stretch button")
    assert chips.count() >= 6
    page.locator("#inside .map-card select").select_option("input_gate")
    page.wait_for_function("() => /: 0\\.\\d\\d\\. Arrow/.test(document.querySelector('#inside .map-frame').ariaLabel)")
    inside.trace(TEXT + "!")  # comes with the map of the input gates alone
    page.route("**/inside/trace", lambda route: route.abort())
    inside.to_scrubber()
    inside.press("Home", "Shift+ArrowRight")
    page.get_by_text("The server did not answer").wait_for()
    assert not page.locator("#inside .stretch").evaluate("e => e.hidden") and chips.count() == 0
    assert all("Failed to load resource" in line for line in inside.user.errors)  # and no rejection that nobody saw
    inside.user.errors.clear()
    page.unroute_all()


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
    page.locator(".action.more").last.click()
    page.get_by_role("menuitem", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    strip = "() => document.querySelector('#inside p.visually-hidden').textContent"
    page.wait_for_function(f"text => ({strip})().endsWith(text)", arg=before[-10:])
    assert page.url.endswith("#inside")
    page.get_by_role("link", name="Chat").click()
    assert page.locator("#inside").is_hidden() and user.text == before and user.message == "a draft"
    page.go_back()
    assert page.locator("#inside").is_visible()


def test_the_chat_goes_on_writing_under_it(inside: Inside) -> None:
    inside.user.send("To be", length=300, wait=False)
    inside.open("To be")
    inside.page.wait_for_function("() => document.querySelectorAll('.reply.writing').length === 0")
    inside.page.get_by_role("link", name="Chat").click()
    assert len(inside.user.text) >= 300


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
    page.get_by_role("link", name="Chat").click()
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
