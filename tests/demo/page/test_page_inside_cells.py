"""In a real browser: "Look inside" of a model with two layers and named cells, each number beside the trace's own."""

from __future__ import annotations

import html
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.cells import NamedCell
from hubcharlstm.inspection.terms import unit_terms
from tests.conftest import tiny_model
from tests.support.browser_app import BrowserUser
from tests.support.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = "To be, or not to be:\nTo be, or <b>no</b>"
NAMED = (
    NamedCell(1, 3, "upper_case", 0.81, 0.005),
    NamedCell(0, 5, "line_position", -0.62, 0.005),
    NamedCell(0, 7, "inside_a_url", 0.4, 0.005),
)
TEXT_OF = "[...document.querySelectorAll('#inside {selector}')].map((node) => node.textContent)"
PICKERS = "#inside .pickers select"
"""Of the layer, of the unit, of what the map shows."""


@pytest.fixture(scope="module")
def network() -> CharLSTM:
    vocabulary = Vocabulary(sorted({chr(code) for code in range(32, 127)} | {"\n"}))
    model = tiny_model(vocabulary, hidden_size=16, num_layers=2)
    model.cells = CellReport(NAMED)
    return model


@pytest.fixture(scope="module")
def url(browser: Any, network: CharLSTM) -> Iterator[str]:
    served = Served(network)
    yield served.url
    served.close()


@pytest.fixture
def user(browser: Any, url: str) -> Iterator[BrowserUser]:
    """Somebody with the text in the view."""
    user = BrowserUser(browser, url)
    page = user.page
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    page.get_by_label("A text of your own").fill(TEXT)
    page.keyboard.press("Enter")
    page.wait_for_function("n => document.querySelectorAll('#inside .char').length === n", arg=len(TEXT))
    wait_for_cell(user, 1, 3)
    yield user
    user.leave()


def wait_for_cell(user: BrowserUser, layer: int, unit: int) -> None:
    user.page.wait_for_function(
        "title => document.querySelector('#inside .card h2').textContent === title", arg=f"Layer {layer}, unit {unit}"
    )


def choose(user: BrowserUser, layer: int, unit: int) -> None:
    """By keyboard: the layer in its menu, the unit by its number."""
    page = user.page
    page.locator(PICKERS).first.focus()
    page.keyboard.press("Home" if layer == 0 else "End")
    page.get_by_label("Number of the unit").fill(str(unit))
    page.keyboard.press("Tab")
    wait_for_cell(user, layer, unit)


def go_to(user: BrowserUser, at: int) -> None:
    user.page.focus("#inside-scrubber")
    for key in ("Home", *["ArrowRight"] * at):
        user.page.keyboard.press(key)


def place(user: BrowserUser) -> int:
    return int(user.page.input_value("#inside-scrubber"))


def texts(user: BrowserUser, selector: str) -> list[str]:
    return [str(text) for text in user.page.evaluate(TEXT_OF.replace("{selector}", selector))]


def color(user: BrowserUser, at: int) -> str:
    return str(user.page.evaluate("n => document.querySelectorAll('#inside .char')[n].style.backgroundColor", at))


def shown(value: Any, digits: int = 3) -> str:
    return f"{0.0 if abs(value) < 0.5 * 10**-digits else value:.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    return "under 1%" if 0 < share < 0.005 else f"{math.floor(round(100 * share, 6) + 0.5)}%"


