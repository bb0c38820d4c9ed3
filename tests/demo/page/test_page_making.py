"""In a real browser: from a pasted text to a model of one's own, by keyboard and mouse, with the real trainer."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.demo.words.catalogue import sentence
from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINES = ["The rain is on the hill", "the hill is in the rain", "and nobody is still", "but I am here again"]
POEM = "".join(f"{LINES[n % 4]}{',.;!'[n % 3]}\n" + ("\n" if n % 4 == 3 else "") for n in range(130))
LONG = 280_000  # a training on a machine with other work


def open_view(user: BrowserUser) -> Any:
    link = user.page.get_by_role("link", name="Make your own")
    link.focus()
    link.press("Enter")
    user.page.wait_for_selector("#make textarea")
    return user.page


@pytest.mark.timeout(600)
def test_a_poem_becomes_a_model_to_chat_with(app: App, user: BrowserUser, browser: Any, tmp_path: Path) -> None:
    others = set(Path(app.folder).rglob("my-text.txt"))  # of tests before this one
    page = open_view(user)
    button = page.get_by_role("button", name="Check the text")
    assert button.is_disabled() and "2,000 to 1,000,000 characters" in page.text_content("#make .amount")
    page.fill("#make textarea", POEM)
    assert page.text_content("#make .amount") == f"{len(POEM):,} characters; that fits"
    button.press("Enter")
    page.wait_for_selector("#make .findings", timeout=LONG)
    assert f"{len(POEM):,} characters" in page.text_content("#make .facts")
    assert "bits per character" in page.text_content("#make .beat-note")
    page.locator("input[name='making-begin']").first.check(force=True)
    minute = page.locator("input[name='making-time'][value='60']")
    minute.focus()
    minute.press("ArrowLeft")
    assert page.locator("input[name='making-time'][value='30']").is_checked()
    page.get_by_role("button", name="Train").press("Enter")
    page.wait_for_selector("#make .sheet >> visible=true", timeout=LONG)
    assert page.locator("#make .chart .beat").count() == 1
    page.reload()  # finds it again
    page.wait_for_selector("#make .clock, #make .verdict", timeout=LONG)
    page.get_by_text("It is ready").wait_for(timeout=LONG)
    assert page.locator("#make .held-line").count() == 1
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    archive = tmp_path / "model.zip"
    downloading.value.save_as(archive)
    zipfile.ZipFile(archive).extractall(tmp_path)
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert CharLSTM.from_pretrained(str(folder), device="cpu").generate("The rain", max_new_tokens=20, seed=1)
    page.get_by_role("button", name="Chat with it").click()
    page.wait_for_function("document.querySelector('#field-model input').value === 'my text, made by you'")
    user.send("The rain ", length=40)
    assert user.text.startswith("The rain ")
    other = BrowserUser(browser, app.url)
    other.page.locator("#field-model input").click()
    assert "made by you" not in " ".join(other.page.locator("[role=option]").all_text_contents())
    other.page.keyboard.press("Escape")
    other.leave()
    page.get_by_role("link", name="Make your own").click()
    page.get_by_role("button", name="Another text").click()
    page.wait_for_selector("#make textarea")
    assert set(Path(app.folder).rglob("my-text.txt")) <= others


def test_a_file_is_read_in_the_browser_and_shown_as_text(user: BrowserUser, tmp_path: Path) -> None:
    page = open_view(user)
    name = "<img src=x onerror=document.title='hacked'>"
    payload = {"name": f"{name}.txt", "mimeType": "text/plain", "buffer": ("<b>bold</b> & more\n" * 300).encode()}
    page.set_input_files("#make input[type=file]", payload)
    page.wait_for_selector("#make .findings", timeout=LONG)
    assert name.replace(",", "") in page.text_content("#make .subtitle")
    assert page.locator("#make img").count() == 0 and page.title() != "hacked"
    page.get_by_role("button", name="Another text").click()
    page.wait_for_selector("#make textarea")
    payload = {"name": "photo.txt", "mimeType": "text/plain", "buffer": b"\xff\xd8\xff" * 1_000}
    page.set_input_files("#make input[type=file]", payload)
    page.get_by_text("The file is no text in UTF-8").wait_for()
    assert page.input_value("#make input[type=file]") == ""  # so that the same file can be chosen again


def test_a_text_of_one_letter_is_refused_in_words(user: BrowserUser) -> None:
    page = open_view(user)
    page.fill("#make textarea", "a" * 3_000)
    page.get_by_role("button", name="Check the text").click()
    page.get_by_text("That did not work").wait_for(timeout=LONG)
    assert "no character but a" in page.text_content("#make .verdict")
    page.get_by_role("button", name="Another text").press("Enter")
    page.wait_for_selector("#make textarea")


def test_the_chat_is_out_of_reach_while_another_view_is_open(user: BrowserUser) -> None:
    page = open_view(user)
    assert page.evaluate("document.getElementById('main-column').inert && document.getElementById('panel').inert")
    assert page.locator(".view-link[aria-current]").all_text_contents() == ["Make your own"]
    page.go_back()
    page.wait_for_function("!document.getElementById('main-column').inert")
    assert page.locator("#make").is_hidden()


FINDINGS = {
    "chars": 3_000, "different_chars": 20, "kind": "verse", "is_english": True, "amount": "tiny", "speakers": [],
    "is_much_repeated": False, "seconds": 30, "number_to_beat": {"bits": 2.5}, "doubt": False, "warnings": [],
    "may_start_warm": False,
}  # fmt: skip
NONE = {"phase": "none", "min_chars": 2_000, "max_chars": 1_000_000, "times": [30, 60]}
CHECKED = {
    **NONE, "phase": "checked", "title": "my text", "chars": 3_000, "findings": FINDINGS, "sentence": "", "seconds": 60,
    "is_warm": False, "elapsed": 0.0, "is_stopped": False, "label": "", "queue": None, "run": None,
}  # fmt: skip
RUN = {"phase": "reporting", "snapshots": [], "metrics": []}
TRAINING = {**CHECKED, "phase": "training", "elapsed": 59.0, "run": RUN}
READY = {**TRAINING, "phase": "ready", "label": "my text, made by you"}


DROP = """text => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], "diary.txt", { type: "text/plain" }));
  const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector("#make textarea").dispatchEvent(event);
}"""


def test_a_pasted_and_a_dropped_text_are_checked_at_once(user: BrowserUser) -> None:
    page = user.page
    given: list[tuple[str, str]] = []

    def check(route: Any) -> None:
        given.append((route.request.url.partition("title=")[2], route.request.post_data))
        route.fulfill(json=CHECKED)

    page.route("**/make/text*", check)
    page.route("**/make/forget", lambda route: route.fulfill(json=NONE))
    user.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_view(user)
    page.evaluate("text => navigator.clipboard.writeText(text)", POEM)
    page.focus("#make textarea")
    page.keyboard.press("Control+V")
    page.wait_for_selector("#make .findings")
    page.get_by_role("button", name="Another text").click()
    page.wait_for_selector("#make textarea")
    page.evaluate(DROP, POEM)
    page.wait_for_selector("#make .findings")
    assert given == [("my%20text", POEM), ("diary", POEM)]


def test_a_queue_says_for_how_long_and_can_be_left(user: BrowserUser) -> None:
    page = user.page
    queue = {"before": 2, "wait": sentence("make.minutes", n=3).as_json()}
    page.route("**/make/state", lambda route: route.fulfill(json={**CHECKED, "phase": "queued", "queue": queue}))
    page.route("**/make/stop", lambda route: route.fulfill(json=CHECKED))
    page.get_by_role("link", name="Make your own").click()
    page.get_by_text("One training runs at a time: 2 before yours, in about 3 minutes.").wait_for()
    page.get_by_role("button", name="Leave the queue").click()
    page.wait_for_selector("#make .findings")


def test_the_same_prompt_is_seen_from_noise_to_voice_with_the_time(user: BrowserUser) -> None:
    page = user.page
    texts = ["xq;f", "the hl", "hill is green"]
    snapshots = [
        {"prompt": "The ", "text": text, "characters_read": 10**n, "minutes": n / 10, "val_loss": 4.0 - n}
        for n, text in enumerate(texts)
    ]
    metrics = [{"seconds": 30, "train_loss": 1.4, "val_loss": 1.5}]
    runs = [{"phase": "training", "snapshots": snapshots[:n], "metrics": []} for n in (0, 1, 2)]
    runs.append({"phase": "training", "snapshots": snapshots, "metrics": metrics})
    shown = iter(runs)
    state = {**TRAINING, "elapsed": 15.2, "run": runs[-1]}
    page.route("**/make/state", lambda route: route.fulfill(json={**state, "run": next(shown, runs[-1])}))
    page.get_by_role("link", name="Make your own").click()
    for text in texts:
        page.locator("#make .sheet", has_text=f"The {text}").wait_for()
    assert page.text_content("#make .left") == "0:45 left"
    page.wait_for_function("document.querySelector('#make .verdict').textContent.includes('below the number to beat')")
    slider = page.get_by_label("How it learned, from noise to voice")
    slider.focus()
    page.keyboard.press("Home")
    assert page.text_content("#make .sheet") == "The xq;f" and "1 character" in page.text_content("#make .facts-line")


def test_a_state_from_before_a_press_that_comes_after_it_is_not_shown(user: BrowserUser) -> None:
    held: list[Any] = []
    page = user.page
    page.route("**/make/state", lambda route: route.fulfill(json=CHECKED))
    page.route("**/make/forget", lambda route: route.fulfill(json=NONE))
    page.get_by_role("link", name="Make your own").click()
    page.wait_for_selector("#make .findings")
    page.route("**/make/state", lambda route: held.append(route))
    user.return_to_chat()
    page.get_by_role("link", name="Make your own").click()
    user.until(lambda: len(held) == 1)
    page.get_by_role("button", name="Another text").click()
    page.wait_for_selector("#make textarea")
    held[0].fulfill(json=CHECKED)
    page.wait_for_timeout(200)
    assert page.is_visible("#make textarea") and page.locator("#make .findings").count() == 0


def test_a_training_that_ended_before_its_stop_can_be_published(user: BrowserUser) -> None:
    """The answer to Stop does not tell who may publish, and no later one was shown."""
    page, states = user.page, [TRAINING]

    def stop(route: Any) -> None:
        states[0] = {**READY, "may_publish": True, "may_sign_in": False, "account": ""}
        route.fulfill(json=READY)

    page.route("**/make/state", lambda route: route.fulfill(json=states[0]))
    page.route("**/make/stop", stop)
    page.get_by_role("link", name="Make your own").click()
    page.locator("#make").get_by_role("button", name="Stop").click()
    page.get_by_text("It is ready").wait_for()
    assert page.locator("#make .publishing").is_visible()


def test_a_server_that_does_not_answer_is_told_once(user: BrowserUser) -> None:
    """The page asks again and again; a screen reader told the sentence each time."""
    asked: list[int] = []
    page = user.page

    def refuse(route: Any) -> None:
        asked.append(1)
        route.abort()

    page.route("**/make/state", refuse)
    page.get_by_role("link", name="Make your own").click()
    page.wait_for_selector("#make [role=alert]:not(:empty)")
    page.evaluate(
        """() => {
          window.told = 0;
          const alert = document.querySelector("#make [role=alert]");
          new MutationObserver((changes) => (told += changes.length)).observe(alert, { childList: true });
        }"""
    )
    before = len(asked)
    user.until(lambda: len(asked) > before + 2)
    assert page.evaluate("told") == 0
    user.errors.clear()  # Chromium's own lines about it
