"""Texts of many kinds as people have them on their disks: chats, interviews, and what only looks like them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from training.data.corpus import load_corpus

WHO = ("alice", "bob", "carol")


def sayings(count: int, seed: int = 0) -> list[str]:
    """So many lines of Macbeth, plain sentences."""
    lines = [line for line in load_corpus("macbeth").train[:].split("\n") if len(line) > 20 and line[-1] in ".?!,"]
    return random.Random(seed).choices(lines, k=count)


def turns(names: tuple[str, ...], count: int = 200) -> Iterator[tuple[str, str]]:
    """Who speaks and what; the same person may speak twice, and now and then says next to nothing."""
    draw = random.Random(1)
    for text in sayings(count):
        yield draw.choice(names), draw.choice((text, text, text, text, "ok", "lol yes"))


def asked_and_answered(count: int = 100) -> Iterator[tuple[str, str]]:
    lines = sayings(2 * count)
    for question, answer in zip(lines[::2], lines[1::2], strict=True):
        yield question.rstrip(".,!") + "?", answer.replace("?", ".")


def chat() -> str:
    return "".join(f"{name}: {text}\n" for name, text in turns(WHO))


def spaced_chat() -> str:
    return "".join(f"{name.upper()}: {text}\nand more of it\n\n" for name, text in turns(("Ann", "Mr. Fox", "Örn Ó")))


def irc() -> str:
    draw = random.Random(2)
    lines = [f"[12:{n % 60:02}] <{draw.choice(' @')}{name}> {text}" for n, (name, text) in enumerate(turns(WHO))]
    return "\n".join(line.replace("< ", "<") for line in lines) + "\n[12:59] * alice has left\n"


def android() -> str:
    names = ("Alice", "+49 170 1234567", "Bob 🐍")
    note = "2024-01-02, 12:03 - Messages and calls are end-to-end encrypted.\n"
    rows = (f"2024-01-{n // 50 + 2:02}, {n % 24}:03 - {name}: {text}" for n, (name, text) in enumerate(turns(names)))
    return note + "\n".join(row + ("\nand a second line" if n % 9 == 0 else "") for n, row in enumerate(rows)) + "\n"


def iphone() -> str:
    rows = (f"[1/{n // 50 + 2}/24, {n % 12 + 1}:03:0{n % 10} {'AP'[n % 2]}M] {w}: {t}" for n, (w, t) in
            enumerate(turns(("Alice Smith", "Bob"))))  # fmt: skip
    return "\n".join(rows) + "\n"


def questions() -> str:
    return "".join(f"Q: {question}\nA: {answer}\n\n" for question, answer in asked_and_answered())


def interview() -> str:
    return "".join(f"INTERVIEWER: {question}\n\nANNA: {answer}\n\n" for question, answer in asked_and_answered())


def markdown() -> str:
    return "".join(f"**{name.title()}:** {text}\n\n" for name, text in turns(WHO))


def play_with_points() -> str:
    return "".join(f"{name.upper()}.\n{text}\n\n" for name, text in turns(WHO))


def chinese_chat() -> str:
    draw = random.Random(3)
    said = ("道可道非常道", "名可名非常名", "無名天地之始", "有名萬物之母", "玄之又玄眾妙之門")
    return "".join(f"{draw.choice(('老子', '孔子', '莊子'))}：{draw.choice(said)}。\n" for _ in range(200))


TALKS: dict[str, tuple[Callable[[], str], set[str], str, str, str]] = {
    "chat": (chat, set(WHO), "bob: ", "stranger: ", "\n"),
    "spaced chat": (spaced_chat, {"ANN", "MR. FOX", "ÖRN Ó"}, "ANN: ", "STRANGER: ", "\n\n"),
    "irc": (irc, set(WHO), "[0:0] <bob> ", "[0:0] <stranger> ", "\n"),
    "android": (android, {"Alice", "+49 170 1234567", "Bob 🐍"}, "0-0-0, 0:0 - Alice: ",
                "0-0-0, 0:0 - Stranger: ", "\n"),
    "iphone": (iphone, {"Alice Smith", "Bob"}, "[0/0/0, 0:0:0 AM] Bob: ", "[0/0/0, 0:0:0 AM] Stranger: ", "\n"),
    "questions": (questions, {"Q", "A"}, "A: ", "Q: ", "\n"),
    "interview": (interview, {"INTERVIEWER", "ANNA"}, "ANNA: ", "INTERVIEWER: ", "\n\n"),
    "markdown": (markdown, {"Alice", "Bob", "Carol"}, "**Bob:** ", "**Stranger:** ", "\n\n"),
    "play": (play_with_points, {"ALICE", "BOB", "CAROL"}, "BOB.\n", "STRANGER.\n", "\n\n"),
    "chinese chat": (chinese_chat, {"老子", "孔子", "莊子"}, "老子：", "", "\n"),
}  # fmt: skip
"""By name: the text, who speaks, how a turn of one of them begins, how the user's does ("": with the
name of a speaker), every number as 0, and what ends a turn."""


# --- no talk ------------------------------------------------------------------------------------------------------


def poem() -> str:
    lines = sayings(240)
    return "\n".join(f"{line}\n" if n % 4 == 3 else line for n, line in enumerate(lines))


def lyrics() -> str:
    parts = ("Verse 1", "Chorus", "Verse 2", "Chorus", "Bridge", "Chorus")
    return "".join(f"{part}:\n" + "\n".join(sayings(4, n)) + "\n\n" for n in range(10) for part in parts)


def prose() -> str:
    draw = random.Random(4)
    return "".join(draw.choice(("", "He said: ", "Note: ")) * (n % 5 == 0) + f"{line}\n\n" for n, line in
                   enumerate(" ".join(sayings(5, n)) for n in range(100)))  # fmt: skip


def python() -> str:
    return "\n\n".join(Path(file).read_text(encoding="utf-8") for file in (argparse_file(), random.__file__))


def argparse_file() -> str:
    import argparse

    return argparse.__file__


def flat_code() -> str:
    block = (
        "switch (x) {\ncase 1:\nrun(1);\ndefault:\nstop();\n}\nif (a) {\n} else {\n}\n\npublic:\nint n;\n\nprivate:\n"
    )
    return block * 40


def yaml() -> str:
    draw = random.Random(5)
    keys = ("name", "image", "restart", "command", "kind")
    rows = [f"{draw.choice(keys)}: {draw.choice(('always', 'web-1', 'run the server', 'true'))}" for _ in range(300)]
    return "\n".join(f"{row}\nports:\n  - 80\n" if n % 5 == 0 else row for n, row in enumerate(rows))


def css() -> str:
    rules = ("margin: 0 auto;", "color: red;", "font: bold italic large serif;", "border: thin solid black;")
    draw = random.Random(6)
    return "".join(
        f".a{n} {{\n{draw.choice(rules)}\n{draw.choice(rules)}\n{draw.choice(rules)}\n}}\n" for n in range(80)
    )


def log() -> str:
    draw = random.Random(7)
    return "".join(
        f"2024-01-02 12:0{n % 10}:04 {draw.choice(('INFO', 'WARNING', 'ERROR'))}: the server has done its work again\n"
        for n in range(200)
    )


def log_of_programs() -> str:
    draw = random.Random(8)
    said = ("usb 1-1: new device number 2 using xhci", "Started Session 17 of user root.", "took 0.3 s for /var/log")
    names = ("kernel", "systemd", "worker-3")
    return "".join(f"2024-01-02 12:03:04 {draw.choice(names)}: {draw.choice(said)}\n" for _ in range(200))


def bibliography() -> str:
    return "".join(
        f"Chapter {n}: {line}\n" for part in range(5) for n, line in enumerate(sayings(20, part), start=1)
    )  # fmt: skip


def mails() -> str:
    names = ("Ann", "Bob", "Eve")
    return "".join(
        f"From: {draw.choice(names)}\nTo: {draw.choice(names)}\nSubject: Re: {line}\nDate: Mon, 2 Jan 2024 12:03:04\n\n"
        f"{line}\n\n"
        for draw in [random.Random(9)]
        for line in sayings(80)
    )


def git_log() -> str:
    return "".join(
        f"commit {n:040x}\nAuthor: Ann Smith <ann@example.org>\nDate:   Mon Jan 2 12:03:04 2024 +0100\n\n    {line}\n\n"
        for n, line in enumerate(sayings(80))
    )


def changes() -> str:
    draw = random.Random(10)
    return "".join(f"{draw.choice(('feat', 'fix', 'docs', 'chore'))}: {line.lower()}\n" for line in sayings(200))


def book_list() -> str:
    return "".join(
        f"Work: {one}\nWriter: {two}\nHeard of in: {three}\n\n"
        for one, two, three in zip(sayings(60), sayings(60, 1), sayings(60, 2), strict=True)
    )


def html() -> str:
    return "".join(f"<p> {line}</p>\n<li> {line} <b>x</b></li>\n" for line in sayings(100))


def bible() -> str:
    return "".join(
        f"{n // 20 + 1}:{n % 20 + 10} And he said unto them: {line}\n" for n, line in enumerate(sayings(200))
    )


def dictionary() -> str:
    return "".join(f"{line.split()[0].strip(',.')}{n}: {line}\n" for n, line in enumerate(sayings(200)))


def poems_by_number() -> str:
    numbers = ("I", "II", "III", "IV")
    return "".join(f"{numbers[n % 4]}.\n" + "\n".join(sayings(4, n)) + "\n\n" for n in range(60))


def monologue() -> str:
    return "".join(f"note to self: {line}\n" for line in sayings(100))


NO_TALKS = (
    poem, lyrics, prose, python, flat_code, yaml, css, log, log_of_programs, bibliography, mails, git_log, changes,
    book_list, html, bible, dictionary, poems_by_number, monologue,
)  # fmt: skip
