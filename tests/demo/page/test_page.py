"""The page in a real browser: what a visitor types, sees grow, stops, continues and keeps."""

from __future__ import annotations

import json
import shlex
import time
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from hubcharlstm import cli
from tests.support.browser_app import App, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "  <img src=x onerror='window.hit=1'> & `a` **b** _c_ $x^2$ ${window.hit=1} {{value}} end"


# --- a line goes on -----------------------------------------------------------------------------------------------


def test_a_line_is_started_and_goes_on_before_ones_eyes(visitor: Visitor) -> None:
    """Two seconds of streaming: text only grows at its end, in many small steps, at a pace to read along."""
    record = """() => {
      window.seen = [];
      const look = () => {
        const parts = [...(document.querySelector('.reply')?.childNodes ?? [])];
        const text = parts.filter((part) => part.className !== 'unseen').map((part) => part.textContent).join('');
        if (text && text !== window.seen.at(-1)?.[1]) window.seen.push([performance.now(), text]);
        if (window.seen.length === 0 || performance.now() - window.seen[0][0] < 2000) requestAnimationFrame(look);
        else window.seen.done = true;
      };
      look();
    }"""
    visitor.page.evaluate(record)
    visitor.send("To be, or ", length=300, wait=False)
    visitor.page.wait_for_function("window.seen.done")
    texts = [text for _, text in visitor.page.evaluate("window.seen")]
    steps = [len(later) - len(earlier) for earlier, later in pairwise(texts)]
    assert all(text.startswith("To be, or ") for text in texts)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert len(steps) >= 15 and max(steps) <= 40, steps
    visitor.until_done()
    assert visitor.text.startswith(texts[-1]) and len(visitor.text) == len("To be, or ") + 300
    assert visitor.page.locator(".typed").last.text_content() == "To be, or " and visitor.message == ""
    for part in ("300 characters · seed ", "temperature 0.8", "tiny", " on cpu", "characters/s", "length reached"):
        assert part in visitor.caption
    assert visitor.page.locator(".seed-phrase").last.text_content() == "To be, or "


def test_the_layout_does_not_jump_while_text_arrives(visitor: Visitor) -> None:
    spots = """() => ['#composer', '#panel', '.turn .visitor', '.turn .reply'].map((name) => {
      const box = document.querySelector(name).getBoundingClientRect();
      return [box.left, box.width].join();
    })"""
    visitor.send("To be", length=60, wait=False)
    before = visitor.page.evaluate(spots)
    visitor.until_done()
    assert visitor.page.evaluate(spots) == before


def test_as_fast_as_it_goes_is_a_switch(visitor: Visitor) -> None:
    visitor.page.get_by_label("As fast as it goes").check()
    started = time.monotonic()
    visitor.send("To be", length=2_000)
    assert time.monotonic() - started < 15  # 20 seconds at reading pace
    assert len(visitor.text) == len("To be") + 2_000


def test_stop_stops_at_once_and_keeps_what_stands_there(visitor: Visitor) -> None:
    visitor.send("To be", length=2_000, wait=False)
    visitor.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    visitor.page.click("#stop")
    visitor.until_done()
    kept = visitor.text
    assert 20 < len(kept) < 1_000 and "stopped" in visitor.caption
    visitor.page.wait_for_timeout(500)
    assert visitor.text == kept
    visitor.send("Again", length=20)
    assert len(visitor.text) == len("Again") + 20


def test_escape_stops_a_starter_too(visitor: Visitor) -> None:
    visitor.set("Length", 2_000)
    visitor.asks(lambda: visitor.page.locator(".starter").first.click(), wait=False)
    visitor.page.keyboard.press("Escape")
    visitor.until_done()
    assert "stopped" in visitor.caption


def test_hostile_text_is_shown_as_it_is(visitor: Visitor) -> None:
    visitor.send(HOSTILE, length=100)
    page = visitor.page
    assert page.locator(".typed").last.text_content() == HOSTILE and visitor.text.startswith(HOSTILE)
    assert page.locator("#conversation :is(img, b, code, .katex)").count() == 0
    assert page.evaluate("window.hit") is None
    for name in (".visitor", ".reply"):
        assert page.locator(name).last.evaluate("e => getComputedStyle(e).whiteSpace").startswith("pre-wrap")


