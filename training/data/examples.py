"""What a corpus suggests to those who use the model: example prompts, speakers, and the form of a turn."""

from __future__ import annotations

import random
import re
from typing import Any

from hubcharlstm import GenerationConfig
from training.data.corpus import Corpus
from training.data.dialogue import DialogueFormat, find_dialogue

ENOUGH = 8_000_000
"""Characters of a long text that are looked through."""
WHOLE_WORDS = re.compile(r"\w.{0,14}\W")


def suggest(corpus: Corpus, seed: int = 0) -> GenerationConfig:
    """Example prompts from the held-out part, and speakers with a turn's template where the text has them."""
    talk = find_dialogue(corpus.train[:ENOUGH])
    examples = find_examples(corpus.held_out, talk, seed)
    turns: dict[str, Any] = {}
    if talk:
        turns = {"speakers": talk.speakers, "turn_template": talk.template, "turn_stop": talk.end}
    start = "\n" if "\n" in corpus.train[:ENOUGH] else corpus.train[:1]
    return GenerationConfig(start_text=start, examples=tuple(examples), **turns)


def find_examples(text: str, talk: DialogueFormat | None, seed: int, count: int = 6) -> list[str]:
    """Beginnings of lines of `text`, chosen by `seed`, and where people talk in it the names of some."""
    draw = random.Random(seed)
    lines = [line for line in dict.fromkeys(text.split("\n")) if line.strip()]
    said = {line: talk.said(line) if talk else line for line in lines}
    good = [line for line in lines if 20 <= len(line) <= 200 and said[line][:1].isalnum() and not line.endswith(":")]
    lines = good or [line[:60] for line in lines]
    beginnings = []
    for line in draw.sample(lines, min(count, len(lines))):
        rest = said.get(line, line)
        words = rest.split(" ")
        if len(words) > 3:
            beginning = " ".join(words[: max(2, len(words) // 2)]) + " "
        else:
            whole_words = WHOLE_WORDS.match(rest)
            beginning = whole_words[0] if whole_words else rest[:16]
        beginning = line[: len(line) - len(rest)] + beginning
        beginnings.append(beginning if beginning.strip() else line)
    names = [talk.head(name) for name in draw.sample(talk.speakers[:12], min(2, len(talk.speakers)))] if talk else []
    return list(dict.fromkeys(names + beginnings))[:count]
