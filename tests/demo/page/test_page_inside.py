"""In a real browser: "Look inside" by mouse and by keyboard, with the numbers of the library's own trace."""

from __future__ import annotations

import numpy as np
import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.inspection.terms import unit_terms
from tests.support.inside_user import SERIES, TEXT, Inside, shown

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