def test_how_the_model_read_it_is_told(visitor: Visitor) -> None:
    visitor.send("É😀 x", length=5)
    assert visitor.page.text_content(".warnings") == "É read as E; 😀 skipped"
    assert visitor.page.locator(".seed-phrase").last.text_content() == "E x"


def test_an_empty_message_starts_from_the_start_text(visitor: Visitor) -> None:
    visitor.send("", length=30)
    assert "nothing to start from" in visitor.page.text_content(".warnings")
    assert visitor.page.text_content(".typed") == "nothing typed" and len(visitor.text) == 30


# --- go on, again, back, otherwise ----------------------------------------------------------------------------------


def test_continue_goes_on_exactly_where_it_stopped(visitor: Visitor) -> None:
    visitor.page.get_by_label("Seed", exact=True).fill("7")
    visitor.send("To be", length=40)
    first = visitor.text
    visitor.asks(lambda: visitor.page.keyboard.press("Alt+Enter"))
    assert visitor.text.startswith(first) and len(visitor.text) == len("To be") + 80
    twice = visitor.text
    visitor.send("To be", length=80)
    assert visitor.text == twice and visitor.seed == "7"


def test_a_stopped_reply_is_continued_where_it_was_cut(visitor: Visitor) -> None:
    """What the engine wrote ahead was never shown, so the place is found by a replay of the receipt."""
    visitor.page.get_by_label("Seed", exact=True).fill("7")
    visitor.send("To be", length=300, wait=False)
    visitor.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    visitor.page.keyboard.press("Escape")
    visitor.until_done()
    cut = visitor.text
    visitor.page.get_by_label("As fast as it goes").check()
    visitor.asks(lambda: visitor.page.locator(".continue").last.click())
    assert visitor.text.startswith(cut) and len(visitor.text) == len(cut) + 300
    whole = visitor.text
    visitor.send("To be", length=len(whole) - len("To be"))
    assert visitor.text == whole


def test_retry_draws_another_seed_and_undo_brings_the_first_back(visitor: Visitor) -> None:
    visitor.send("To be", length=40)
    first, seed = visitor.text, visitor.seed
    visitor.asks(lambda: visitor.page.keyboard.press("Control+Enter"))
    assert visitor.turns == 1 and visitor.text != first and visitor.seed != seed
    visitor.page.click("#undo")
    assert visitor.text == first
    visitor.page.click("#undo")
    visitor.page.wait_for_selector(".turn", state="detached")
    assert visitor.message == "To be"


def test_a_message_is_edited_and_goes_on_from_there(visitor: Visitor) -> None:
    for line in ("One", "Two", "Three"):
        visitor.send(line, length=5)
    visitor.page.locator(".edit").nth(1).click()
    assert visitor.message == "Two" and visitor.turns == 3
    visitor.page.keyboard.press("Escape")
    assert visitor.message == "" and visitor.page.locator(".to-go").count() == 0
    visitor.page.locator(".edit").nth(1).click()
    visitor.send("Zwei", length=5)
    assert visitor.page.locator(".typed").all_text_contents() == ["One", "Zwei"]
    visitor.page.click("#undo")
    assert visitor.page.locator(".typed").all_text_contents() == ["One", "Two", "Three"]


def test_a_message_goes_on_from_the_text_so_far_if_wanted(visitor: Visitor) -> None:
    visitor.send("To be", length=20)
    first = visitor.text
    visitor.page.get_by_label("Go on from the text so far").check()
    visitor.send(" or not", length=20)
    visitor.page.click(".real summary")
    assert visitor.page.text_content(".real pre") == first + " or not"
    assert visitor.page.locator(".seed-phrase").last.text_content() == " or not"


