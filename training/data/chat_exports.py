"""Exports of chats: messages whose heads have a time -> turns such as `mira: hello`, without the times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from training.data.dialogue import MIN_TURNS, is_label, is_speech, recurs_in_order
from training.data.time_stamps import ANY_STAMP, BRACKETED, COMMA, ENDED, FULL_STAMP, SPACE, STAMP, TIME, WORD

INVISIBLE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
NAME = r"(?P<name>[^\s:<>\[\]][^\n:<>\[\]\t]{0,38}?)"
MODE = r"(?:[@+%&~!](?=[^\s\d]))?"
"""The rank of somebody in a channel."""
PADDED = r"[0-2]\d:\d{2}"
BARE, UNPADDED = re.compile(rf"{PADDED} "), re.compile(r"\d:\d{2} ")
"""`08:21`, which is no verse and no hour of a schedule if these are written 8:21."""
COLON = rf"{SPACE}?(?::(?=\s|$)|：)\s*"
BODY = r"(?P<body>.*)"

INLINE = tuple(
    regex.compile(head + BODY)
    for head in (
        rf"{ANY_STAMP}\s*<(?: |{MODE})(?P<name>[^\s<>][^<>\t]{{0,38}})>\s*",
        rf"(?:{ENDED}{SPACE}[-–—|]{SPACE}|{BRACKETED}\s*|(?:{FULL_STAMP}|{PADDED}),?\s+){NAME}{COLON}",
        rf"{STAMP}\t{MODE}(?P<name>[^\t]{{1,40}})\t",
        rf"{STAMP}{SPACE}+{MODE}(?P<name>[^\s|]{{1,2}}|[^\s|][^|\t]{{0,37}}[^\s|]){SPACE}\|(?:{SPACE}|$)",
        rf"\[(?P<name>[^\[\]]{{1,40}})\]{SPACE}\[{ENDED}\]\s*",
        rf"{NAME}{SPACE}?{BRACKETED}{COLON}",
    )
)
"""IRC; WhatsApp, Signal, Skype and transcripts; weechat and LINE with tabs; weechat with bars, where names are aligned
to the right as no log of programs aligns them; KakaoTalk; `Bob (12:03): hi`."""
BEFORE_NAME = regex.compile(rf"{BRACKETED}{SPACE}*{NAME}")
AFTER_NAME = regex.compile(
    rf"{NAME}(?:(?:,{SPACE}?|{SPACE}+){BRACKETED}|(?:{SPACE}+[-–—·•|]{SPACE}+|{SPACE}{{2,}}|\t){STAMP}"
    # A place, a date and a year begin an entry of a diary.
    rf"|(?:,{SPACE}(?!.*\d{{4}})(?:{WORD}{{1,12}}{SPACE})?|(?<!{COMMA}){SPACE}){FULL_STAMP}):?"
)
BARE_BEFORE_NAME = regex.compile(rf"{FULL_STAMP}\s+{NAME}")
"""`[01/03/2024 8:21 AM] mira`, `mira — Today at 8:21 AM`, `mira, [01.03.2024 8:21]`, then lines of text."""
PROGRAM = r"\s*(?:(?:APP|BOT)\s+)?"
STAMP_LINE = regex.compile(rf"{PROGRAM}(?:{BRACKETED}|{ENDED})\s*")
"""A line that is nothing but a time: the name stands above it, as in Slack, or below, as in Messenger."""
TIME_ONLY = regex.compile(rf"\s*{TIME}\s*")
TIME_LINE = regex.compile(rf"{PROGRAM}{TIME}")
"""Without a date, for a date below a title begins an article."""
NAME_LINE = regex.compile(rf"\s*{NAME}\s*")
STAMPED = regex.compile(rf"{ANY_STAMP}(?:\s|$)")
MIN_SHARE = 0.08
"""Heads per line that is not empty; a message may have many lines."""


@dataclass(frozen=True)
class ChatFormat:
    """How a chat's messages begin.

    head: matches a line that begins a message, with the groups "name" and, where the text follows on the same line,
    "body". in_paragraphs: messages have several lines, so an empty line parts two of them. name_line: where the name
    stands if the time has a line of its own, "above" or "below" it. stamp_line: the shape of such a line. names: known
    ones, for the first message of a chat whose times follow the messages.
    """

    head: regex.Pattern[str]
    in_paragraphs: bool = True
    name_line: str = ""
    stamp_line: str = ""
    names: frozenset[str] = frozenset()

    def turns(self, lines: Iterable[str], speakers: Counter[str]) -> Iterator[str]:
        """The messages of `lines` as `name: text`; notices that have a time and no name are left out.

        speakers: gets the number of messages by name.
        """
        name, said, stamp = "", list[str](), None
        for line in self._with_heads(visible_line(raw) for raw in lines):
            head = self.head.fullmatch(line)
            if head is not None and has_letters(head["name"]):
                yield from self._turn(name, said, speakers)
                name, said, stamp = clean_name(head["name"]), [head.groupdict().get("body") or ""], stamp_shape(line)
            elif stamp is not None and stamp_shape(line) == stamp:  # a notice, such as that somebody has joined
                yield from self._turn(name, said, speakers)
                name, said = "", []
            elif "body" not in self.head.groupindex and TIME_ONLY.fullmatch(line):
                continue  # a later message of the same person, in Slack
            elif line.strip() and name:
                said.append(line.strip("\t").rstrip())
        yield from self._turn(name, said, speakers)

    def _with_heads(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines; a name and a time on two of them are joined to one head."""
        if not self.name_line:
            yield from lines
            return
        above: str | None = None  # the line before, not yet passed on
        is_below = self.name_line == "below"
        for line in (line for line in lines if line.strip()):
            is_stamp = STAMP_LINE.fullmatch(line) is not None
            if is_below and (above is None or STAMP_LINE.fullmatch(above)) and not is_stamp:
                is_name = NAME_LINE.fullmatch(line) and (above is not None or clean_name(line) in self.names)
                above = f"[0:00] {line.strip()}" if is_name else line
            elif not is_below and is_stamp and above and shape(line) == self.stamp_line and NAME_LINE.fullmatch(above):
                above = f"{above.strip()}\t0:00"
            else:
                if above is not None and not STAMP_LINE.fullmatch(above):
                    yield above
                above = line
        if above is not None and not STAMP_LINE.fullmatch(above):
            yield above

    def _turn(self, name: str, said: Sequence[str], speakers: Counter[str]) -> Iterator[str]:
        text = ("\n" if self.in_paragraphs else " ").join(part for part in said if part.strip())
        if name and text.strip():
            speakers[name] += 1
            yield f"{name}: {text.strip()}\n" + ("\n" if self.in_paragraphs else "")


