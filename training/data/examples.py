"""Generation defaults from a corpus: start text, example prompts, speakers, and the template of a turn."""

from __future__ import annotations

import random
import re
from typing import Any

import regex

from hubcharlstm import GenerationConfig
from training.data.corpus import Corpus
from training.data.dialogue import DialogueFormat, find_dialogue
from training.data.kind import kind_of

SCANNED_CHARS = 8_000_000
"""Characters of a long text that are searched."""
KIND_CHARS = 200_000
MIN_STARTS = 5
"""How often a start text must occur, for the model to know what follows it."""
STARTS = ("\n", ". ", "! ", "? ", "。", "！", "؟ ", "। ", " ")
"""What a text may begin after, the best first."""

WHOLE_WORDS = re.compile(r"\w.{0,14}\W")
SENTENCE_END = re.compile(r"(?<=[.!?؟।])[\"'”’»)]* +(?=\S)|(?<=[。！？])")
UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
CLAUSE = regex.compile(r".{2,14}?[，、,：:；;]|.{2,7}")
DEFINITION = re.compile(
    r"(?:(?:export|public|private|static|async|abstract|pub|const|inline|extern) )*"
    r"(?:(?:def|class|function|func|fn|struct|interface|enum|impl|module)\s+[A-Za-z_]\w*\(?"
    r"|(?:int|void|char|bool|double|float|long|unsigned)\s+\**\w+\s*\()"
)
WORD = regex.compile(r"\p{L}[\p{L}\p{M}]{2,}")
FIELD = re.compile(r"([A-Za-z]\w{0,15}):[ \t]?(?=\S)")
MAX_TITLE = 40
"""Characters of a title that may be an example as it is, if there are no six beginnings."""
NUM_EXAMPLES = 6
MAX_CANDIDATES = 5000
MAX_NAME_SPACES = 2
"""In an entry of a list that is a name, of which an example has some letters."""
SAME_PREFIX = 4
"""Two examples that share so many characters are alike."""


def suggest(corpus: Corpus, seed: int = 0) -> GenerationConfig:
    """Example prompts from the held-out part, and the speakers and turn template if the text is a dialogue."""
    sample = corpus.train[:SCANNED_CHARS]
    speakers = corpus.file_stats.speakers if corpus.file_stats else ()
    dialogue = find_dialogue(sample, speakers=speakers)
    kind = kind_of(sample[:KIND_CHARS], speakers)
    text = corpus.held_out
    if kind == "code" and len(_definitions(text)) < NUM_EXAMPLES:  # a module of one function
        text = f"{sample}\n{text}"
    examples = find_examples(text, dialogue, seed, kind=kind)
    turns: dict[str, Any] = {}
    if dialogue:
        turns = {"speakers": dialogue.speakers, "turn_template": dialogue.template, "turn_stop": dialogue.end}
    return GenerationConfig(start_text=start_text(sample), examples=tuple(examples), **turns)


def start_text(text: str) -> str:
    """What an empty prompt starts from: a line break, or in a text of one line the end of a sentence or word."""
    fits = (start for start in STARTS if text.count(start) >= MIN_STARTS)
    return next(fits, next((start for start in STARTS if start in text), text[:1]))


def find_examples(
    text: str, dialogue: DialogueFormat | None, seed: int, count: int = NUM_EXAMPLES, *, kind: str = "prose"
) -> list[str]:
    """Starts of lines or sentences of `text`, drawn by `seed`, as different as can be; in a dialogue also of turns."""
    draw = random.Random(seed)
    turn_starts: list[str] = []
    if dialogue:
        names = draw.sample(dialogue.speakers[:12], min(2, len(dialogue.speakers)))
        turn_starts = [dialogue.head(name) for name in names]
    found = list(dict.fromkeys(turn_starts))
    candidates = _beginnings(text, dialogue, kind)
    draw.shuffle(candidates)
    candidates = candidates[:MAX_CANDIDATES]
    starts = [start for start in (_cut(head, rest, kind) for head, rest in candidates) if start.strip()]
    longer = [head + rest[: rest.rfind(" ") + 1] for head, rest in candidates if " " in rest.strip()]
    titles = [rest for _, rest in candidates if len(rest) <= MAX_TITLE and FIELD.match(rest)]
    for prefix, those in (
        (SAME_PREFIX, starts),
        (2 if kind == "list" else None, starts),
        (None, longer),
        (None, titles),
    ):
        for start in those:
            if len(found) >= count:
                return found
            if start not in found and not any(other[:prefix] == start[:prefix] for other in found):
                found.append(start)
    return found


