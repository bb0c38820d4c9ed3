"""What a corpus suggests to those who use the model: example prompts, speakers, and the form of a turn."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

from hubcharlstm import GenerationConfig
from training.corpus import Corpus

ENOUGH = 8_000_000
"""Characters of a long text that are looked through."""


def suggest(corpus: Corpus, seed: int = 0) -> GenerationConfig:
    """Example prompts from the held-out part, and speakers with a turn's template where the text has them."""
    speakers = find_speakers(corpus.train[:ENOUGH])
    examples = find_examples(corpus.held_out, speakers, seed)
    turns: dict[str, Any] = {}
    if speakers:
        turns = {"turn_template": "STRANGER:\n{message}\n\n{speaker}:\n", "turn_stop": "\n\n"}
    start = "\n" if "\n" in corpus.train[:ENOUGH] else corpus.train[:1]
    return GenerationConfig(start_text=start, examples=tuple(examples), speakers=tuple(speakers), **turns)


def find_speakers(text: str, most: int = 24) -> list[str]:
    """Names that stand alone on a line before a colon, with the lines they speak below; most talkative first.

    Empty unless such turns make up at least half of the paragraphs.
    """
    turns = Counter(re.findall(r"(?:\A|\n\n)([^\W\d_][^\n:.;()\[\]{}<>=]{0,39}):\n(?=[^\n])", text))
    speakers = {name: count for name, count in turns.items() if count > 1}
    spoken = sum(speakers.values())
    if spoken < 8 or spoken < 0.5 * len(re.findall(r"\n\n+(?=[^\n])", text)):
        return []
    return [name for name, _ in Counter(speakers).most_common(most)]


def find_examples(text: str, speakers: list[str], seed: int, count: int = 6) -> list[str]:
    """Beginnings of lines of `text`, chosen by `seed`, and where there are speakers some of their names."""
    draw = random.Random(seed)
    lines = [line for line in dict.fromkeys(text.split("\n")) if line.strip()]
    good = [line for line in lines if 20 <= len(line) <= 200 and line[0].isalnum() and not line.endswith(":")]
    lines = good or [line[:60] for line in lines]
    beginnings = []
    for line in draw.sample(lines, min(count, len(lines))):
        words = line.split(" ")
        beginning = " ".join(words[: max(2, len(words) // 2)]) + " " if len(words) > 3 else line[:16]
        beginnings.append(beginning if beginning.strip() else line)
    names = [f"{name}:\n" for name in draw.sample(speakers[:12], min(2, len(speakers)))]
    return list(dict.fromkeys(names + beginnings))[:count]