def test_three_questions_with_one_locked_seed_have_three_replies(visitor: Visitor) -> None:
    visitor.page.get_by_label("Seed", exact=True).fill("7")
    visitor.page.get_by_label("Keep").check()
    replies = []
    for question in ("Who?", "What?", "When?"):
        visitor.send(question, length=30)
        assert visitor.seed == "7"
        replies.append(visitor.text.removeprefix(question))
    assert len(set(replies)) == 3
    visitor.page.get_by_label("Keep").uncheck()
    visitor.send("Who?", length=5)
    assert visitor.seed != "7"
    assert visitor.page.get_by_label("Seed", exact=True).input_value() == visitor.seed


def test_a_drawn_seed_is_kept_and_used(visitor: Visitor) -> None:
    visitor.page.click("#draw-seed")
    visitor.page.wait_for_function("document.querySelector('#lock-seed input').checked")
    drawn = visitor.page.get_by_label("Seed", exact=True).input_value()
    visitor.send("To be", length=5)
    assert drawn.isdecimal() and visitor.seed == drawn


# --- starters, speakers ---------------------------------------------------------------------------------------------


def test_a_starter_is_one_click(visitor: Visitor) -> None:
    visitor.type("not this")
    visitor.asks(lambda: visitor.page.locator(".starter").first.click())
    assert visitor.text.startswith("ROMEO:\n") and visitor.message == "not this"


def test_the_same_line_at_three_temperatures_side_by_side(visitor: Visitor) -> None:
    visitor.asks(lambda: visitor.page.get_by_text("the same line at 0.2, 0.8 and 1.4").click())
    page = visitor.page
    assert page.locator(".heat").all_text_contents() == ["at 0.2", "at 0.8", "at 1.4"]
    boxes = [page.locator(".reply").nth(n).bounding_box() for n in range(3)]
    assert boxes[0]["y"] == boxes[1]["y"] == boxes[2]["y"] and boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    texts = page.locator(".reply").all_text_contents()
    assert (
        len(set(texts)) == 3
        and len({caption.split("seed ")[1][:6] for caption in page.locator(".caption").all_text_contents()}) == 1
    )
    middle = page.locator(".answer").nth(1)
    visitor.asks(lambda: middle.locator(".continue").click())
    grown = page.locator(".reply").all_text_contents()
    assert grown[0] == texts[0] and grown[2] == texts[2] and grown[1].startswith(texts[1]) and grown[1] != texts[1]


def test_surprise_me_draws_a_passage(visitor: Visitor) -> None:
    visitor.asks(lambda: visitor.page.click("#surprise"))
    first = visitor.page.locator(".typed").last.text_content()
    visitor.asks(lambda: visitor.page.click("#surprise"))
    second = visitor.page.locator(".typed").last.text_content()
    pool = {"ROMEO:\n", "To be, or ", "What light ", "JULIET:\n"}
    assert {first, second} <= pool and first != second


def test_talk_with_a_character(visitor: Visitor) -> None:
    page = visitor.page
    page.click("#field-speaker input")
    page.get_by_role("option", name="JULIET").click()
    visitor.send("Good morrow {speaker}", length=40)
    assert page.text_content(".to") == "to JULIET" and visitor.text.startswith("JULIET:\n")
    page.click(".real summary")
    assert page.text_content(".real pre") == "STRANGER:\nGood morrow {speaker}\n\nJULIET:\n"
    assert "\n\n" not in visitor.text
    field = page.locator("#field-speaker input")
    field.fill("Nurse")
    field.press("Enter")
    visitor.send("Where is she?", length=20)
    assert visitor.text.startswith("Nurse:\n")


# --- settings -------------------------------------------------------------------------------------------------------


def test_presets_set_the_temperature_and_greedy_circles_are_told(visitor: Visitor) -> None:
    page = visitor.page
    temperature = page.get_by_label("number input for Temperature")
    for name, value in (("Careful", "0.5"), ("Wild", "1.3"), ("Balanced", "0.8"), ("Greedy", "0")):
        page.locator("#presets label", has_text=name).click()
        page.wait_for_function("v => document.querySelector('#field-temperature input').value === v", arg=value)
    assert temperature.input_value() == "0"
    page.get_by_label("As fast as it goes").check()
    visitor.send("To be", length=1_500)
    assert "temperature 0 ·" in visitor.caption and page.text_content(".said").startswith("It goes in circles: “")
    visitor.set("Temperature", 1.1)
    page.wait_for_function("!document.querySelector('#presets input:checked')")


