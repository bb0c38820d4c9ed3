"""Generation defaults from a corpus: example prompts, speakers, and the template of a turn."""

from __future__ import annotations

import random
import re
from typing import Any

from hubcharlstm import GenerationConfig
from training.data.corpus import Corpus
from training.data.dialogue import DialogueFormat, find_dialogue

SCANNED_CHARS = 8_000_000
"""Characters of a long text that are searched."""
WHOLE_WORDS = re.compile(r"\w.{0,14}\W")


def suggest(corpus: Corpus, seed: int = 0) -> GenerationConfig:
    """Example prompts from the held-out part, and the speakers and turn template if the text is a dialogue."""
    dialogue = find_dialogue(corpus.train[:SCANNED_CHARS])
    examples = find_examples(corpus.held_out, dialogue, seed)
    turns: dict[str, Any] = {}
    if dialogue:
        turns = {"speakers": dialogue.speakers, "turn_template": dialogue.template, "turn_stop": dialogue.end}
    start = "\n" if "\n" in corpus.train[:SCANNED_CHARS] else corpus.train[:1]
    return GenerationConfig(start_text=start, examples=tuple(examples), **turns)


def find_examples(text: str, dialogue: DialogueFormat | None, seed: int, count: int = 6) -> list[str]:
    """Starts of lines of `text`, drawn by `seed`; in a dialogue also starts of turns."""
    draw = random.Random(seed)
    lines = [line for line in dict.fromkeys(text.split("\n")) if line.strip()]
    stripped = {line: dialogue.strip_head(line) if dialogue else line for line in lines}
    good = [
        line for line in lines if 20 <= len(line) <= 200 and stripped[line][:1].isalnum() and not line.endswith(":")
    ]
    lines = good or [line[:60] for line in lines]
    line_starts = []
    for line in draw.sample(lines, min(count, len(lines))):
        rest = stripped.get(line, line)
        words = rest.split(" ")
        if len(words) > 3:
            start = " ".join(words[: max(2, len(words) // 2)]) + " "
        else:
            whole_words = WHOLE_WORDS.match(rest)
            start = whole_words[0] if whole_words else rest[:16]
        start = line[: len(line) - len(rest)] + start
        line_starts.append(start if start.strip() else line)
    turn_starts: list[str] = []
    if dialogue:
        names = draw.sample(dialogue.speakers[:12], min(2, len(dialogue.speakers)))
        turn_starts = [dialogue.head(name) for name in names]
    return list(dict.fromkeys(turn_starts + line_starts))[:count]