def _definitions(text: str) -> list[str]:
    """The different lines of a program that begin a function or a class."""
    return [line for line in dict.fromkeys(text.split("\n")) if DEFINITION.match(line)]


def _titles(text: str) -> list[str]:
    """Of records that begin with fields, such as tunes in ABC, the different lines of the field with the most words."""
    records = [record for record in re.split(r"\n\s*\n", text) if record.strip()]
    heads = [record for record in records if FIELD.match(record)]
    if len(heads) < max(MIN_STARTS, 0.5 * len(records)):
        return []
    lines: dict[str, list[str]] = {}
    for line in "\n".join(heads).split("\n"):
        if field := FIELD.match(line):
            lines.setdefault(field[1], []).append(line)
    usual = [those for those in lines.values() if len(those) >= 0.5 * len(heads)]
    return list(dict.fromkeys(max(usual, key=lambda those: sum(len(WORD.findall(line)) for line in those))))


def _beginnings(text: str, dialogue: DialogueFormat | None, kind: str) -> list[tuple[str, str]]:
    """(head of the turn, rest) of lines, or of sentences where lines are few; the best kind that there is."""
    lines = [line for line in dict.fromkeys(text.split("\n")) if line.strip()]
    if len(lines) < MIN_STARTS:
        parts = [part for line in lines for part in SENTENCE_END.split(line) if part.strip()]
        if len(parts) > MIN_STARTS:
            del parts[0]  # the held-out part may begin within a sentence
        lines = list(dict.fromkeys(parts))
    bodies = [dialogue.strip_head(line) if dialogue else line for line in lines]
    pairs = [(line[: len(line) - len(rest)], rest) for line, rest in zip(lines, bodies, strict=True)]
    if not dialogue and len(titles := _titles(text)) >= MIN_STARTS:
        return [("", line) for line in titles]
    if kind == "code" and len(definitions := _definitions(text)) >= MIN_STARTS:
        return [("", line) for line in definitions]
    good = [
        (head, rest)
        for head, rest in pairs
        if 20 <= len(head) + len(rest) <= 200 and rest[:1].isalnum() and not rest.endswith(":")
    ]
    if len(good) >= MIN_STARTS or not pairs:
        return good
    words = [(head, rest[:60]) for head, rest in pairs if rest[:1].isalnum()]
    return [*good, *(words if len(words) >= MIN_STARTS else [(head, rest[:60]) for head, rest in pairs])]


def _cut(head: str, rest: str, kind: str) -> str:
    """The beginning of a line as an example: whole words, a definition, a clause, some letters of a name."""
    if kind == "list" and rest.count(" ") <= MAX_NAME_SPACES:
        return head + rest[: min(3, max(1, len(rest) // 2))]
    definition = DEFINITION.match(rest) if kind == "code" else None
    if definition:
        return head + definition[0]
    if UNSPACED.match(rest) and (clause := CLAUSE.match(rest)):
        return head + clause[0]
    words = rest.split(" ")
    if len(words) > 3:
        return head + " ".join(words[: min(12, max(2, len(words) // 2))]) + " "
    whole_words = WHOLE_WORDS.match(rest)
    return head + (whole_words[0] if whole_words else rest[:16])
