"""Find the speakers of a text and the format of a turn: plays, chats, interviews."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

MAX_SPEAKERS = 24
MIN_TURNS = 8
MIN_SHARE = 0.12
"""Turns per line of a text whose turns have several lines."""

# --- what may start a turn ----------------------------------------------------------------------------------------

NAME = (
    r"(?:(?:[^\W\d_]{1,4}\. ){0,2}[^\W\d_][^\n:：.,;?!\"()\[\]{}<>=/|*]{0,39}?(?:(?<= [^\W\d_])\.)?"
    r"|\+\d[\d ()-]{6,18}\d)"
)
"""With titles before it and an initial after it, or the telephone number of somebody without a name."""
NICK = r"[^\s<>=/](?:[^\n<>=/\"\t]{0,38}[^\s<>=/\"])?"
RANK = r"(?:[ @%&~]|\+(?!\d))?"
DATE = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
TIME = r"\d{1,2}[:.]\d{2}(?::\d{2})?(?:[ \u202f]?[APap]\.?[Mm]\.?)?"
LONG_TIME = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[ \u202f]?[APap]\.?[Mm]\.?)?|[ \u202f]?[APap]\.?[Mm]\.?)"
"""With seconds or a half of the day, unlike the number of a verse."""
STAMP = rf"\u200e?(?:\[(?:{DATE},? )?{TIME}\]|(?:{DATE},? {TIME}(?: [-–])?|{TIME} [-–]|{LONG_TIME}|[0-2]\d:\d\d)) "
TOP = r"(?:\A|(?<=\n\n))(?P<prefix>)"
BODY = r"(?P<body>\S.*)"

PARAGRAPHS = (
    re.compile(rf"{TOP}(?P<name>[^\W\d_][^\n:.;()\[\]{{}}<>=]{{0,39}})(?P<suffix>:\n){BODY}"),
    re.compile(rf"{TOP}(?![IVXLCDM]+\.)(?P<name>[^\Wa-z\d_][^\Wa-z\d_ '’-]{{1,39}})(?P<suffix>\.\n){BODY}"),
)
"""The formats of plays: `NAME:` or `NAME.` alone on the first line of a paragraph."""
LINES = tuple(
    re.compile(rf"^{head}{BODY}", re.MULTILINE)
    for head in (
        rf"(?P<prefix>{STAMP}<{RANK})(?P<name>{NICK})(?P<suffix>>[ \t]+)",
        rf"(?P<prefix>{STAMP})(?P<name>[^\n:<>\[\]{{}}]{{1,40}}?)(?P<suffix> ?:[ \t]+)",
        rf"(?P<prefix><{RANK})(?P<name>{NICK})(?P<suffix>>[ \t]+)",
        rf"(?P<prefix>\*\*)(?P<name>{NAME})(?P<suffix>(?: ?:\*\*|\*\* ?:)(?:[ \t]+|\n))",
        rf"(?P<prefix>)(?P<name>{NAME})(?P<suffix> ?:[ \t]+|：[ \t]*)",
    )
)
"""`[12:03] <bob> Hi`, `2024-01-02, 12:03 - Bob: Hi`, `<bob> Hi`, `**Bob:** Hi`, `Bob: Hi`."""
NAME_LINES = re.compile(rf"^(?P<prefix>)(?P<name>{NAME})(?P<suffix> ?[:：]\n){BODY}", re.MULTILINE)
"""`Bob:` alone on its line, which need not begin a paragraph."""

LABELS = frozenset(
    # fields of letters and of records; levels of logs; kinds of changes; parts of books, songs, recipes; code; HTML
    re.findall(
        r"\S+",
        """
        from to cc bcc subject date sent received reply-to message-id author authors commit merge title name
        description version license summary url link source note notes
        warning error info debug trace fatal critical notice warn todo fixme hint tip example usage
        feat fix docs chore refactor test tests style ci build perf revert added fixed fixes changed removed deprecated
        enhancements release releases
        chapter part section book volume canto psalm page figure table step day week verse chorus bridge refrain intro
        outro hook pre-chorus scene act stanza ingredients method instructions directions serves rule lesson exercise
        public private protected else try finally default li td tr th div br em span dt dd option
        """,
    )
)
ENDING_NUMBER = re.compile(r"[\s.#]*(?:\d+|[IVXLC]+)$")
LETTERS = r"\p{L}[\p{L}\p{M}\u200c\u200d]*"
WORD = regex.compile(rf"(?<!\S)[\"'“‘«¿¡(]*{LETTERS}(?:['’-]{LETTERS})*[.,;:!?…،؛؟।॥\"'”’»)]*(?!\S)")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{3}")
SIGNS = re.compile(r"[\d=_{}|\\<>\[\]]|::|[;,{]$")


@dataclass(frozen=True)
class DialogueFormat:
    """The format of a turn: `prefix`, a name, `suffix`, what is said, and `end`.

    speakers: by number of turns, but the interviewer of an interview last. user: the name for the user's turns.
    """

    speakers: tuple[str, ...]
    user: str
    prefix: str
    suffix: str
    end: str

    def head(self, name: str) -> str:
        """The start of a turn of `name`."""
        return f"{self.prefix}{name}{self.suffix}"

    def strip_head(self, line: str) -> str:
        """`line` without the start of a turn, if it has one."""
        head = re.match(self.head_pattern, line)
        return line[head.end() :] if head else line

    @property
    def head_pattern(self) -> str:
        """A regular expression for the start of a turn of anybody, with the group `name`; any number fits another."""
        prefix, suffix = (re.sub(r"\d+", r"\\d+", re.escape(part)) for part in (self.prefix, self.suffix))
        return rf"{prefix}(?P<name>[^\n]{{1,40}}?){suffix}"

    @property
    def template(self) -> str:
        """With {message} and {speaker}, as `generation_config.json` has it."""
        return f"{self.head(self.user)}{{message}}{self.end}{self.head('{speaker}')}"


def find_dialogue(text: str, max_speakers: int = MAX_SPEAKERS, speakers: Collection[str] = ()) -> DialogueFormat | None:
    """The dialogue format of `text`; None unless turns make up at least half of its paragraphs or lines.

    speakers: names that are known to be those of turns such as `mira: hello`; then no other is looked for.
    """
    if speakers:
        names = "|".join(re.escape(name) for name in sorted(speakers, key=len, reverse=True))
        known = re.compile(rf"^(?P<prefix>)(?P<name>{names})(?P<suffix>: ){BODY}", re.MULTILINE)
        turns = list(known.finditer(text))
        return _format(text, turns, Counter(turn["name"] for turn in turns), max_speakers) if turns else None
    for pattern in (*PARAGRAPHS, *LINES, NAME_LINES):
        turns = list(pattern.finditer(text))
        if dialogue := _dialogue(text, turns, max_speakers, alone=pattern in PARAGRAPHS):
            return dialogue
    return None


def has_turns_of_lines(text: str) -> bool:
    """Whether `text` is a dialogue whose turns begin in the middle of a line of their own, as a chat's do."""
    return any(_dialogue(text, list(pattern.finditer(text)), 1, alone=False) for pattern in LINES)


