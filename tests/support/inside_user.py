"""A user of the view "Look inside"."""

from __future__ import annotations

from tests.support.browser_app import BrowserUser

TEXT = "To be, or not to be:\nthat is <b>it</b>"

SERIES = {
    "f": "forget_gate", "i": "input_gate", "g": "candidate", "o": "output_gate", "c": "cell", "h": "hidden"
}  # fmt: skip


class Inside:
    """A user of the view."""

    def __init__(self, user: BrowserUser) -> None:
        self.user, self.page = user, user.page

    def open(self, text: str | None = TEXT) -> None:
        self.page.get_by_role("link", name="Look inside").click()
        self.page.wait_for_selector("#inside .char")
        if text is not None:
            self.trace(text)

    def trace(self, text: str) -> None:
        self.page.get_by_label("A text of your own").fill(text)
        self.page.keyboard.press("Enter")
        self.page.wait_for_function("n => document.querySelectorAll('#inside .char').length === n", arg=len(text))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def to_scrubber(self) -> None:
        self.page.focus("#inside-scrubber")

    @property
    def place(self) -> int:
        return int(self.page.input_value("#inside-scrubber"))

    @property
    def unit(self) -> int:
        return int(self.page.get_by_label("Number of the unit").input_value())

    def choose(self, unit: int) -> None:
        self.page.get_by_label("Number of the unit").fill(str(unit))
        self.press("Tab")
        self.page.wait_for_function(
            "n => document.querySelector('#inside .card h2').textContent === `Unit ${n}`", arg=unit
        )

    def term(self, name: str) -> str:
        return str(self.page.text_content(f"#inside .term[data-term='{name}'] .term-value >> nth=0"))

    def explanation(self) -> str:
        return str(self.page.text_content("#inside .explanation"))

    def color(self, at: int) -> str:
        return str(self.page.evaluate("n => document.querySelectorAll('#inside .char')[n].style.backgroundColor", at))


def shown(value: float) -> str:
    return f"{0.0 if abs(value) < 0.0005 else value:.3f}".replace("-", "−")
