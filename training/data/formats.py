"""Parsers of text files that are not plain text: subtitles, JSON lines, CSV, and chat exports in JSON.

Each takes the decoded lines of a file and yields its text in pieces that end with a line end.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

Lines = Iterable[str]
Parser = Callable[[Lines], Iterator[str]]

TEXT_COLUMNS = (
    "text", "content", "body", "message", "sentence", "lyrics", "story", "document", "article", "poem", "quote",
    "tweet", "review", "comment", "name",
)  # fmt: skip
"""Names under which data sets have their text, the likeliest first."""
SPEAKER_KEYS = ("from", "sender_name", "author", "speaker", "user")

CUE_TIME = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}(?:\s.*)?")
TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,80}>|<\d+:[\d:.]+>|\{\\[^{}\n]{0,80}\}")


def parser_for(name: str, head: str, text_column: str | None, speakers: Counter[str]) -> tuple[str, Parser] | None:
    """(what a file is, its parser); None for plain text. head: its beginning, some kilobytes.

    text_column: of CSV and JSON lines. speakers: gets the number of turns of a chat by name. Raises `ValueError` if
    such a file has no column of that name.
    """
    lower = name.lower()
    if lower.endswith((".srt", ".vtt")) or _is_subtitles(head):
        return "subtitles, without numbers and times", parse_subtitles
    if lower.endswith((".jsonl", ".ndjson")) or _is_json_lines(head):
        return "JSON lines", lambda lines: parse_json_lines(lines, name, text_column)
    if lower.endswith((".csv", ".tsv", ".tab")):
        return "CSV", lambda lines: parse_csv(lines, name, text_column)
    if lower.endswith(".json"):
        return "JSON", lambda lines: parse_json(lines, name, text_column, speakers)
    return None


def _is_subtitles(head: str) -> bool:
    lines = [line for line in head.lstrip("\ufeff").splitlines() if line.strip()][:400]
    return sum(bool(CUE_TIME.fullmatch(line)) for line in lines) >= max(2, len(lines) // 8)


def _is_json_lines(head: str) -> bool:
    lines = [line for line in head.splitlines()[:-1] if line.strip()][:20]
    return len(lines) >= 2 and all(isinstance(_parsed(line), dict) for line in lines)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def parse_subtitles(lines: Lines) -> Iterator[str]:
    """What is said: without numbers, times, notes and formatting tags; an empty line between two cues."""
    cue: list[str] = []
    in_cue, wrote = False, False
    for raw in chain(lines, [""]):
        line = raw.strip()
        if CUE_TIME.fullmatch(line):
            cue, in_cue = [], True  # what stood before it was a number or a name
        elif line and in_cue:
            cue.append(TAG.sub("", line).strip())
        elif not line:
            said = [part for part in cue if part]
            if said:
                yield ("\n" if wrote else "") + "\n".join(said) + "\n"
                wrote = True
            cue, in_cue = [], False


def parse_json_lines(lines: Lines, name: str, text_column: str | None) -> Iterator[str]:
    """The text of each object, by `text_column` or by the usual names."""

    def records() -> Iterator[Any]:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                record = _parsed(line)
                if not isinstance(record, (dict, str)):
                    raise ValueError(
                        f"{name} has a line {number} that is no JSON object; expected one in each line: correct it, or "
                        "give the file another ending to read it as plain text."
                    )
                yield record

    yield from separated(_texts(records(), name, text_column))


def parse_json(lines: Lines, name: str, text_column: str | None, speakers: Counter[str]) -> Iterator[str]:
    """A list of objects or texts, or a chat export with "messages" (Telegram, Messenger)."""
    data = _parsed("".join(lines))
    messages = data.get("messages") if isinstance(data, dict) else data
    if not isinstance(messages, list):
        raise ValueError(
            f'{name} is JSON without a list of texts or "messages"; expected one: extract the text, or give the file '
            "another ending to read it as plain text."
        )
    is_messenger = any(isinstance(message, dict) and "timestamp_ms" in message for message in messages)
    if is_messenger:
        messages = [_repaired(message) for message in reversed(messages)]  # newest first, UTF-8 escaped as Latin-1
    yield from separated(_texts(messages, name, text_column, speakers))


def _repaired(message: Any) -> Any:
    if not isinstance(message, dict):
        return message

    def repair(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return value.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return value

    return {key: repair(value) for key, value in message.items()}


def _texts(
    records: Iterable[Any], name: str, text_column: str | None, speakers: Counter[str] | None = None
) -> Iterator[str]:
    column = text_column
    for record in records:
        if isinstance(record, str):
            yield record
            continue
        if not isinstance(record, dict):
            continue
        if column is None or (text_column is None and column not in record):
            column = _column(record.keys(), name, required=column is None)
        elif column not in record:
            raise _no_column(name, column, record.keys())
        said = _plain(record.get(column)) if column else ""
        speaker = next((record[key] for key in SPEAKER_KEYS if isinstance(record.get(key), str)), None)
        if said.strip():
            if speaker and speakers is not None:
                speakers[speaker] += 1
                said = f"{speaker}: {said.strip()}"
            yield said


def _plain(value: Any) -> str:
    """Telegram writes a text with links as a list of texts and objects."""
    if isinstance(value, list):
        return "".join(_plain(part.get("text", "") if isinstance(part, dict) else part) for part in value)
    return value if isinstance(value, str) else ""


def parse_csv(lines: Lines, name: str, text_column: str | None) -> Iterator[str]:
    """One column of a table with a heading; the delimiter is the commonest of tab, comma and semicolon in it."""
    iterator = iter(lines)
    heading = next(iterator, "")
    delimiter = max("\t,;", key=heading.count)
    columns = [column.strip().lstrip("\ufeff") for column in next(csv.reader([heading], delimiter=delimiter), [])]
    place = columns.index(choose_column(columns, name, text_column))

    def texts() -> Iterator[str]:
        previous = csv.field_size_limit(2**31 - 1)
        try:
            for row in csv.reader(iterator, delimiter=delimiter):
                if place < len(row) and row[place].strip():
                    yield row[place]
        finally:
            csv.field_size_limit(previous)

    yield from separated(texts())


def choose_column(columns: Iterable[str], name: str, text_column: str | None) -> str:
    """The column of texts that `text_column` names, or one with a usual name; raises `ValueError` if there is none."""
    known = list(columns)
    column = text_column if text_column is not None else _column(known, name, required=True)
    if column not in known:
        raise _no_column(name, column, known)
    return column


def _column(columns: Iterable[str], name: str, *, required: bool) -> str:
    known = list(columns)
    lower = {column.lower(): column for column in reversed(known)}
    for wanted in TEXT_COLUMNS:
        if wanted in lower:
            return lower[wanted]
    if len(known) == 1:
        return known[0]
    if required:
        raise _no_column(name, None, known)
    return ""


def _no_column(name: str, column: str | None, columns: Iterable[str]) -> ValueError:
    listed = ", ".join(list(columns)[:12])
    wanted = f"no column {column!r}" if column else "no column with a usual name for text"
    return ValueError(f"{name} has {wanted}; expected one of {listed}: name it with --text-column.")


def separated(texts: Iterable[str]) -> Iterator[str]:
    """Records of one line each follow one another; from the first of several lines on, an empty line parts them."""
    in_paragraphs = False
    for number, text in enumerate(texts):
        text = text.strip("\r\n")
        in_paragraphs = in_paragraphs or "\n" in text
        yield ("\n" if number and in_paragraphs else "") + text + "\n"


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces of text cut into lines that end with a line feed, whatever they ended with."""
    pending = ""
    for piece in pieces:
        pending += piece
        is_cut = pending.endswith("\r")  # a line feed may follow
        whole = pending[:-1] if is_cut else pending
        *lines, rest = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        pending = rest + ("\r" if is_cut else "")
        yield from (f"{line}\n" for line in lines)
    if pending:
        yield f"{pending.rstrip(chr(13))}\n"