def test_the_finer_settings_are_folded_away_and_work(visitor: Visitor) -> None:
    page = visitor.page
    assert not page.is_visible("#field-top-k")
    page.get_by_text("More", exact=True).click()
    page.wait_for_selector("#field-top-k", state="visible")
    visitor.set("Top-k", 1)
    visitor.set("Top-p", 0.9)
    visitor.set("Min-p", 0.1)
    visitor.send("To be", length=40)
    greedy = visitor.text
    assert "top-k 1 · top-p 0.9 · min-p 0.1" in visitor.caption
    visitor.asks(lambda: page.keyboard.press("Control+Enter"))
    assert visitor.text == greedy  # the likeliest of one
    stop = greedy[15:18]
    field = page.locator("#field-stop input")
    field.fill(stop)
    field.press("Enter")
    visitor.send("To be", length=40)
    assert visitor.text == greedy[: greedy.index(stop, 5)] and "ended by itself" in visitor.caption
    text = visitor.text
    visitor.asks(lambda: page.keyboard.press("Alt+Enter"))
    assert visitor.text.startswith(text + stop)  # goes on behind what stopped it


# --- receipts -------------------------------------------------------------------------------------------------------


def receipt(visitor: Visitor) -> dict[str, str]:
    visitor.page.locator(".permalink summary").last.click()
    return {
        name: visitor.page.locator(f".permalink pre[aria-label='{label}']").last.text_content()
        for name, label in (("link", "Link"), ("python", "Python"), ("command", "Command line"))
    }


def test_a_link_opens_the_page_with_everything_set_and_writes_the_same_text(visitor: Visitor) -> None:
    visitor.set("Temperature", 1.1)
    visitor.send("To be & <b>", length=45)
    text, link = visitor.text, receipt(visitor)["link"]
    visitor.page.evaluate("localStorage.clear()")
    visitor.page.goto("about:blank")
    visitor.open(link.removeprefix(visitor.url + "/"))
    visitor.page.wait_for_selector(".said:not(:empty)")
    assert visitor.text == text and visitor.page.locator(".said").last.text_content() == "Receipt: same text."
    assert visitor.page.get_by_label("number input for Temperature").input_value() == "1.1"
    assert visitor.page.get_by_label("number input for Length").input_value() == "45"
    assert visitor.page.get_by_label("Seed", exact=True).input_value() == visitor.seed
    assert "?" not in visitor.page.url


def test_a_replay_that_differs_says_so(visitor: Visitor) -> None:
    visitor.open("?" + urlencode({"message": "To be", "length": 20, "seed": 7, "hash": "0" * 16, "precision": "fp64"}))
    visitor.page.wait_for_selector(".said:not(:empty)")
    assert visitor.page.text_content(".said").startswith("Receipt: differs on this hardware (written in fp64, here ")


def test_the_other_receipts_write_the_same_text(visitor: Visitor, app: App) -> None:
    visitor.send("To 'be'\\", length=30)
    got = receipt(visitor)
    printed: list[str] = []
    exec(got["python"], {"print": printed.append})  # what a visitor would paste
    assert "To 'be'\\" + printed[0] == visitor.text
    words = shlex.split(got["command"])
    assert words[0] == "hubcharlstm" and cli.main(words[1:]) == 0


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("temperature=9", "The temperature is 9.0; expected 0 to 2"),
        ("temperature=nan", "The temperature is nan; expected 0 to 2"),
        ("length=100000", "The length is 100,000; expected a whole number from 1 to 2,000"),
        ("length=<script>", "The link's length is '<script>'; expected a number"),
        ("seed=-1", "The seed is '-1'; expected a whole number"),
        ("top_k=1_0", "The link's top-k is '1_0'"),
        ("message=a&message=b", "names one setting twice"),
        ("message=%ff", "The link is damaged"),
        ("message=x&model=" + quote("/etc/passwd"), "which is not in the menu"),
        ("message=" + "x" * 10_001, "The message has 10,001 characters"),
        ("message=x&speaker=" + "y" * 61, "The name is no text of up to 60 characters"),
    ],
)
def test_a_hostile_link_is_told_and_changes_nothing(visitor: Visitor, query: str, sentence: str) -> None:
    visitor.send("Mine", length=5)
    visitor.open("?" + query)
    assert sentence in visitor.problem()
    assert visitor.page.locator(".typed").all_text_contents() == ["Mine"] and visitor.message == ""
    assert visitor.page.locator(".problem script").count() == 0


