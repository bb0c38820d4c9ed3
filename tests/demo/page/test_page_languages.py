"""In a real browser: the page in the visitor's language, from right to left, and no word that is not translated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hubcharlstm.demo.words.catalogue import Entry, catalogue
from tests.support.browser_app import App, BrowserUser, save_model
from tests.support.served import serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOREIGN = """() => {
  // What the model, the visitor or Gradio's own frame says is not ours to translate.
  const others = `.reply > :not(.visually-hidden), .typed:not(.empty-message), .sheet, .sample > .visually-hidden, pre,
    bdi, footer, option, script, style, #about-model p, #field-model input, .chip:not(:has([value=''])), .caption-part,
    .version-button, .version-place, li:nth-child(2) > .starter, noscript, .toast-wrap, [data-testid=status-tracker]`;
  const isOurs = (node) => node && !node.closest(others);
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const text = node.data.trim();
    if (node.parentElement.matches('.reply') || !/\\p{L}{2}/u.test(text) || text.includes('⟦')) continue;
    if (isOurs(node.parentElement)) found.push(text);
  }
  for (const name of ['aria-label', 'placeholder', 'title']) {
    const own = '#conversation, #field-speaker, #field-message, #tools, #composer, .menu, #language, #field-seed';
    for (const node of document.querySelectorAll(`:is(${own}) [${name}], .menu[${name}]`)) {
      const text = node.getAttribute(name);
      if (isOurs(node) && /\\p{L}{2}/u.test(text) && !text.includes('⟦')) found.push(`${name}: ${text}`);
    }
  }
  return [...new Set(found)];
}"""


def bracketed(entry: Entry) -> Entry:
    """An entry as in a language that puts ⟦ ⟧ around all its words."""
    return f"⟦{entry}⟧" if isinstance(entry, str) else {form: f"⟦{text}⟧" for form, text in entry.items()}


@pytest.fixture
def bracketed_url(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page in a language whose words are all in brackets."""
    from hubcharlstm import CharLSTM
    from hubcharlstm.demo.page import localization

    words = {key: bracketed(entry) for key, entry in catalogue("en").items()}
    monkeypatch.setattr(localization, "catalogue", lambda language: words)
    save_model(tmp_path / "tiny")
    with serving(CharLSTM.from_pretrained(tmp_path / "tiny")) as served:
        yield served.url


def shorten(user: BrowserUser, length: int) -> None:
    """Set the length of replies, whatever its label says."""
    user.page.fill("#field-length input[type=number]", str(length))
    user.page.press("#field-length input[type=number]", "Tab")


def test_every_word_of_the_page_is_from_the_catalogue(browser: Any, bracketed_url: str) -> None:
    user = BrowserUser(browser, bracketed_url, reduced_motion="reduce")
    page = user.page
    assert page.evaluate(FOREIGN) == []
    shorten(user, 30)
    user.send("É😀 To be")
    user.choose_speaker("ROMEO")
    user.send("")
    user.act(lambda: page.click(".action.retry >> nth=-1"))
    for summary in page.locator("#conversation summary, #about-model summary").all():
        summary.click()
    assert page.evaluate(FOREIGN) == []
    assert page.locator(".caption-part").first.text_content().startswith("⟦30 characters")
    page.click("#compare")
    assert page.evaluate(FOREIGN) == []
    page.keyboard.press("Escape")
    page.locator(".action.more").last.click()
    assert page.evaluate(FOREIGN) == []
    page.get_by_role("menuitem").last.click()  # deletes
    assert "⟦Deleted" in str(page.text_content(".note-line"))
    page.click(".action.edit >> nth=-1")
    assert page.evaluate(FOREIGN) == []
    page.keyboard.press("Escape")
    page.fill("#field-seed :is(input, textarea)", "x")
    user.type("To be")
    page.press("#field-message textarea", "Enter")
    assert user.error_message().startswith("⟦The seed is 'x'")
    page.click("#clear")
    assert page.evaluate(FOREIGN) == []
    user.leave()


def test_the_browsers_language_is_shown_and_the_menus_choice_is_remembered(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url, locale="de-CH")
    page = user.page
    assert page.text_content("#send").strip() == "Senden" and page.get_attribute("html", "lang") == "de"
    assert page.get_attribute("#field-message textarea", "placeholder") == "Schreib los …"
    shorten(user, 20)
    user.send("To be")
    assert user.caption.startswith("20 Zeichen · Startwert ")
    page.select_option("#language select", "ja")
    page.wait_for_function("document.documentElement.lang === 'ja'")
    page.wait_for_selector(".turn")
    assert page.text_content("#send").strip() == "送信" and user.caption.startswith("20文字 · シード ")
    user.open("?lang=es")
    page.wait_for_function("location.search === ''")
    assert page.text_content("#send").strip() == "Enviar"
    user.open()
    assert page.text_content("#send").strip() == "Enviar"
    assert page.locator("#language select").input_value() == "es"
    user.leave()


@pytest.mark.parametrize("width", [1180, 390])
def test_arabic_mirrors_the_page(app: App, browser: Any, width: int) -> None:
    user = BrowserUser(browser, app.url, locale="ar", viewport={"width": width, "height": 780})
    page = user.page
    assert page.get_attribute("html", "dir") == "rtl" and page.text_content("#send").strip() == "أرسل"
    user.send("To be")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    center = "e => { const box = e.getBoundingClientRect(); return (box.left + box.right) / 2; }"
    at = {
        name: page.locator(name).last.evaluate(center)
        for name in ("#send", "#field-message", ".message", ".copy", ".more")
    }
    assert at["#send"] < at["#field-message"] and at[".message"] < width / 2 and at[".more"] < at[".copy"]
    if width > 960:
        assert page.locator("#panel").evaluate(center) < at["#field-message"]
    page.locator(".action.more").last.click()
    menu, anchor = page.locator(".menu").bounding_box(), page.locator(".action.more").last.bounding_box()
    assert abs(menu["x"] + menu["width"] - anchor["x"] - anchor["width"]) < 9 or menu["x"] < 9
    assert page.locator(".reply").last.evaluate("e => getComputedStyle(e).direction") == "ltr"  # English text
    user.leave()