def test_every_equation_says_what_happened_here_with_the_traces_numbers(user: BrowserUser, network: CharLSTM) -> None:
    found = network.trace(TEXT)
    for layer, unit, at in ((0, 5, 3), (0, 2, 20), (1, 9, 11)):
        choose(user, layer, unit)
        go_to(user, at)
        series = (found.forget_gate, found.input_gate, found.candidate, found.output_gate, found.cell, found.hidden)
        f, i, g, o, c, h = (float(values[layer, at, unit]) for values in series)
        before = float(found.cell[layer, at - 1, unit])
        source = "just come in" if abs(i * g) > abs(f * before) else "held before"
        verb = (
            "proposes next to nothing" if abs(g) < 0.05 else f"cell {'up' if g > 0 else 'down'} by {shown(abs(g), 2)}"
        )
        sentences = texts(user, ".equation-sentence")
        expected = (f"lets {percent(f)} of what", f"lets {percent(i)} of the", f"{verb}.", source,
                    f"shows {percent(o)} of", f"{shown(h, 2)} leaves")  # fmt: skip
        assert [part in sentence for part, sentence in zip(expected, sentences, strict=True)] == [True] * 6, sentences
        assert f"from {shown(before, 2)} to {shown(c, 2)}" in sentences[3]


def test_the_upper_layer_reads_the_lower_one(user: BrowserUser, network: CharLSTM) -> None:
    page, found = user.page, network.trace(TEXT)
    choose(user, 1, 9)
    go_to(user, 6)
    terms = unit_terms(network, found, 1, 9)
    for n, gate in enumerate("ifgo"):
        for letter, value in (("x", terms.input[n, 6]), ("u", terms.recurrent[n, 6]), ("b", terms.bias[n])):
            text = str(page.text_content(f"#inside .term[data-term='{letter}.{gate}'] .term-value"))
            assert float(text.replace("−", "-")) == pytest.approx(value, abs=6e-4)
    page.locator("#inside .term[data-term='x.f']").hover()
    assert "what the layer below itself says to the forget gate" in str(page.text_content("#inside .explanation"))


def test_every_part_of_the_drawing_answers_with_its_number(user: BrowserUser, network: CharLSTM) -> None:
    page, found = user.page, network.trace(TEXT)
    choose(user, 0, 5)
    go_to(user, 7)
    f, i, g = (float(values[0, 7, 5]) for values in (found.forget_gate, found.input_gate, found.candidate))
    before, h_before = float(found.cell[0, 6, 5]), float(found.hidden[0, 6, 5])
    for term, value in (("stays", f * before), ("added", i * g), ("hBefore", h_before), ("c", found.cell[0, 7, 5])):
        page.locator(f"#inside .drawing g[data-term='{term}'] text.value").hover()
        text = str(page.text_content("#inside .explanation"))
        assert shown(float(value)) in text, (term, text)
    for gate, series in (("f", found.forget_gate), ("i", found.input_gate), ("o", found.output_gate)):
        plates = page.locator(f"#inside .valve[data-term='{gate}'] .plate")
        side = "height" if gate == "f" else "width"
        depth = sum(float(plate.get_attribute(side) or 0) for plate in plates.all())
        assert depth == pytest.approx(38 * (1 - float(series[0, 7, 5])), abs=0.05)
    page.locator("#inside .term[data-term='c']").focus()  # the products are terms of the equation, too
    for keys, term, value in ((["ArrowRight"] * 2, "f · c", f * before), (["ArrowRight"] * 3, "i · g", i * g)):
        for key in keys:
            page.keyboard.press(key)
        assert page.evaluate("document.activeElement.ariaLabel") == term
        text = str(page.text_content("#inside .explanation"))
        assert text.startswith(f"{term}: ") and text.endswith(f"{shown(value)}.")


def test_a_named_cell_is_chosen_from_a_menu_and_colours_the_text(user: BrowserUser, network: CharLSTM) -> None:
    page, found = user.page, network.trace(TEXT)
    page.get_by_label("Colour by").focus()
    page.keyboard.press("End")
    wait_for_cell(user, 0, 7)
    for at in (0, 9, 25):
        value = float(np.tanh(found.cell[0, at, 7]))
        assert abs(value) > 0.04  # else it has no colour
        red, green, blue, alpha = color(user, at)[5:-1].split(", ")
        assert (red, green, blue) == (("230", "159", "0") if value < 0 else ("0", "114", "178"))
        assert float(alpha) == pytest.approx(0.72 * abs(value), abs=0.003)
    assert page.text_content("#inside .card-name").startswith("It follows: inside a url. ")  # a name of the model's own
    page.locator(PICKERS).nth(1).select_option(label="5: how far into the line (−0.62)")
    wait_for_cell(user, 0, 5)
    assert "go together by −0.62" in page.text_content("#inside .card-name")
    choose(user, 0, 6)
    assert page.text_content("#inside .card-name").startswith("No name: ")


