"""Exports of chats: messages whose heads have a time -> turns such as `mira: hello`, without the times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from training.data.dialogue import MIN_TURNS, is_label, is_speech, recurs_in_order

INVISIBLE = "\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
GAP = r"[ \u00a0\u202f]"
HALF = r"(?:[AaPp]\.?[ \u00a0\u202f]?[Mm]\.?|上午|下午|午前|午後|오전|오후|vorm\.|nachm\.|π\.?μ\.?|μ\.?μ\.?|[صم])"
TIME = rf"(?:{HALF}{GAP}?)?\d{{1,2}}[:.h]\d{{2}}(?:[:.]\d{{2}})?(?:[.,]\d{{1,6}})?(?:{GAP}?{HALF})?(?:{GAP}?Uhr)?"
MONTH = r"[^\W\d_]{3,12}\.?"
DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\.?|\d{1,4}[年년]" + GAP + r"?\d{1,2}[月월]" + GAP + r"?\d{1,2}[日일]"
    rf"|{MONTH}{GAP}\d{{1,2}},?(?:{GAP}\d{{4}})?|\d{{1,2}}\.?{GAP}(?:de{GAP})?{MONTH}(?:{GAP}(?:de{GAP})?\d{{4}})?)"
)
DAY = rf"(?:{MONTH}{GAP}(?:at|um|à|a las|alle){GAP})"  # "Today at"
ZONE = r"(?:Z|[+-]\d{2}:?\d{2}|" + GAP + r"UTC)?"
STAMP = rf"(?:{DATE}(?:,?{GAP}+|T|{GAP}[-–]{GAP}|,?{GAP}(?:um|à|at|kl\.|alle|ore){GAP})|{DAY})?{TIME}{ZONE}"
BRACKETED = rf"(?:\[{STAMP}\]|\({STAMP}\))"
ANY_STAMP = rf"(?:{BRACKETED}|{STAMP})"
NAME = r"(?P<name>[^\s:<>\[\]][^\n:<>\[\]\t]{0,38}?)"

INLINE = tuple(
    re.compile(rf"{head}(?P<body>.*)")
    for head in (
        rf"(?:{ANY_STAMP}[ \t]*)?<[ @+%&~!]?(?P<name>[^\s<>]{{1,40}})>[ \t]*",
        rf"{ANY_STAMP}{GAP}*(?:[-–—|]{GAP}*)?{NAME}{GAP}?(?::(?=\s|$)|：){GAP}*",
        rf"{ANY_STAMP}\t[ @+%&~!]?(?P<name>[^\t\n]{{1,40}})\t",
        rf"\[(?P<name>[^\[\]\n]{{1,40}})\]{GAP}\[{STAMP}\]{GAP}*",
    )
)
"""`12:03 <bob> hi`, `2024-01-02, 12:03 - Bob: hi`, weechat and LINE with tabs, KakaoTalk `[Bob] [12:03] hi`."""
ALONE = tuple(
    re.compile(head)
    for head in (
        rf"{BRACKETED}{GAP}*{NAME}",
        rf"{NAME}(?:,{GAP}?|{GAP}+[-–—]{GAP}+|{GAP}+|\t+){ANY_STAMP}",
        rf"{DATE},?{GAP}+{TIME}{GAP}+{NAME}",
    )
)
"""`[01/03/2024 8:21 AM] mira`, `mira — Today at 8:21 AM`, `mira, [01.03.2024 8:21]`, then lines of text."""
STAMPED = re.compile(rf"{ANY_STAMP}(?:\s|$)")
MIN_SHARE = 0.08
"""Heads per line that is not empty; a message may have many lines."""


@dataclass(frozen=True)
class ChatFormat:
    """How a chat's messages begin.

    head: matches a line that begins a message, with the groups "name" and, where the text follows on the same line,
    "body". in_paragraphs: messages have several lines, so an empty line parts two of them.
    """

    head: re.Pattern[str]
    in_paragraphs: bool

    def turns(self, lines: Iterable[str], speakers: Counter[str]) -> Iterator[str]:
        """The messages of `lines` as `name: text`; notices that have a time and no name are left out.

        speakers: gets the number of messages by name.
        """
        name, said, stamp = "", list[str](), None
        for raw in lines:
            line = visible_line(raw)
            head = self.head.fullmatch(line)
            if head is not None and has_letters(head["name"]):
                yield from self._turn(name, said, speakers)
                name, said, stamp = clean_name(head["name"]), [head.groupdict().get("body") or ""], stamp_shape(line)
            elif stamp is not None and stamp_shape(line) == stamp:  # a notice, such as that somebody has joined
                yield from self._turn(name, said, speakers)
                name, said = "", []
            elif line.strip() and name:
                said.append(line.rstrip())
        yield from self._turn(name, said, speakers)

    def _turn(self, name: str, said: Sequence[str], speakers: Counter[str]) -> Iterator[str]:
        text = ("\n" if self.in_paragraphs else " ").join(part for part in said if part.strip())
        if name and text.strip():
            speakers[name] += 1
            yield f"{name}: {text.strip()}\n" + ("\n" if self.in_paragraphs else "")


def visible_line(line: str) -> str:
    """A line without marks of direction and order, which exports put before times and names."""
    return re.sub(rf"[{INVISIBLE}]", "", line).rstrip("\r\n")


def stamp_shape(line: str) -> str | None:
    """The date and time at the start of a line with each number as 0, None if there is none."""
    stamp = STAMPED.match(line)
    return re.sub(r"\d+", "0", stamp[0]) if stamp else None


def clean_name(name: str) -> str:
    """A name as people write it: without `~`, tags, and odd spaces."""
    name = re.sub(r"[\u00a0\u202f\s]+", " ", name).strip().removeprefix("~").strip()
    return re.sub(r" (?:\(edited\)|APP|BOT)$", "", name)


def find_chat(text: str) -> ChatFormat | None:
    """The format of a chat export of which `text` is the beginning; None if it is none."""
    lines = [visible_line(line) for line in text.split("\n")]
    filled = [line for line in lines if line.strip()]
    for head in (*INLINE, *ALONE):
        heads = [match for line in lines if (match := head.fullmatch(line)) and has_letters(match["name"])]
        if sum(_has_time(match) for match in heads) < 0.9 * len(heads):
            continue  # a chat without times is left as it is
        names = [clean_name(match["name"]) for match in heads]
        regular = Counter({name: count for name, count in Counter(names).items() if count > 1 and not is_label(name)})
        if regular.total() < max(MIN_TURNS, MIN_SHARE * len(filled), 0.8 * len(names)) or len(regular) < 2:
            continue
        if recurs_in_order(names):
            continue
        chat = ChatFormat(head, in_paragraphs=True)
        turns = list(chat.turns(lines, Counter()))[:-1]  # the last one may be cut
        if is_speech([turn.split(": ", 1)[1] for turn in turns]):
            return ChatFormat(head, in_paragraphs=any("\n" in turn.strip() for turn in turns))
    return None


def _has_time(head: re.Match[str]) -> bool:
    body = head.groupdict().get("body") or ""
    return bool(re.search(r"\d[:.h]\d\d", head[0][: len(head[0]) - len(body)]))


def has_letters(name: str) -> bool:
    """Whether a name has a letter or a digit: `-->` and `*` begin notices."""
    return any(char.isalnum() for char in name)
