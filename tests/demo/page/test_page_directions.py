"""In a real browser: text from right to left, mixed text, and text without spaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from tests.support.browser_app import BrowserUser, free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ARABIC = "سامي: مَرْحَبًا كَيْفَ حَالُكَ (1)"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で"
LETTERS = sorted(set(ARABIC + JAPANESE + "\nTo be, or not"))


@pytest.fixture(scope="module")
def url(browser: Any) -> Iterator[str]:
    """The page of a model of Arabic, Japanese and English letters, with a character of an Arabic name."""
    from hubcharlstm.demo import launch
    from hubcharlstm.demo.models import ModelRegistry

    torch.manual_seed(0)
    vocabulary = Vocabulary(LETTERS)
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    generation = GenerationConfig(
        examples=(ARABIC,), max_new_tokens=5, speakers=("سامي",), turn_template="{message}\n{speaker}: ", turn_stop="\n"
    )
    registry = ModelRegistry(CharLSTM(config, vocabulary, generation_config=generation).eval(), "user/letters")
    port = free_port()
    server = launch.create_server(launch.build(registry), "127.0.0.1", port)
    server.run_in_thread()
    yield f"http://127.0.0.1:{port}"
    server.close()
    registry.close()


def side(user: BrowserUser, name: str) -> str:
    """The side of its box at which the first letter of an element's text stands."""
    measure = """e => {
      const text = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
      let node = text.nextNode();
      while (node.parentElement.className === 'visually-hidden' || !node.data.trim()) node = text.nextNode();
      const range = document.createRange();
      range.setStart(node, 0);
      range.setEnd(node, 1);
      const [letter, box] = [range.getBoundingClientRect(), e.getBoundingClientRect()];
      return letter.left - box.left < box.right - letter.right ? 'left' : 'right';
    }"""
    return str(user.page.locator(name).last.evaluate(measure))


def test_every_text_runs_in_its_own_direction(browser: Any, url: str) -> None:
    user = BrowserUser(browser, url)
    page = user.page
    user.type(ARABIC)
    direction = "e => getComputedStyle(e).direction"
    assert page.locator("#field-message textarea").evaluate(direction) == "rtl"
    user.act(lambda: page.press("#field-message textarea", "Enter"))
    assert page.locator(".typed").last.evaluate(direction) == "rtl"
    assert page.locator(".reply").last.evaluate(direction) == "rtl" and side(user, ".reply") == "right"
    user.send("To be, or not")
    assert page.locator("#field-message textarea").evaluate(direction) == "ltr"
    assert page.locator(".reply").last.evaluate(direction) == "ltr" and side(user, ".reply") == "left"
    user.send("To be\n" + ARABIC + "\n")  # each paragraph by its own first letter
    ends = """e => {
      const node = e.querySelector('.prompt-text').firstChild;
      const at = (index) => {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + 1);
        return range.getBoundingClientRect();
      };
      const box = e.getBoundingClientRect();
      return [at(0).left - box.left, box.right - at(6).right];
    }"""
    first, second = page.locator(".reply").last.evaluate(ends)
    assert first < 5 and second < 5
    user.choose_speaker("سامي")
    user.send("To be")
    assert page.locator(".recipient bdi").text_content() == "سامي"
    page.locator(".details summary").last.click()
    assert page.locator(".detail-row.prompt pre").last.get_attribute("dir") == "auto"
    assert page.locator(".detail-row.python pre").last.evaluate(direction) == "ltr"
    user.leave()


def test_text_without_spaces_wraps_well_on_a_phone(browser: Any, url: str) -> None:
    user = BrowserUser(browser, url, viewport={"width": 390, "height": 700})
    page = user.page
    user.send(JAPANESE * 9)  # four lines in any font, also in one that has boxes for it
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".view").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    starts = """e => {
      const node = e.querySelector('.prompt-text').firstChild;
      const range = document.createRange();
      const first = [];
      let top = null;
      for (let index = 0; index < node.length; index += 1) {
        range.setStart(node, index);
        range.setEnd(node, index + 1);
        const box = range.getBoundingClientRect();
        if (top !== null && box.top > top + 5) first.push(node.data[index]);
        top = box.top;
      }
      return first;
    }"""
    first_letters = page.locator(".reply").last.evaluate(starts)
    assert len(first_letters) >= 4 and not set(first_letters) & set("。、っゃゅょ")
    user.leave()