def test_a_card_tells_how_a_cell_is_spread_and_how_long_it_holds(user: BrowserUser, network: CharLSTM) -> None:
    choose(user, 0, 2)
    found = network.trace(TEXT)
    cell, forget, output = (values[0, :, 2] for values in (found.cell, found.forget_gate, found.output_gate))
    label = str(user.page.get_attribute("#inside .histogram", "aria-label"))
    assert f": {percent(float((cell > 0).mean()))} of the characters above 0" in label
    heights = [float(rect.get_attribute("height")) for rect in user.page.locator("#inside .histogram rect").all()]
    counts = np.histogram(np.tanh(cell), 24, (-1, 1))[0]
    assert heights == pytest.approx((60 * counts / counts.max()).tolist(), abs=0.01)
    life = math.log(2) / -float(np.log(forget.astype(np.float64)).mean())
    life_text = "less than a character" if life < 1 else f"{life:.1f} characters" if life < 10 else f"{life:.0f} char"
    facts = str(user.page.text_content("#inside .card-facts"))
    assert f"gone after {life_text}" in facts
    assert f"(above 0.9) {percent(float((forget > 0.9).mean()))} of the time" in facts
    assert facts.endswith(f"shut {percent(float((output < 0.1).mean()))}.")


def test_a_card_leads_to_where_the_cell_fires(user: BrowserUser, network: CharLSTM) -> None:
    page, cell = user.page, network.trace(TEXT).cell[0, :, 2]
    choose(user, 0, 2)
    highest, lowest = int(cell.argmax()), int(cell.argmin())
    rows = page.locator("#inside .peaks > div")
    first = rows.nth(0).get_by_role("button").first
    assert first.text_content().endswith(shown(math.tanh(float(cell[highest])), 2))
    first.click()
    assert place(user) == highest
    rows.nth(1).get_by_role("button").first.press("Enter")
    assert place(user) == lowest
    places = [int(one.get_attribute("data-at")) for one in page.locator("#inside .peaks button:visible").all()]
    assert len(places) >= 4 and page.locator("#inside .peaks button b b").count() == 0


def test_the_walk_answers_each_question_with_the_numbers_of_its_place(user: BrowserUser, network: CharLSTM) -> None:
    page, found = user.page, network.trace(TEXT)
    choose(user, 0, 5)
    go_to(user, 12)
    names = ("forget_gate", "input_gate", "candidate", "output_gate", "cell", "hidden")
    f, i, g, o, c, h = (getattr(found, name)[0, :, 5].astype(np.float64) for name in names)
    before = np.concatenate([[found.initial_cell[0, 5]], c[:-1]])
    page.get_by_role("button", name="A walk in six steps").press("Enter")
    steps: list[tuple[Any, Callable[[int], list[str]]]] = [
        (np.minimum(f, 1 - f), lambda at: [shown(f[at]), percent(f[at])]),
        (np.abs(before) * (1 - f), lambda at: [shown(before[at], 2), shown(f[at]), shown(f[at] * before[at], 2)]),
        (np.abs(i * g), lambda at: [shown(g[at]), shown(i[at]), shown(i[at] * g[at])]),
        (np.abs(c), lambda at: [shown(c[at], 2), shown(math.tanh(c[at])), shown(o[at]), shown(h[at])]),
        (np.abs(h), lambda at: [shown(h[at]), "15 others"]),
        (np.abs(np.tanh(c)) * (1 - o), lambda at: [shown(c[at], 2), shown(o[at]), shown(h[at])]),
    ]
    for n, (score, numbers) in enumerate(steps):
        at = int(score.argmax())
        assert place(user) == at and texts(user, ".walk-place") == [f"{n + 1} of 6"]
        [answer] = texts(user, ".walk-answer")
        assert [number for number in numbers(at) if number not in answer] == [], answer
        if n < 5:
            page.keyboard.press("Enter")
    page.get_by_role("button", name="Back").click()
    assert texts(user, ".walk-place") == ["5 of 6"]
    page.keyboard.press("Escape")
    assert page.locator("#inside .walk").is_hidden()
    assert place(user) == 12  # where it began
    assert page.evaluate("document.activeElement.classList.contains('start-walk')")


