"""The error of a request that cannot be served."""

from __future__ import annotations


class UserError(ValueError):
    """What cannot be done, in one sentence. field: the control that it stands beside, by the end of its elem_id."""

    def __init__(self, sentence: str, field: str = "message") -> None:
        super().__init__(sentence)
        self.field = field
