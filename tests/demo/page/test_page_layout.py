"""The page as a whole in a real browser: what stands there at first, who else is there, how it looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import SECONDS, App, Visitor, free_port, save_model

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OPEN = "document.querySelectorAll('.turn').length"


# --- the first five seconds -------------------------------------------------------------------------------------------


def test_the_empty_page_tells_what_this_is(visitor: Visitor) -> None:
    page = visitor.page
    assert page.text_content(".title") == "charlstm-tiny" and page.title() == "charlstm-tiny · hubcharlstm"
    line = page.text_content(".line")
    assert line.startswith("Not an assistant. A network of ") and line.endswith("Start a line; it goes on.")
    assert "has read only one small play and guesses one letter at a time" in line
    assert page.evaluate("document.activeElement === document.querySelector('#field-message textarea')")
    starters = page.locator(".starter").all_text_contents()
    assert starters == ["ROMEO: …", "To be, or …", "What light …", "the same line at 0.2, 0.8 and 1.4"]
    assert page.locator("#about p").all_text_contents()[-2].startswith("2.164 bits per character")
    assert "A network of " in page.locator("#about p").first.text_content()


def test_a_recorded_passage_is_written_letter_by_letter_and_was_once_noise(visitor: Visitor) -> None:
    page = visitor.page
    page.wait_for_function("document.querySelector('.shown').textContent === 'ROMEO:\\nWhat light is this?'")
    before = page.locator(".plate").bounding_box()
    slider = page.get_by_label("How it learned")
    assert slider.get_attribute("aria-valuetext") == "after 1.0 million characters, 2 minutes"
    slider.press("Home")
    assert page.text_content(".shown") == "ROMEO:\nqx7&zz"
    assert slider.get_attribute("aria-valuetext") == "after 4,096 characters, less than a second"
    slider.press("ArrowRight")
    assert page.text_content(".shown") == "ROMEO:\nthe te ou"
    assert page.locator(".plate").bounding_box() == before
    assert visitor.turns == 0


def test_the_passage_grows_at_its_end(app: App, browser: Any) -> None:
    came = Visitor(browser, app.url)
    came.page.add_init_script(  # it has grown before a test could look, where the machine is busy
        """window.lengths = [];
        new MutationObserver(() => {
          const length = document.querySelector('.shown')?.textContent.length;
          if (length && length !== window.lengths.at(-1)) window.lengths.push(length);
        }).observe(document, {childList: true, subtree: true, characterData: true});"""
    )
    came.open()
    came.page.wait_for_function("document.querySelector('.shown').textContent.endsWith('light is this?')")
    lengths = came.page.evaluate("window.lengths")
    assert len(lengths) > 3 and lengths == sorted(lengths)
    came.leave()


def test_who_wants_no_motion_sees_the_whole_passage_at_once(app: App, browser: Any) -> None:
    came = Visitor(browser, app.url, reduced_motion="reduce")
    assert came.page.text_content(".shown") == "ROMEO:\nWhat light is this?"
    came.leave()


# --- others, and what comes back --------------------------------------------------------------------------------------


def test_two_visitors_at_once_never_see_each_others_text(app: App, browser: Any) -> None:
    one, other = Visitor(browser, app.url), Visitor(browser, app.url)
    one.send("Mine alone ", length=150, wait=False)
    other.send("Yours alone ", length=150, wait=False)
    assert one.page.locator(".reply.writing").count() == 1 and other.page.locator(".reply.writing").count() == 1
    one.until_done()
    other.until_done()
    for visitor, theirs in ((one, "Yours"), (other, "Mine")):
        assert visitor.turns == 1 and theirs not in visitor.page.text_content("body")
    assert one.text.startswith("Mine alone ") and len(one.text) == len("Mine alone ") + 150
    one.leave()
    other.leave()


def test_the_page_outlives_a_restart_of_the_server(app: App, browser: Any) -> None:
    visitor = Visitor(browser, app.url)
    visitor.page.get_by_label("Seed", exact=True).fill("7")
    visitor.send("To be", length=40)
    text = visitor.text
    app.close()
    try:
        visitor.type("Are you there?")
        visitor.page.press("#field-message textarea", "Enter")
        assert "The server did not answer" in visitor.problem()
        assert visitor.message == "Are you there?" and visitor.text == text
    finally:
        app.start()
    visitor.open()
    visitor.errors.clear()  # of the time when nobody was there
    assert visitor.text == text
    visitor.asks(lambda: visitor.page.locator(".continue").click())
    assert visitor.text.startswith(text) and len(visitor.text) == len(text) + 60
    whole = visitor.text
    visitor.page.get_by_label("Seed", exact=True).fill("7")
    visitor.send("To be", length=len(whole) - len("To be"))
    assert visitor.text == whole
    visitor.leave()


class Here:
    """The page served from this process, so that a test can look at the engine behind it."""

    def __init__(self, folder: Path) -> None:
        from hubcharlstm.demo import launch
        from hubcharlstm.demo.models import ModelRegistry

        save_model(folder)
        self.registry = ModelRegistry(CharLSTM.from_pretrained(folder), str(folder), open_to_all=True)
        app = launch.build(self.registry)
        port = free_port()
        self.server = launch.create_server(app, "127.0.0.1", port)
        self.server.run_in_thread()
        self.url = f"http://127.0.0.1:{port}"

    @property
    def rows(self) -> int:
        return sum(self.registry.first.engine.load.values())

    def close(self) -> None:
        self.server.close()
        self.registry.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Any) -> Iterator[Here]:
    for name, value in (("MAX_CONCURRENT", "2"), ("MAX_QUEUED", "1")):
        monkeypatch.setenv(f"HUBCHARLSTM_{name}", value)
    served = Here(tmp_path / "tiny")
    yield served
    served.close()


def test_a_page_closed_mid_stream_frees_its_row_within_a_second(here: Here, browser: Any) -> None:
    visitor = Visitor(browser, here.url)
    visitor.send("To be", length=2_000, wait=False)
    visitor.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    assert here.rows == 1
    visitor.context.close()
    deadline = time.monotonic() + SECONDS
    while here.server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.02)  # the browser itself takes a while to close, where the machine is busy
    deadline = time.monotonic() + 1
    while here.rows and time.monotonic() < deadline:
        time.sleep(0.02)
    assert here.rows == 0


def test_a_busy_page_has_a_visitor_wait_and_sends_the_next_one_away(here: Here, browser: Any) -> None:
    visitors = [Visitor(browser, here.url) for _ in range(4)]
    first, second, third, fourth = visitors
    for visitor in (first, second):
        visitor.send("Mine", length=2_000, wait=False)
        visitor.page.wait_for_function("document.querySelector('.reply').textContent.length > 30")
    for visitor in (third, fourth):
        visitor.set("Length", 20)
        visitor.type("Three")
        visitor.page.press("#field-message textarea", "Enter")
        if visitor is third:
            visitor.page.wait_for_selector(".waiting")
            assert visitor.page.text_content(".waiting").startswith("The app is busy: you are next, in about ")
    assert fourth.problem().startswith("The app is busy (3 requests are written or wait): try again in about ")
    assert fourth.message == "Three" and fourth.turns == 0
    first.page.keyboard.press("Escape")
    first.until_done()
    third.page.wait_for_selector(".reply")
    third.until_done()
    assert len(third.text) == len("Three") + 20 and third.page.locator(".waiting").count() == 0
    second.page.keyboard.press("Escape")
    second.until_done()
    fourth.send("Three")
    assert len(fourth.text) == len("Three") + 20
    for visitor in visitors:
        visitor.leave()


# --- models -----------------------------------------------------------------------------------------------------------


def choose(visitor: Visitor, name: str) -> None:
    field = visitor.page.locator("#field-model input")
    field.click()
    field.fill(name)
    field.press("Enter")


def test_another_model_is_chosen_and_a_bad_one_is_told(visitor: Visitor, app: App, tmp_path: Path) -> None:
    page = visitor.page
    visitor.send("To be", length=2_000, wait=False)
    choose(visitor, "mute")
    page.wait_for_function("document.querySelector('.title').textContent === 'charlstm-mute'")
    assert page.locator(".plate").count() == 0 and not page.is_visible("#field-speaker")
    assert page.locator(".reply.writing").count() == 1  # the old one writes on
    before = visitor.text
    page.wait_for_function("n => document.querySelector('.reply').textContent.length > n", arg=len(before) + 40)
    page.keyboard.press("Escape")
    visitor.until_done()
    assert " tiny " in visitor.caption
    visitor.send("To be", length=10)
    assert " mute " in visitor.caption
    for bad, sentence in (
        (str(tmp_path), "expected"),
        ("no such model!", "neither a folder here nor a Hub id"),
        ("somebody/nothing", "somebody/nothing"),
    ):
        choose(visitor, bad)
        page.wait_for_function("s => document.querySelector('.problem')?.textContent.includes(s)", arg=sentence)
        assert page.locator("#field-model + .problem").count() == 1
        page.wait_for_function("document.querySelector('#field-model input').value === 'mute'")
        assert visitor.turns == 2
        visitor.send("on", length=5)
        assert " mute " in visitor.caption
        page.click("#undo")
        visitor.type("")
    save_model(tmp_path / "typed", name="charlstm-typed")
    choose(visitor, str(tmp_path / "typed"))
    page.wait_for_function("document.querySelector('.title').textContent === 'charlstm-typed'")
    assert page.is_visible("#field-speaker")


# --- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 390])
def test_nothing_is_cut_off_on_a_phone(app: App, browser: Any, width: int) -> None:
    visitor = Visitor(browser, app.url, viewport={"width": width, "height": 640})
    page = visitor.page
    visitor.asks(lambda: page.locator(".starter").last.click())
    visitor.send("x" * 400)
    page.locator(".permalink summary").last.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".view").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    for name in ("#field-message textarea", "#send", "#more", "#clear", "#surprise"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 640, name
    assert not page.is_visible("#panel")
    page.click("#more")
    assert page.is_visible("#panel") and page.get_attribute("#more", "aria-expanded") == "true"
    assert page.locator("#panel").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    page.fill("#field-seed :is(input, textarea)", "x")
    page.click("#more")
    visitor.type("To be")
    page.press("#field-message textarea", "Enter")
    page.wait_for_selector(".problem", state="visible")  # also where its control is folded away
    visitor.leave()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(app: App, browser: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visitor = Visitor(browser, app.url, reduced_motion="reduce")
    if scheme == "dark":
        visitor.open("?__theme=dark")
    axe = Axe()
    empty = axe.run(visitor.page)
    visitor.page.get_by_text("More", exact=True).click()
    visitor.send("É😀", length=20)
    visitor.asks(lambda: visitor.page.locator(".starter").last.click())
    visitor.page.locator(".permalink summary").first.click()
    visitor.page.fill("#field-seed :is(input, textarea)", "x")
    visitor.type("To be")
    visitor.page.press("#field-message textarea", "Enter")
    visitor.problem()
    visitor.until_done()
    full = axe.run(visitor.page)
    found = [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]][:4])
        for results in (empty, full)
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert found == []
    visitor.leave()


def test_everything_is_done_by_keyboard_alone(visitor: Visitor) -> None:
    page = visitor.page
    page.keyboard.type("To be")
    visitor.asks(lambda: page.keyboard.press("Enter"))
    visitor.asks(lambda: page.keyboard.press("Alt+Enter"))
    visitor.asks(lambda: page.keyboard.press("Control+Enter"))
    name = "(e => e.id || e.closest('[id^=field-], #lapse')?.id || e.textContent.trim())(document.activeElement)"
    reached: list[str] = []
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(name))
    reached = reached[reached.index("lapse") :]
    order = ["lapse", "ROMEO: …", "Continue", "Retry", "Edit", "Receipt", "field-speaker", "field-message", "send"]
    order += [
        "surprise",
        "undo",
        "clear",
        "field-model",
        "field-temperature",
        "field-length",
        "field-seed",
        "draw-seed",
    ]
    places = [reached.index(name) for name in order]
    assert places == sorted(places), dict(zip(order, places, strict=True))
    page.locator(".edit").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement === document.querySelector('#field-message textarea')")
    assert visitor.message == "To be"


def test_a_screen_reader_hears_of_a_reply_but_not_of_every_letter(visitor: Visitor) -> None:
    page = visitor.page
    page.evaluate(
        """() => {
          window.said = [];
          const spoken = document.querySelector('#conversation [role=status]');
          const heard = new MutationObserver(() => window.said.push(spoken.textContent));
          heard.observe(spoken, { childList: true, subtree: true, characterData: true });
        }"""
    )
    visitor.send("To be", length=100)
    said = page.evaluate("window.said")
    assert (
        len(said) == 2
        and said[0] == "The model is writing."
        and said[1].startswith("The model is done: 100 characters")
    )
    assert page.locator("#conversation [aria-live], #conversation [role=status]").count() == 1
    assert page.locator(".view").get_attribute("aria-label") == "Conversation"
    assert page.locator(".reply .unseen").text_content() == "The model: "