def test_a_stretch_leads_to_other_places_with_its_pattern(user: BrowserUser) -> None:
    page = user.page
    choose(user, 0, 5)
    go_to(user, 1)  # "o be" stands twice
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    other = page.locator("#inside .stretch .quote")
    other.first.wait_for()
    excerpts = other.all_text_contents()
    assert "“o be”" in excerpts
    other.nth(excerpts.index("“o be”")).press("Enter")
    assert TEXT[place(user) :].startswith("o be") and place(user) != 1


def test_the_slider_and_its_buttons_move_by_mouse(user: BrowserUser) -> None:
    page = user.page
    slider = page.locator("#inside-scrubber")
    size = slider.bounding_box()
    slider.click(position={"x": size["width"] - 2, "y": size["height"] / 2})
    assert place(user) == len(TEXT) - 1
    page.get_by_role("button", name="Character before").click()
    assert place(user) == len(TEXT) - 2


def test_a_text_is_compared_and_taken_along_by_keyboard(user: BrowserUser, network: CharLSTM) -> None:
    page = user.page
    page.get_by_role("button", name="How much like its own is it?").press("Enter")
    row = page.locator("#inside .scores tbody tr")
    row.wait_for()
    assert row.locator("td").all_text_contents() == ["tiny", shown(network.score(TEXT).bpc, 2), "not known"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Take it along as HTML").press("Enter")
    report = html.unescape(Path(download.value.path()).read_text(encoding="utf-8"))
    assert "Layer 1, unit 3" in report and "an upper-case letter" in report
    with page.expect_download() as download:
        page.get_by_role("button", name="The layer as PNG").press("Enter")
    picture = Path(download.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    size = page.locator("#inside .map-canvas").evaluate("canvas => [canvas.width, canvas.height]")
    assert list(struct.unpack(">II", picture[16:24])) == size


def test_whoever_has_scrolled_the_text_away_still_sees_the_place_and_what_the_colours_mean(user: BrowserUser) -> None:
    page = user.page
    go_to(user, 9)
    page.locator("#inside .card").scroll_into_view_if_needed()
    excerpt = page.locator("#inside .scrub-bar .excerpt")
    assert excerpt.text_content() == TEXT[1:18].replace("\n", "⏎")
    assert excerpt.locator("b").text_content() == TEXT[9] and page.locator("#inside .char.here").count() == 1
    top, bottom = excerpt.evaluate("e => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom]")
    assert 0 < top < bottom < page.viewport_size["height"]
    assert page.locator("#inside .drawing-column .note").text_content().startswith("Blue is above 0, orange below")


def test_every_equation_fits_into_a_line_of_a_phone(browser: Any, url: str) -> None:
    user = BrowserUser(browser, url, viewport={"width": 390, "height": 844})
    user.page.evaluate("location.hash = '#inside'")
    user.page.wait_for_selector("#inside .char")
    lines = "rows => rows.map((row) => new Set([...row.querySelectorAll('.term')].map((term) => term.offsetTop)).size)"
    assert user.page.locator("#inside .equation").evaluate_all(lines) == [1] * 6
    user.leave()
