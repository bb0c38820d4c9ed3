"""What the exported page holds and allows: no address, no evaluation, no request, and names as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.export.html_page import render_page
from hubcharlstm.hub.titles import display_title
from tests.support.browser_app import RECORD
from tests.support.exported_page import SNAPSHOTS, OpenPage, talking_model

HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"\'&lt;'

ATTEMPTS = """async () => {
  const found = new Set();
  document.addEventListener("securitypolicyviolation", (event) => found.add(event.effectiveDirective));
  const add = (tag, values) => document.body.appendChild(Object.assign(document.createElement(tag), values));
  const elsewhere = "http://127.0.0.1:9/";
  add("script", { textContent: "window.hacked = 1" });
  add("style", { textContent: "body { color: red }" });
  add("img", { src: `${elsewhere}x.png` });
  add("iframe", { src: elsewhere });
  add("base", { href: elsewhere });
  add("p", {}).setAttribute("onclick", "window.hacked = 1");
  setTimeout("window.hacked = 1", 0);
  try { new Worker("data:text/javascript,1"); } catch {}
  await fetch(elsewhere).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  return [Array.from(found).sort(), window.hacked ?? null];
}"""
"""What a script that got in may try, and the directives by which the policy refuses it."""


def test_the_page_of_the_shipped_model_is_small() -> None:
    page = render_page(CharLSTM.from_pretrained(), version="0.0.0").encode("utf-8")
    assert len(page) < 7_000_000
    assert b"eval(" not in page.replace(b"'wasm-unsafe-eval'", b"")
    assert re.findall(rb"https?:", page) == []


@pytest.mark.browser
def test_a_page_that_was_cut_off_says_so(browser: Any, tmp_path: Path) -> None:
    text = render_page(talking_model(), version="0.0.0")
    path = tmp_path / "page.html"
    path.write_text(text[: text.rindex("<script>takeWeights") - 100], encoding="utf-8")
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#error", state="visible")
    assert "The model cannot be opened: The weights have 0 bytes; expected" in str(page.text_content("#error"))
    page.fill("#message", "a")
    page.press("#message", "Enter")
    page.locator(".caption", has_text="failed").wait_for()
    assert page.is_visible("#send") and "The model cannot be opened" in str(page.text_content("#error"))
    page.context.close()


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
    refused = page.evaluate(ATTEMPTS)
    assert refused == [
        [
            "base-uri", "connect-src", "frame-src", "img-src", "script-src", "script-src-attr", "script-src-elem",
            "style-src-elem", "worker-src",
        ],
        None,
    ]  # fmt: skip
    policy = page.get_attribute("meta[http-equiv='Content-Security-Policy']", "content")
    assert {"default-src 'none'", "form-action 'none'", "worker-src blob:"} <= set(str(policy).split("; "))
    page.context.close()