def test_a_strangers_parameters_are_left_alone(visitor: Visitor) -> None:
    visitor.open("?__theme=dark&utm_source=x")
    visitor.page.wait_for_timeout(300)
    assert visitor.turns == 0 and visitor.page.locator(".problem").count() == 0
    assert parse_qs(urlsplit(visitor.page.url).query) == {"__theme": ["dark"]}


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_a_mistake_is_told_beside_its_control_and_nothing_is_lost(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label("Seed", exact=True).fill("<b>seven</b>")
    visitor.type("To be")
    page.press("#field-message textarea", "Enter")
    assert "The seed is '<b>seven</b>'; expected a whole number" in visitor.problem()
    assert page.locator("#seed-row + .problem").count() == 1
    assert page.get_by_label("Seed", exact=True).get_attribute("aria-describedby") == "problem"
    visitor.until_done()
    assert visitor.message == "To be" and visitor.turns == 0
    page.get_by_label("Seed", exact=True).fill("")
    visitor.type("x" * 10_001)
    page.press("#field-message textarea", "Enter")
    page.wait_for_function("document.querySelector('.problem')?.textContent.includes('10,001')")
    assert len(visitor.message) == 10_001 and visitor.turns == 0
    visitor.until_done()
    visitor.send("short", length=5)
    assert page.locator(".problem").count() == 0


# --- what is kept ---------------------------------------------------------------------------------------------------


def saved(visitor: Visitor, name: str) -> Any:
    with visitor.page.expect_download() as got:
        visitor.page.click(f"#save-{name}")
    return got.value.path().read_text(encoding="utf-8")


def test_the_conversation_survives_a_reload_and_is_exported_and_cleared(visitor: Visitor) -> None:
    visitor.send(HOSTILE, length=20)
    visitor.send("Two", length=20)
    text = visitor.text
    visitor.page.reload()
    visitor.page.wait_for_selector(".turn")
    assert visitor.turns == 2 and visitor.text == text
    assert saved(visitor, "text").count("\n> ") + 1 >= 2 and text in saved(visitor, "text")
    turns = json.loads(saved(visitor, "json"))
    assert [turn["typed"] for turn in turns] == [HOSTILE, "Two"]
    assert "Two" + turns[1]["replies"][0]["text"] == text
    visitor.page.click("#clear")
    visitor.page.wait_for_selector(".turn", state="detached")
    assert visitor.page.evaluate("localStorage.length") == 0
    visitor.page.reload()
    visitor.page.wait_for_selector("#conversation .title")
    assert visitor.turns == 0


def test_a_reply_that_a_reload_cut_short_stands_as_far_as_it_came(visitor: Visitor) -> None:
    visitor.send("To be", length=2_000, wait=False)
    visitor.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    visitor.page.reload()
    visitor.page.wait_for_selector(".turn")
    cut = visitor.text
    assert 20 < len(cut) < 2_000 and "stopped" in visitor.caption
    visitor.until_done()
    visitor.set("Length", 30)
    visitor.asks(lambda: visitor.page.locator(".continue").click())
    assert visitor.text.startswith(cut) and len(visitor.text) == len(cut) + 30
    visitor.errors.clear()  # Gradio's own client complains of the stream that the reload cut off


def test_damaged_storage_is_no_end_of_the_page(visitor: Visitor) -> None:
    for kept in ("{", "7", '[{"id": 1}]', '[null, {"replies": []}]'):
        visitor.page.evaluate("kept => localStorage.setItem('hubcharlstm.conversation.1', kept)", kept)
        visitor.page.evaluate("addEventListener('pagehide', event => event.stopImmediatePropagation(), true)")
        visitor.open()
        assert visitor.turns == 0
    visitor.send("To be", length=5)
    assert visitor.turns == 1
