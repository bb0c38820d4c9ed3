"""What a model has read before a text that is inspected, and the text itself as ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hubcharlstm.arguments import checked_text, shown, whole_number
from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.sampling import RandomStream
from hubcharlstm.generation.state import GenerationState
from hubcharlstm.network import State
from hubcharlstm.vocabulary import Encoding, Vocabulary


@dataclass(frozen=True)
class Context:
    """A text and what comes before it.

    text: as encoded. before: ids that are read before the text's first guess, at least one. state: (h, c) before
    them, (num_layers, 1, H) each; None for zeros. clamp: the cells that every step overwrites.
    """

    text: Encoding
    before: tuple[int, ...]
    state: State | None
    parent: GenerationState | None
    clamp: Clamp = ()

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        text: str,
        *,
        start_text: str,
        state: GenerationState | None,
        empty: bool = False,
        clamp: Clamp | None = None,
    ) -> Self:
        """The context of `text` after `state` and then `start_text`. clamp: None for that of the state.

        Raises `ValueError` if no character of `text` can be encoded, unless it may be `empty`.
        """
        checked_text("start_text", start_text)
        encoding = vocabulary.encode(checked_text("text", text))
        if not encoding.ids and not empty:
            dropped = f" ({encoding.describe()})" if encoding.dropped else ""
            raise ValueError(
                f"The text holds nothing that the model can read{dropped}; expected at least one character."
            )
        start = vocabulary.encode(start_text).ids
        if state is None:
            return cls(encoding, start or (0,), None, None, clamp or ())
        return cls(
            encoding, (state.last_id, *start), (state.h, state.c), state, state.clamp if clamp is None else clamp
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Substituted and dropped characters of the text, for a person."""
        return () if self.text.exact else (self.text.describe(),)

    def check_position(self, position: object) -> int:
        """`position` as an `int`; raises `ValueError` if it is no whole number from 0 to the text's length."""
        number = whole_number(position)
        if number is None or not 0 <= number <= len(self.text.ids):
            raise ValueError(
                f"position is {shown(position)}; expected a whole number from 0 to {len(self.text.ids)}, the number of "
                "characters as the model reads them: correct it."
            )
        return number

    def state_at(self, position: int, state: State, last_id: int, fingerprint: str) -> GenerationState:
        """The state to go on from after `position` characters of the text.

        state: (h, c) before `last_id`, the next input. Its random stream is that of seed 0 after what was read.
        """
        ids = (*self.before, *self.text.ids[:position], last_id)
        parent = self.parent
        rng = RandomStream.for_request(0, ids, parent.rng if parent else None)
        return GenerationState(*state, last_id=last_id, rng=rng, held=(), fingerprint=fingerprint, clamp=self.clamp)
