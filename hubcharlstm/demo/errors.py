"""The exception of a request that the app refuses."""

from __future__ import annotations

from hubcharlstm.demo.words.catalogue import Sentence


class UserError(ValueError):
    """A refusal in one sentence; its text is English.

    field: the control that the page shows it beside, by the end of its elem_id.
    """

    def __init__(self, sentence: str | Sentence, field: str = "message") -> None:
        super().__init__(sentence)
        self.field = field
