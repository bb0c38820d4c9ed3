"""In a real browser: a line is sent, its reply grows, stops, goes on, and is made again."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from tests.support.browser_app import BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "  <img src=x onerror='window.hit=1'> & `a` **b** _c_ $x^2$ ${window.hit=1} {{value}} end"


def test_a_line_is_started_and_goes_on_before_ones_eyes(user: BrowserUser) -> None:
    """Two seconds of streaming: text only grows at its end, in many small steps, at a pace to read along."""
    record = """() => {
      window.seen = [];
      const record = () => {
        const parts = [...(document.querySelector('.reply')?.childNodes ?? [])];
        const visible = parts.filter((part) => part.className !== 'visually-hidden');
        const text = visible.map((part) => part.textContent).join('');
        if (text && text !== window.seen.at(-1)?.[1]) window.seen.push([performance.now(), text]);
        if (window.seen.length === 0 || performance.now() - window.seen[0][0] < 2000) requestAnimationFrame(record);
        else window.seen.done = true;
      };
      record();
    }"""
    user.page.evaluate(record)
    user.send("To be, or ", length=300, wait=False)
    user.page.wait_for_function("window.seen.done")
    texts = [text for _, text in user.page.evaluate("window.seen")]
    steps = [len(later) - len(earlier) for earlier, later in pairwise(texts)]
    assert all(text.startswith("To be, or ") for text in texts)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert len(steps) >= 15 and max(steps) <= 40, steps
    user.until_done()
    assert user.text.startswith(texts[-1]) and len(user.text) == len("To be, or ") + 300
    assert user.page.locator(".typed").last.text_content() == "To be, or " and user.message == ""
    for part in ("300 characters · seed ", "temperature 0.8", "tiny", " on cpu", "characters/s", "length reached"):
        assert part in user.caption
    assert user.page.locator(".prompt-text").last.text_content() == "To be, or "


def test_the_layout_does_not_jump_while_text_arrives(user: BrowserUser) -> None:
    spots = """() => ['#composer', '#panel', '.turn .message', '.turn .reply'].map((name) => {
      const box = document.querySelector(name).getBoundingClientRect();
      return [box.left, box.width].join();
    })"""
    user.send("To be", length=60, wait=False)
    before = user.page.evaluate(spots)
    user.until_done()
    assert user.page.evaluate(spots) == before


def test_the_next_line_may_be_typed_before_the_server_takes_the_last_one(user: BrowserUser) -> None:
    held: list[Any] = []
    user.page.route("**/queue/join*", lambda route: held.append(route))
    user.type("To be")
    user.page.press("#field-message textarea", "Enter")
    user.until(lambda: len(held) == 1)
    user.type("And the next")
    held[0].continue_()
    user.page.unroute_all(behavior="wait")
    user.page.wait_for_selector(".turn")
    user.until_done()
    assert user.page.locator(".typed").text_content() == "To be" and user.message == "And the next"


def test_as_fast_as_it_goes_is_a_switch(user: BrowserUser) -> None:
    user.page.get_by_label("As fast as it goes").check()
    started = time.monotonic()
    user.send("To be", length=2_000)
    assert time.monotonic() - started < 15  # 20 seconds at reading pace
    assert len(user.text) == len("To be") + 2_000


def test_stop_stops_at_once_and_keeps_the_text(user: BrowserUser) -> None:
    user.send("To be", length=2_000, wait=False)
    user.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    user.page.click("#stop")
    user.until_done()
    stopped = user.text
    assert 20 < len(stopped) < 1_000 and "stopped" in user.caption
    user.page.wait_for_timeout(500)
    assert user.text == stopped
    user.send("Again", length=20)
    assert len(user.text) == len("Again") + 20


def test_escape_stops_a_starter_too(user: BrowserUser) -> None:
    user.set("Length", 2_000)
    user.act(lambda: user.page.locator(".starter").first.click(), wait=False)
    user.page.keyboard.press("Escape")
    user.until_done()
    assert "stopped" in user.caption


def test_hostile_text_is_shown_as_it_is(user: BrowserUser) -> None:
    user.send(HOSTILE, length=100)
    page = user.page
    assert page.locator(".typed").last.text_content() == HOSTILE and user.text.startswith(HOSTILE)
    assert page.locator("#conversation :is(img, b, code, .katex)").count() == 0
    assert page.evaluate("window.hit") is None
    for name in (".message", ".reply"):
        assert page.locator(name).last.evaluate("e => getComputedStyle(e).whiteSpace").startswith("pre-wrap")


def test_how_the_model_encodes_a_message_is_shown(user: BrowserUser) -> None:
    user.send("É😀 x", length=5)
    assert user.page.text_content(".warnings") == "É read as E; 😀 skipped"
    assert user.page.locator(".prompt-text").last.text_content() == "E x"


def test_an_empty_message_starts_from_the_start_text(user: BrowserUser) -> None:
    user.send("", length=30)
    assert "nothing to start from" in user.page.text_content(".warnings")
    assert user.page.text_content(".typed") == "nothing typed" and len(user.text) == 30


def test_continue_goes_on_exactly_where_it_stopped(user: BrowserUser) -> None:
    user.page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=40)
    first = user.text
    user.act(lambda: user.page.keyboard.press("Alt+Enter"))
    assert user.text.startswith(first) and len(user.text) == len("To be") + 80
    twice = user.text
    user.send("To be", length=80)
    assert user.text == twice and user.seed == "7"


def test_a_stopped_reply_is_continued_where_it_was_cut(user: BrowserUser) -> None:
    """What the engine wrote ahead was never shown, so the place is found by a replay."""
    user.page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=300, wait=False)
    user.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    user.page.keyboard.press("Escape")
    user.until_done()
    cut = user.text
    user.page.get_by_label("As fast as it goes").check()
    user.act(lambda: user.page.locator(".continue").last.click())
    assert user.text.startswith(cut) and len(user.text) == len(cut) + 300
    whole = user.text
    user.send("To be", length=len(whole) - len("To be"))
    assert user.text == whole


def test_retry_draws_another_seed_and_undo_brings_the_first_back(user: BrowserUser) -> None:
    user.send("To be", length=40)
    first, seed = user.text, user.seed
    user.act(lambda: user.page.keyboard.press("Control+Enter"))
    assert user.turns == 1 and user.text != first and user.seed != seed
    user.page.click("#undo")
    assert user.text == first
    user.page.click("#undo")
    user.page.wait_for_selector(".turn", state="detached")
    assert user.message == "To be"


def test_a_message_is_edited_and_goes_on_from_there(user: BrowserUser) -> None:
    for line in ("One", "Two", "Three"):
        user.send(line, length=5)
    user.page.locator(".edit").nth(1).click()
    assert user.message == "Two" and user.turns == 3
    user.page.keyboard.press("Escape")
    assert user.message == "" and user.page.locator(".to-be-replaced").count() == 0
    user.page.locator(".edit").nth(1).click()
    user.send("Zwei", length=5)
    assert user.page.locator(".typed").all_text_contents() == ["One", "Zwei"]
    user.page.click("#undo")
    assert user.page.locator(".typed").all_text_contents() == ["One", "Two", "Three"]


def test_a_message_goes_on_from_the_text_so_far_if_wanted(user: BrowserUser) -> None:
    user.send("To be", length=20)
    first = user.text
    user.page.get_by_label("Go on from the text so far").check()
    user.send(" or not", length=20)
    user.page.locator(".details summary").last.click()
    assert user.page.locator(".detail-row.prompt pre").last.text_content() == first + " or not"
    assert user.page.locator(".prompt-text").last.text_content() == " or not"


def test_three_questions_with_one_locked_seed_have_three_replies(user: BrowserUser) -> None:
    user.page.get_by_label("Seed", exact=True).fill("7")
    user.page.get_by_label("Keep").check()
    replies = []
    for question in ("Who?", "What?", "When?"):
        user.send(question, length=30)
        assert user.seed == "7"
        replies.append(user.text.removeprefix(question))
    assert len(set(replies)) == 3
    user.page.get_by_label("Keep").uncheck()
    user.send("Who?", length=5)
    assert user.seed != "7"
    assert user.page.get_by_label("Seed", exact=True).input_value() == user.seed


def test_a_drawn_seed_is_kept_and_used(user: BrowserUser) -> None:
    user.page.click("#draw-seed")
    user.page.wait_for_function("document.querySelector('#lock-seed input').checked")
    seed = user.page.get_by_label("Seed", exact=True).input_value()
    user.send("To be", length=5)
    assert seed.isdecimal() and user.seed == seed
