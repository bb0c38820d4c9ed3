"""The exported page in a real browser: opened from a file, without any network, and what a user does with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.demo.chat.requests import compose
from hubcharlstm.demo.chat.sentences import cut_after_sentence
from hubcharlstm.demo.settings import TURN_LENGTH
from hubcharlstm.export.html_page import render_page
from hubcharlstm.hub.titles import display_title
from tests.support.browser_app import RECORD, SECONDS
from tests.support.exported import small_model

HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"\'&lt;'
TALK: dict[str, Any] = {
    "speakers": ("ROMEO", "JULIET"),
    "turn_template": "STRANGER:\n{message}\n\n{speaker}:\n",
    "turn_stop": "\n\n",
}
SNAPSHOTS = [
    {"characters_read": 4096, "minutes": 0.1, "val_loss": 4.2, "text": "qx7&zz"},
    {"characters_read": 1000000, "minutes": 2.0, "val_loss": 1.5, "text": "What light is this?"},
]


def talking_model(**changes: Any) -> CharLSTM:
    record = {**RECORD, "time_lapse": SNAPSHOTS, "time_lapse_prompt": "ROMEO:\n"}
    options = {"examples": ("ROMEO:\n", "To be, or "), "max_new_tokens": 40, **TALK}
    return small_model(record={**record, **changes.pop("record", {})}, **{**options, **changes})


class PageUser:
    """Somebody who opened the file while the network was off."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.context.set_offline(True)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.url = path.as_uri()
        self.page.goto(self.url)
        self.page.wait_for_selector("html[data-open]", state="attached")
        self.page.evaluate("document.getElementById('full-speed').checked = true")

    def leave(self) -> None:
        self.context.close()
        assert [url for url in self.requests if url != self.url and not url.startswith("blob:")] == []
        assert self.errors == []

    def write(self, text: str, *, seed: int | None = None, length: int | None = None) -> None:
        for name, value in (("seed", seed), ("length", length)):
            if value is not None:
                self.page.fill(f"#{name}", str(value))
        self.page.fill("#message", text)
        self.page.press("#message", "Enter")
        self.until_done()

    def until_done(self) -> None:
        self.page.wait_for_selector("#send", state="visible")
        assert self.page.locator(".reply.writing").count() == 0

    @property
    def replies(self) -> list[str]:
        """The text of each reply, without the prompt before it."""
        own = "nodes => nodes.map(n => [...n.childNodes].slice(1).map(c => c.textContent).join(''))"
        found: list[str] = self.page.locator(".reply").evaluate_all(own)
        return found


OpenPage = Callable[..., PageUser]


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[OpenPage]:
    users: list[PageUser] = []

    def open_one(model: CharLSTM, **options: Any) -> PageUser:
        path = tmp_path / f"page {len(users)}.html"
        path.write_text(render_page(model, version="0.0.0"), encoding="utf-8")
        users.append(PageUser(browser, path, **options))
        return users[-1]

    yield open_one
    for user in users:
        user.leave()


def test_the_page_of_the_shipped_model_is_small() -> None:
    page = render_page(CharLSTM.from_pretrained(), version="0.0.0").encode("utf-8")
    assert len(page) < 7_000_000
    assert b"eval(" not in page.replace(b"'wasm-unsafe-eval'", b"")
    assert re.findall(rb"https?:", page) == []


