"""Invented names for the speakers of a dialogue in each epoch, so that a model expects names that it has not read."""

from __future__ import annotations

import re
from functools import cached_property

import numpy as np

from training.data.dialogue import DialogueFormat, find_dialogue
from training.data.encoded import Text

PASSAGE_CHARS = 8_000
"""Of a passage at least, through which a speaker keeps a name."""
LAST_PART = 0.1
"""Of a text, in which `new_speaker_share` looks for speakers who do not occur before it."""

WORD = re.compile(r"[^\W\d_]{3,}")
NUMERAL = re.compile(r"[IVXLC]+")


class SpeakerRenaming:
    """Renames the speakers of `text` in a share of its passages, drawn anew for each epoch by `seed`.

    A passage is some PASSAGE_CHARS characters from the beginning of a turn on, in which a name becomes the same other
    one wherever it stands: before a turn, in upper case, and in what is said. A name is a word of a speaker's that
    the text never writes in lower case: of LADY MACBETH and First Murderer, Macbeth alone. `ValueError` if there is
    none.
    """

    def __init__(self, text: Text, share: float, seed: int) -> None:
        if not isinstance(text, str):
            raise ValueError(
                f"The text has {len(text):,} characters, too many for other names in each epoch; expected one that is "
                "held in memory: leave out --rename-speakers."
            )
        self.text, self.share, self.seed = text, share, seed
        dialogue = find_dialogue(text, max_speakers=len(text))
        names = name_words(text, dialogue) if dialogue else set()
        if not dialogue or not names:
            raise ValueError(
                "The text has no speakers with names of their own in upper and lower case; expected a dialogue such as "
                "a play: leave out --rename-speakers."
            )
        self.names = sorted(names)
        self._letters = set(text)
        self._passages = [0]
        for turn in turn_heads(dialogue).finditer(text):
            if turn.start() - self._passages[-1] >= PASSAGE_CHARS:
                self._passages.append(turn.start())

    @cached_property
    def _places(self) -> list[list[tuple[int, int]]]:
        """Where the names stand, by passage: the start and the end of each."""
        names = set(self.names)
        places: list[list[tuple[int, int]]] = [[] for _ in self._passages]
        for word in WORD.finditer(self.text):
            if word[0].lower() in names and (word[0].isupper() or word[0] == word[0].title()):
                passage = int(np.searchsorted(self._passages, word.start(), side="right")) - 1
                places[passage].append(word.span())
        return places

    def text_of_epoch(self, epoch: int) -> str:
        """The text as epoch `epoch` reads it, of the length of the original: cut, or filled up from its beginning."""
        draw = np.random.default_rng([self.seed, 2, epoch])
        pieces, end = [], 0
        for places in self._places:
            if draw.random() >= self.share:
                continue
            others: dict[str, str] = {}
            for start, stop in places:
                word = self.text[start:stop]
                if word.lower() not in others:
                    others[word.lower()] = self._draw_name(draw, word.lower())
                other = others[word.lower()]
                pieces += [self.text[end:start], other.upper() if word.isupper() else other.title()]
                end = stop
        pieces.append(self.text[end:])
        return ("".join(pieces) + self.text)[: len(self.text)]

    def _draw_name(self, draw: np.random.Generator, name: str) -> str:
        """The beginning of a name and the end of one, in lower case; `name` itself if the text lacks letters for it."""
        head, tail = (self.names[number] for number in draw.integers(len(self.names), size=2))
        other = head[: draw.integers(2, max(3, len(head) - 1))] + tail[draw.integers(1, max(2, len(tail) - 1)) :]
        return other if self._letters.issuperset(other.upper() + other.title()) else name


def turn_heads(dialogue: DialogueFormat) -> re.Pattern[str]:
    """Matches the start of a turn of any speaker, with the group `name`."""
    top = r"(?:\A|(?<=\n\n))" if dialogue.end == "\n\n" else "^"
    return re.compile(top + dialogue.head_pattern, re.MULTILINE)


def name_words(text: str, dialogue: DialogueFormat) -> set[str]:
    """The words of the speakers' names that `text` never writes in lower case, in lower case here."""
    words = {word for speaker in dialogue.speakers for word in WORD.findall(speaker)}
    names = {word for word in words if word.lower() != word.upper() and not NUMERAL.fullmatch(word.upper())}
    return {name.lower() for name in names} - {word for word in WORD.findall(text) if word.islower()}


def new_speaker_share(text: Text) -> float:
    """The share of the turns in the last part of `text` whose speakers have none before it and can be renamed.

    It is what a model of this text has to expect of the next one: 0 in a chat, a third and more in a collection of
    plays.
    """
    if not isinstance(text, str) or not (dialogue := find_dialogue(text, max_speakers=len(text))):
        return 0.0
    names = name_words(text, dialogue)
    turns = list(turn_heads(dialogue).finditer(text))
    begin = (1 - LAST_PART) * len(text)
    before = {turn["name"] for turn in turns if turn.start() < begin}
    last = [turn["name"] for turn in turns if turn.start() >= begin]
    new = [name for name in last if name not in before and names.intersection(WORD.findall(name.lower()))]
    return len(new) / max(1, len(last))
