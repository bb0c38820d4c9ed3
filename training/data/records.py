"""Whether a text is made of records: a list of short lines, sorted entries, or records of several lines."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

MIN_LINES, MAX_LIST_LINE, MAX_BLANK_SHARE, MAX_SAME_LENGTH = 100, 60, 0.02, 0.7
LONG_LINE = 30
"""Many lines of one length, of more characters than that, are a wrapped record, such as DNA."""
PUNCTUATED = re.compile(r"[.,;:!?…。，、！？؟]$")
UNSPACED_VERSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{4,}")
"""Lines of one length are verse where words are not spaced, unless they are short enough for a name."""

MIN_SORTED, MIN_INITIALS, MAX_RUNS, MIN_RUN = 20, 5, 1.5, 3
"""Of sorted entries: how many there are, with how many initials, in how many runs of one, each of how many entries."""
MIN_FOLLOWING, MIN_GAIN, SCANNED_LINES = 0.9, 0.2, 20_000


def is_list(text: str) -> bool:
    """Whether a text is a list: short lines one below the other, each a record of its own, without paragraphs."""
    lines = text.split("\n")
    filled = _filled(lines)
    if len(filled) < MIN_LINES or len(lines) - len(filled) - 1 > MAX_BLANK_SHARE * len(lines):
        return False
    lengths = sorted(map(len, filled))
    if lengths[len(lengths) * 9 // 10] > MAX_LIST_LINE or _is_wrapped(filled, lengths):
        return False
    punctuated = sum(bool(PUNCTUATED.search(line)) for line in filled)
    indented = sum(line[0] in " \t" for line in filled)
    different = len(set(filled))
    return punctuated < 0.2 * len(filled) and indented < 0.1 * len(filled) and different > 0.5 * len(filled)


def _is_wrapped(filled: Sequence[str], lengths: Sequence[int]) -> bool:
    """Whether the lines have one length because a longer text or verse was cut there; sorted lines have not."""
    median = lengths[len(lengths) // 2]
    if lengths.count(median) <= MAX_SAME_LENGTH * len(lengths) or is_sorted(filled):
        return False
    return median > LONG_LINE or sum(bool(UNSPACED_VERSE.match(line)) for line in filled) > 0.5 * len(filled)


def has_sorted_lines(text: str) -> bool:
    """Whether the lines of a text are sorted, whatever their length and the empty lines between them."""
    return is_sorted(_filled(text.split("\n")))


def has_sorted_paragraphs(text: str) -> bool:
    """Whether the paragraphs of a text are sorted, as the entries of a dictionary are."""
    return is_sorted(_filled(re.split(r"\n\s*\n", text)))


def is_sorted(entries: Sequence[str]) -> bool:
    """Whether different entries with one initial follow one another: up or down, in the order of any language."""
    initials = [entry[0].casefold() for entry in dict.fromkeys(entries)]
    kinds = len(set(initials))
    if len(initials) < max(MIN_SORTED, MIN_RUN * kinds) or kinds < MIN_INITIALS:
        return False
    runs = 1 + sum(one != other for one, other in pairwise(initials))
    return runs <= MAX_RUNS * kinds


def has_fields(text: str) -> bool:
    """Whether the lines of a list are fields of longer records: the kind of a line tells that of the next."""
    shapes = [_shape(line) for line in _filled(text.split("\n", SCANNED_LINES)[:SCANNED_LINES])]
    if len(set(shapes)) < 2:
        return False
    followers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one, other in pairwise(shapes):
        followers[one][other] += 1
    following = sum(max(counts.values()) for counts in followers.values()) / (len(shapes) - 1)
    usual = max(Counter(shapes).values()) / len(shapes)
    return following >= MIN_FOLLOWING and following - usual >= MIN_GAIN


def _shape(line: str) -> str:
    """The label of a line such as `city: Rome`, else the kind of its first character."""
    label = re.match(r"[^:=\t]{1,30}(?=[:=\t])", line)
    if label:
        return re.sub(r"\d+", "0", label[0])
    first = line.lstrip()[0]
    return "letter" if first.isalpha() else "digit" if first.isdigit() else first


def _filled(entries: Sequence[str]) -> list[str]:
    return [entry for entry in entries if entry.strip()]