@pytest.mark.browser
def test_a_seed_gives_the_text_of_python(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.write("To be, or ", seed=7, length=150)
    assert user.replies == [model.generate("To be, or ", seed=7, max_new_tokens=150)]
    assert "150 characters · seed 7 · temperature 0.8" in str(user.page.text_content(".caption"))


@pytest.mark.browser
def test_going_on_is_exact(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.write("To be, or ", seed=7, length=60)
    user.page.get_by_role("button", name="Go on").click()
    user.until_done()
    assert user.replies == [model.generate("To be, or ", seed=7, max_new_tokens=120)]


@pytest.mark.browser
def test_a_character_replies_and_stops(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.select_option("#speaker", "JULIET")
    user.write("Who are\n\n\nyou?", seed=3)
    prompt, shown = compose(model.generation_config, "Who are\n\n\nyou?", "JULIET")
    assert user.replies == [model.generate(prompt, seed=3, stop="\n\n", max_new_tokens=TURN_LENGTH)]
    assert user.page.text_content(".reply .prompt-text") == shown
    assert user.page.text_content(".message") == "to JulietWho are\n\n\nyou?"


@pytest.mark.browser
def test_a_turn_that_reaches_its_length_ends_in_a_whole_sentence_and_goes_on_from_there(open_page: OpenPage) -> None:
    """Twice, so that a continuation that was cut is continued, too."""
    model = talking_model()
    prompt, _ = compose(model.generation_config, "Who?", "JULIET")
    texts = {seed: model.generate(prompt, max_new_tokens=600, seed=seed, temperature=0.8) for seed in range(1, 60)}
    seed, length = next(
        (seed, length)
        for seed, text in texts.items()
        for length in range(40, 300)
        if "\n\n" not in text and 5 < len(cut_after_sentence(text[:length])) < length - 3
    )
    user, whole = open_page(model), texts[seed]
    user.page.select_option("#speaker", "JULIET")
    user.write("Who?", seed=seed, length=length)
    shown = cut_after_sentence(whole[:length])
    assert user.replies == [shown]
    assert "length reached, cut after a whole sentence" in str(user.page.text_content(".caption"))
    for _ in range(2):
        user.page.get_by_role("button", name="Go on").click()
        user.until_done()
        expected = cut_after_sentence(whole[: len(shown) + length], len(shown))
        assert user.replies == [expected] and len(expected) > len(shown)
        shown = expected
    user.page.select_option("#speaker", "")
    user.page.uncheck("#go-on")
    user.write(prompt, seed=seed)
    assert user.replies[1] == whole[:length]


@pytest.mark.browser
def test_a_talk_goes_on_from_the_text_so_far(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.select_option("#speaker", "JULIET")
    assert user.page.is_checked("#go-on")
    user.write("Who are you?", seed=3, length=50)
    user.write("é Why?", seed=4)
    user.page.uncheck("#go-on")
    user.write("Now alone.", seed=5)
    config, expected, context = model.generation_config, [], ""
    for typed, seed in (("Who are you?", 3), ("é Why?", 4), ("Now alone.", 5)):
        prompt, _ = compose(config, typed, "JULIET", "" if seed == 5 else context)
        done = model.complete(prompt, seed=seed, stop="\n\n", max_new_tokens=50)
        expected.append(done.text)
        context = done.prompt.text + done.text
    assert user.replies == expected


@pytest.mark.browser
def test_lines_of_ones_own_go_on_only_where_that_is_chosen(open_page: OpenPage) -> None:
    """The switch remembers a choice for talks and for lines apart, as in the app."""
    model = talking_model()
    user = open_page(model)
    assert not user.page.is_checked("#go-on")
    user.write("To be, ", seed=1, length=30)
    user.write("O ", seed=2)
    user.page.check("#go-on")
    user.write(" and ", seed=3)
    second = model.generate("O ", seed=2, max_new_tokens=30)
    assert user.replies[1:] == [second, model.generate(f"O {second} and ", seed=3, max_new_tokens=30)]
    user.page.select_option("#speaker", "ROMEO")
    user.page.uncheck("#go-on")
    user.page.select_option("#speaker", "")
    assert user.page.is_checked("#go-on")
    user.page.select_option("#speaker", "JULIET")
    assert not user.page.is_checked("#go-on")


@pytest.mark.browser
def test_of_a_long_text_so_far_only_the_end_is_read(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.check("#go-on")
    user.write("a" * 9_990, seed=1, length=30)
    user.write("and ", seed=2)
    before = ("a" * 9_990 + user.replies[0])[-9_996:]
    assert user.replies[1] == model.generate(before + "and ", seed=2, max_new_tokens=30)
    assert "of the text so far only the last 9,996 characters are read" in str(
        user.page.locator(".warnings").filter(visible=True).last.text_content()
    )


@pytest.mark.browser
def test_a_greedy_reply_that_repeats_itself_is_told(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.fill("#temperature", "0")
    user.write("To be, or ", seed=1, length=400)
    done = model.complete("To be, or ", seed=1, temperature=0, max_new_tokens=400)
    assert user.replies == [done.text]
    assert done.cycle is not None
    assert "It goes in circles: “" in str(user.page.text_content(".cycle"))
    user.page.fill("#temperature", "0.8")
    user.write("To be, or ", seed=1)
    assert not user.page.locator(".cycle").last.is_visible()


@pytest.mark.browser
def test_a_page_that_was_cut_off_says_so(browser: Any, tmp_path: Path) -> None:
    text = render_page(talking_model(), version="0.0.0")
    path = tmp_path / "page.html"
    path.write_text(text[: text.rindex("<script>takeWeights") - 100], encoding="utf-8")
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#error", state="visible")
    assert "The model cannot be opened: The weights have 0 bytes; expected" in str(page.text_content("#error"))
    page.context.close()


@pytest.mark.browser
def test_three_temperatures_stand_side_by_side(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.check("#side-by-side")
    user.write("O ", seed=5)
    assert user.replies == [model.generate("O ", seed=5, temperature=value) for value in (0.2, 0.8, 1.4)]


@pytest.mark.browser
def test_stop_ends_a_reply_while_it_is_written(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.page.uncheck("#full-speed")
    user.page.fill("#length", "2000")
    user.page.fill("#message", "a")
    user.page.press("#message", "Enter")
    # No wait_for_function, which the page's own policy forbids: it evaluates a text.
    user.page.locator(".reply", has_text=re.compile("....")).wait_for()
    user.page.click("#stop")
    user.until_done()
    assert 3 < len(user.replies[0]) < 2000
    assert "stopped" in str(user.page.text_content(".caption"))


@pytest.mark.browser
def test_the_keyboard_finds_the_alternatives_of_a_character(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.write("To be, or ", seed=7, length=30)
    before = user.replies[0]
    page = user.page
    page.focus(".reply")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.text_content("mark") == before[4]
    page.keyboard.press("Enter")
    page.wait_for_selector(".alternatives li")
    labels = page.locator(".alternatives button").evaluate_all("all => all.map(b => b.ariaLabel)")
    assert 1 < len([label for label in labels if label]) <= 8
    other = page.locator(".alternatives li button:not([aria-current])").first
    char = str(other.evaluate("b => b.ariaLabel")).rpartition(", ")[0]
    char = {"space": " ", "line break": "\n"}.get(char, char)
    other.click()
    user.until_done()
    start = before[:4] + char
    assert user.replies == [start + model.generate("To be, or " + start, seed=7, max_new_tokens=30)]


@pytest.mark.browser
def test_a_click_finds_the_character_under_it(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.write("To be, or ", seed=7, length=30)
    point = user.page.evaluate(
        """() => {
          const text = document.querySelector(".reply").lastChild, range = document.createRange();
          range.setStart(text, 12);
          range.setEnd(text, 13);
          const { left, right, top, bottom } = range.getBoundingClientRect();
          return [left + (right - left) * 0.8, (top + bottom) / 2];
        }"""
    )
    text = user.replies[0]
    user.page.mouse.click(*point)
    user.page.wait_for_selector(".alternatives li")
    assert user.page.text_content("mark") == text[12]
    assert user.replies == [text]


@pytest.mark.browser
def test_the_time_lapse_shows_each_snapshot(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    assert user.page.text_content(".sheet.shown") == "ROMEO:\nWhat light is this?"
    user.page.focus("#time-lapse")
    user.page.keyboard.press("ArrowLeft")
    assert user.page.text_content(".sheet.shown") == "ROMEO:\nqx7&zz"
    assert "after 4,096 characters" in str(user.page.text_content("figcaption output"))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", "seven", 'The seed is "seven"; expected a whole number'),
        ("length", "0", 'The length is "0"; expected a whole number from 1 to 2000'),
        ("top-p", "", 'The top-p is ""; expected a number from 0.01 to 1'),
    ],
)
def test_a_wrong_setting_is_told(open_page: OpenPage, field: str, value: str, message: str) -> None:
    user = open_page(talking_model())
    user.page.evaluate("document.querySelector('details').open = true")
    user.page.fill(f"#{field}", value)
    user.page.fill("#message", "a")
    user.page.press("#message", "Enter")
    user.page.wait_for_selector("#error", state="visible")
    assert message in str(user.page.text_content("#error"))
    user.until_done()


@pytest.mark.browser
def test_hostile_names_and_samples_are_shown_as_text(open_page: OpenPage) -> None:
    record = {
        "name": HOSTILE,
        "corpus": {**RECORD["corpus"], "title": HOSTILE},
        "time_lapse": [{**snapshot, "text": HOSTILE} for snapshot in SNAPSHOTS],
        "time_lapse_prompt": HOSTILE,
    }
    model = talking_model(record=record, examples=(HOSTILE,), speakers=(HOSTILE, "{{weights}}"))
    user = open_page(model)
    page = user.page
    assert page.text_content("#title") == page.title() == display_title(record, "")
    assert "<img src=x" in page.title()
    assert HOSTILE in str(page.text_content("#tagline"))
    assert page.text_content(".sheet.shown") == HOSTILE + HOSTILE
    page.select_option("#speaker", HOSTILE)
    user.write(HOSTILE, seed=1)
    assert page.text_content(".message") == f"to {HOSTILE}{HOSTILE}"
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hacked") is None


@pytest.mark.browser
def test_the_policy_refuses_what_the_page_does_not_hold(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(render_page(talking_model(), version="0.0.0"), encoding="utf-8")
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    refused = page.evaluate(
        """async () => {
          const found = [];
          document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.hacked = 1";
          document.body.append(script);
          document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/x.png" }));
          await fetch("http://127.0.0.1:9/").catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 100));
          return [found.sort(), window.hacked ?? null];
        }"""
    )
    assert refused == [["connect-src", "img-src", "script-src-elem"], None]
    page.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: OpenPage, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    user = open_page(talking_model(), color_scheme=scheme, bypass_csp=True)  # axe is a script of its own
    empty = Axe().run(user.page)
    user.page.check("#side-by-side")
    user.write("O ", seed=5)
    user.page.locator(".reply").first.press("End")
    user.page.keyboard.press("Enter")
    user.page.wait_for_selector(".alternatives li")
    full = Axe().run(user.page)
    for found in (empty, full):
        assert [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")] == []


@pytest.mark.browser
def test_a_phone_shows_everything_in_its_width(open_page: OpenPage) -> None:
    user = open_page(talking_model(), viewport={"width": 390, "height": 844}, has_touch=True)
    page = user.page
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 390
    assert not page.is_visible("#panel")
    page.click("#toggle-settings")
    assert page.is_visible("#temperature") and page.get_attribute("#toggle-settings", "aria-expanded") == "true"
    page.click("#toggle-settings")
    page.locator(".starter").last.click()
    user.until_done()
    assert len(user.replies) == 3 and page.evaluate(width) == 390