def _dialogue(text: str, turns: list[re.Match[str]], max_speakers: int, *, alone: bool) -> DialogueFormat | None:
    """alone: the names are alone on their line, which is rare outside plays."""
    counts = Counter(turn["name"] for turn in turns)
    least = 2 if alone else max(2, len(turns) // 500)
    counts = Counter({name: count for name, count in counts.items() if count >= least})
    turns = [turn for turn in turns if turn["name"] in counts]
    if len(turns) < MIN_TURNS or sum(counts[name] for name in counts if is_label(name)) > 0.5 * len(turns):
        return None
    pieces = r"\n\n+(?=[^\n])" if _end_of_turns(text, turns) == "\n\n" else r"^.*\S"
    share = len(turns) / max(1, len(re.findall(pieces, text, re.MULTILINE)))
    if share < 0.5 and (alone or share < MIN_SHARE or not _take_turns(turns, counts)):
        return None
    names = [turn["name"] for turn in turns]
    if not alone and (len(counts) < 2 or not is_speech([turn["body"] for turn in turns]) or recurs_in_order(names)):
        return None
    return _format(text, turns, counts, max_speakers)


def _take_turns(turns: list[re.Match[str]], counts: Counter[str]) -> bool:
    """Whether a few names take turns, as in a chat whose messages have several lines."""
    changes = sum(one["name"] != other["name"] for one, other in pairwise(turns))
    return len(counts) <= len(turns) / 6 and min(counts.values()) >= 3 and changes >= 0.3 * len(turns)


def _end_of_turns(text: str, turns: list[re.Match[str]]) -> str:
    apart = sum(text.endswith("\n\n", 0, turn.start()) or turn.start() == 0 for turn in turns)
    return "\n\n" if apart >= 0.8 * len(turns) else "\n"


def _format(text: str, turns: list[re.Match[str]], counts: Counter[str], max_speakers: int) -> DialogueFormat:
    names = [name for name, _ in counts.most_common()]
    asker = _asker(turns, counts)
    if asker:
        names = [*(name for name in names if name != asker), asker]
    prefix, suffix = (_usual([turn[part] for turn in turns]) for part in ("prefix", "suffix"))
    user = asker or _stranger(counts, text)
    return DialogueFormat(tuple(names[:max_speakers]), user, prefix, suffix, _end_of_turns(text, turns))


def is_label(name: str) -> bool:
    """Whether a name is that of a field or a log level, not of a person."""
    words = [word.lower() for word in (name, ENDING_NUMBER.sub("", name), *name.split(), *re.split(r"[\s./_]+", name))]
    return any(word in LABELS for word in words)


def is_speech(bodies: Sequence[str]) -> bool:
    """Whether what follows the names reads as speech, not as values, numbers or code."""
    worded = sum(len(WORD.findall(body)) >= 3 or bool(UNSPACED.search(body)) for body in bodies)
    technical = sum(bool(SIGNS.search(body)) for body in bodies)
    return worded >= 0.4 * len(bodies) and technical <= 0.5 * len(bodies)


def recurs_in_order(names: Sequence[str]) -> bool:
    """Whether three or more names recur in the same order, as the fields of a record do."""
    followers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one, other in pairwise(names):
        followers[one][other] += 1
    usual = sum(counts.most_common(1)[0][1] for counts in followers.values())
    return len(followers) > 2 and usual >= 0.9 * (len(names) - 1)


def _asker(turns: list[re.Match[str]], counts: Counter[str]) -> str:
    """The name of the interviewer, "" if the text is no interview."""
    asked = Counter(turn["name"] for turn in turns if turn["body"].rstrip("\"'”» *_").endswith(("?", "？", "؟")))
    for name, count in asked.most_common(1):
        others = (asked.total() - count) / max(1, len(turns) - counts[name])
        share = count / counts[name]
        if counts[name] >= 0.25 * len(turns) and share >= 0.5 and share > 2 * others:
            return name
    return ""


def _stranger(counts: Counter[str], text: str) -> str:
    """A new name in the case of the others; one of the speakers' names if the text lacks the letters for it."""
    cased = Counter({name: count for name, count in counts.items() if name.lower() != name.upper()})
    upper, lower = (
        sum(count for name, count in cased.items() if style(name) == name) for style in (str.upper, str.lower)
    )
    most = 0.5 * cased.total()
    stranger = "STRANGER" if upper > most else "stranger" if lower > most else "Stranger"
    return stranger if set(stranger) <= set(text) else counts.most_common(2)[-1][0]


def _usual(parts: list[str]) -> str:
    """The last of the parts with the most common shape; numbers differ in no shape."""
    shapes = [re.sub(r"\d+", "0", part) for part in parts]
    shape = Counter(shapes).most_common(1)[0][0]
    return next(part for part, its in zip(reversed(parts), reversed(shapes), strict=True) if its == shape)