def visible_line(line: str) -> str:
    """A line without marks of direction and order, which exports put before times and names."""
    return INVISIBLE.sub("", line).rstrip("\r\n")


def shape(line: str) -> str:
    """A line with each number as 0 and each word as a: AM is like PM, and March like April."""
    line = re.sub(f"^{PROGRAM}", "", line.rstrip())
    return str(regex.sub(r"\d+", "0", regex.sub(r"\p{L}[\p{L}\p{M}.]*", "a", line)))


def stamp_shape(line: str) -> str | None:
    """The shape of the date and time at the start of a line, None if there is none."""
    stamp = STAMPED.match(line)
    return shape(stamp[0]) if stamp else None


def clean_name(name: str) -> str:
    """A name as people write it: without `~`, numbers of accounts, tags, and odd spaces."""
    name = re.sub(r"[\u00a0\u202f\s]+", " ", name).strip().removeprefix("~").strip()
    name = re.sub(r"^From (.+?)(?: to .+)?$", r"\1", name)  # Zoom
    return re.sub(r"(?: \(edited\)| APP| BOT|#\d{4}|\(\d{5,}\)|[,،])$", "", name).strip()


def find_chat(text: str) -> ChatFormat | None:
    """The format of a chat export of which `text` is the beginning; None if it is none."""
    lines = [visible_line(line) for line in text.split("\n")]
    formats = [ChatFormat(head) for head in (*INLINE, BEFORE_NAME, AFTER_NAME)]
    stamps = [line for line in lines if STAMP_LINE.fullmatch(line)]
    if len(stamps) >= MIN_TURNS:
        shapes = Counter(shape(line) for line in stamps if TIME_LINE.match(line)).most_common(3)
        formats += [ChatFormat(AFTER_NAME, name_line="above", stamp_line=stamp) for stamp, _ in shapes]
        formats.append(ChatFormat(BEFORE_NAME, name_line="below"))
    formats.append(ChatFormat(BARE_BEFORE_NAME))
    for chat in formats:
        if found := _checked(chat, lines):
            return found
    return None


def _checked(chat: ChatFormat, lines: Sequence[str]) -> ChatFormat | None:
    """The format if the lines are a chat in it: a few names that recur, and what they say reads as speech."""
    joined = list(chat._with_heads(lines))
    heads = [head for line in joined if (head := chat.head.fullmatch(line)) and has_letters(head["name"])]
    names = [clean_name(head["name"]) for head in heads]
    regular = Counter({name: count for name, count in Counter(names).items() if count > 1 and not is_label(name)})
    filled = sum(bool(line.strip()) for line in joined)
    if any(BARE.match(head[0]) for head in heads) and sum(bool(UNPADDED.match(line)) for line in joined) > 0.1 * filled:
        return None
    if regular.total() < max(MIN_TURNS, MIN_SHARE * filled, 0.8 * len(names)) or len(regular) < 2:
        return None
    if recurs_in_order(names) or are_programs(regular):
        return None
    turns = list(chat.turns(lines, Counter()))[:-1]  # the last one may be cut
    if len(turns) < 0.5 * len(names) or not is_speech([turn.split(": ", 1)[1] for turn in turns]):
        return None
    several = any("\n" in turn.strip() for turn in turns)
    return replace(chat, in_paragraphs=several, names=frozenset(regular))


def are_programs(names: Iterable[str]) -> bool:
    """Whether names are those of the programs of one host: `server kernel`, `server cron`."""
    words = [name.split() for name in names]
    return all(len(parts) == 2 and parts[0] == words[0][0] and " ".join(parts).islower() for parts in words)


def has_letters(name: str) -> bool:
    """Whether a name has a letter or a digit: `-->` and `*` begin notices."""
    return any(char.isalnum() for char in name)
