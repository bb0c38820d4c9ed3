"""Chat exports become turns without times: every program, several locales, messages of several lines."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from training.data.chat_exports import find_chat
from training.data.corpus import load_corpus
from training.data.dialogue import find_dialogue
from training.data.examples import suggest

SAID = ("hello there my friend", "how are you doing today?")
TURNS = [("mira", SAID[0]), ("Anselm", SAID[1])]


def word(number: int) -> str:
    """A word instead of a number, which makes no speech."""
    return "abcdefghij"[number // 10] + "klmnopqrst"[number % 10]


EXPORTS = {
    "discord export": "[01/03/2024 8:21 AM] mira\n{0}\n\n[01/03/2024 8:25 AM] Anselm\n{1}\n\n",
    "discord copied": "mira — Today at 8:21 AM\n{0}\nAnselm — Yesterday at 10:21 PM\n{1}\n",
    "discord dated": "mira — 01/03/2024 08:21\n{0}\nAnselm — 01/03/2024 10:21\n{1}\n",
    "slack": "mira  8:21 AM\n{0}\n\nAnselm  8:25 AM\n{1}\n\n",
    "slack bracketed": "mira  [8:21 AM]\n{0}\nAnselm  [8:22 AM]\n{1}\n",
    "teams": "[8:21 AM] mira\n{0}\n[8:22 AM] Anselm\n{1}\n",
    "telegram": "mira, [01.03.2024 8:21]\n{0}\n\nAnselm, [01.03.2024 8:22]\n{1}\n\n",
    "weechat": "2024-03-01 08:21:00\tmira\t{0}\n2024-03-01 08:21:05\t-->\tjoe in\n2024-03-01 08:22:00\t@Anselm\t{1}\n",
    "hexchat": "Mar 01 08:21:00 <mira>\t{0}\nMar 01 08:21:05 *\tjoe has joined\nMar 01 08:22:00 <Anselm>\t{1}\n",
    "irssi": "08:21 <@mira> {0}\n08:22 -!- joe [x@y] has joined #chan\n08:22 < Anselm> {1}\n",
    "line": "08:21\tmira\t{0}\n08:22\tAnselm\t{1}\n",
    "kakao": "[mira] [오전 8:21] {0}\n[Anselm] [오후 8:22] {1}\n",
    "pidgin": "(08:21:00) mira: {0}\n(08:22:00) Anselm: {1}\n",
    "whatsapp android": "1/3/24, 8:21 am - mira: {0}\n1/3/24, 8:22 am - Encrypted\n1/3/24, 8:25 am - Anselm: {1}\n",
    "whatsapp ios": "\u200e[01/03/24, 8:21:00\u202fAM] ~\u202fmira: {0}\n[01/03/24, 8:25:01\u202fPM] Anselm: {1}\n",
    "whatsapp german": "01.03.24, 08:21 - mira: {0}\n01.03.24, 08:22 - Anselm: {1}\n",
    "whatsapp spanish": "1/3/24 8:21 a. m. - mira: {0}\n1/3/24 8:22 p. m. - Anselm: {1}\n",
    "whatsapp french": "01/03/2024 à 08:21 - mira : {0}\n01/03/2024 à 08:22 - Anselm : {1}\n",
    "iso": "2024-03-01T08:21:00Z mira: {0}\n2024-03-01T08:22:00Z Anselm: {1}\n",
    "slack name over time": "mira\n  8:21 AM\n{0}\nAnselm\n  8:25 AM\n{1}\n",
    "messenger copied": "mira\n{0}\n1 Mar 2024, 08:21\nAnselm\n{1}\n1 Mar 2024, 08:25\n",
    "messenger html": "mira\n{0}\nMar 01, 2024 8:21:05 am\nAnselm\n{1}\nMar 01, 2024 8:25:05 pm\n",
    "zoom": "08:21:05 From mira to Everyone:\n\t{0}\n08:25:07 From Anselm to Everyone:\n\t{1}\n",
    "zoom2": "08:21:05\t From mira : {0}\n08:25:07\t From Anselm : {1}\n",
    "wa zh": "2024/3/1 上午8:21 - mira: {0}\n2024/3/1 下午8:22 - Anselm: {1}\n",
    "wa ko": "2024년 3월 1일 오전 8:21, mira : {0}\n2024년 3월 1일 오후 8:22, Anselm : {1}\n",
    "wa ar": "\u200f1\u200f/3\u200f/2024، 8:21 ص - mira: {0}\n\u200f1\u200f/3\u200f/2024، 8:22 م - Anselm: {1}\n",
    "wa pt": "[01/03/2024 08:21:05] mira: {0}\n[01/03/2024 08:22:05] Anselm: {1}\n",
    "wa nl": "01-03-2024 08:21 - mira: {0}\n01-03-2024 08:22 - Anselm: {1}\n",
    "wa ru": "01.03.2024, 08:21 - mira: {0}\n01.03.2024, 08:22 - Anselm: {1}\n",
    "wa fi": "1.3.2024 klo 8.21 - mira: {0}\n1.3.2024 klo 8.22 - Anselm: {1}\n",
    "wa in": "01/03/24, 8:21 pm - mira: {0}\n01/03/24, 8:22 pm - Anselm: {1}\n",
    "wa cs": "01.03.24 8:21 - mira: {0}\n01.03.24 8:22 - Anselm: {1}\n",
    "wa ja": "2024/03/01 8:21 - mira: {0}\n2024/03/01 8:22 - Anselm: {1}\n",
    "wa ios us": "[3/1/24, 8:21:00 AM] mira: {0}\n[3/1/24, 8:22:00 AM] Anselm: {1}\n",
    "wa ios zh": "[2024/3/1 上午8:21:05] mira: {0}\n[2024/3/1 下午8:22:05] Anselm: {1}\n",
    "wa tr": "1.03.2024 08:21 - mira: {0}\n1.03.2024 08:22 - Anselm: {1}\n",
    "wa hu": "2024. 03. 01. 8:21 - mira: {0}\n2024. 03. 01. 8:22 - Anselm: {1}\n",
    "discord de": "mira — Heute um 08:21 Uhr\n{0}\nAnselm — Gestern um 22:21 Uhr\n{1}\n",
    "discord fr": "mira — Aujourd\u2019hui à 08:21\n{0}\nAnselm — Hier à 22:21\n{1}\n",
    "discord chatexporter": "[01-Mar-24 08:21 AM] mira#1234\n{0}\n\n[01-Mar-24 08:25 AM] Anselm#0001\n{1}\n\n",
    "discord iso": "[2024-03-01 08:21] mira\n{0}\n\n[2024-03-01 08:25] Anselm\n{1}\n\n",
    "telegram copied": "mira, [1 Mar 2024 at 08:21:05]:\n{0}\n\nAnselm, [1 Mar 2024 at 08:22:05]:\n{1}\n\n",
    "telegram ru": "mira, [01.03.2024 8:21]\n{0}\nAnselm, [01.03.2024 8:22]\n{1}\n",
    "teams2": "mira, 8:21 AM\n{0}\n\nAnselm, 8:25 AM\n{1}\n\n",
    "skype": "[01.03.2024 08:21:05] mira: {0}\n[01.03.2024 08:22:05] Anselm: {1}\n",
    "signal": "[2024-03-01 08:21] mira: {0}\n[2024-03-01 08:21] Anselm: {1}\n",
    "signal2": "mira (2024-03-01 08:21): {0}\nAnselm (2024-03-01 08:22): {1}\n",
    "imessage": "Mar 01, 2024  8:21:05 AM\nmira\n{0}\n\nMar 01, 2024  8:22:05 AM\nAnselm\n{1}\n\n",
    "weechat pipes": "08:21:05    mira | {0}\n08:22:05  Anselm | {1}\n08:22:06     --> | joe has joined\n",
    "znc": "[08:21:05] <mira> {0}\n[08:21:15] *** Joins: joe\n[08:22:05] <Anselm> {1}\n",
    "mirc": "[08:21] <@mira> {0}\n[08:22] <+Anselm> {1}\n[08:23] * joe waves\n",
    "matrix": "[2024-03-01, 8:21 a.m.] mira: {0}\n[2024-03-01, 8:22 a.m.] Anselm: {1}\n",
    "viber": "[ 01-03-2024 8:21:05 AM ] mira: {0}\n[ 01-03-2024 8:22:05 AM ] Anselm: {1}\n",
    "wechat": "mira 2024-03-01 08:21:05\n{0}\n\nAnselm 2024-03-01 08:22:05\n{1}\n\n",
    "qq": "2024-03-01 8:21:05 mira(12345678)\n{0}\n\n2024-03-01 8:22:05 Anselm(87654321)\n{1}\n\n",
    "gchat": "mira, Fri 8:21 AM\n{0}\nAnselm, Fri 8:25 AM\n{1}\n",
    "youtube": "8:21 AM\nmira\n{0}\n8:22 AM\nAnselm\n{1}\n",
    "twitch": "[2024-03-01 08:21:05 UTC] mira: {0}\n[2024-03-01 08:22:05 UTC] Anselm: {1}\n",
    "instagram": "mira\n{0}\nMar 1, 2024 8:21 am\nAnselm\n{1}\nMar 1, 2024 8:22 am\n",
    "otter": "mira  0:05\n{0}\n\nAnselm  0:15\n{1}\n\n",
    "teams copied": "mira  3/1/2024 8:21 AM\n{0}\nAnselm  3/1/2024 8:25 AM\n{1}\n",
}


@pytest.mark.parametrize("program", EXPORTS)
def test_a_message_becomes_a_turn_without_its_time(tmp_path: Path, program: str) -> None:
    text = "".join(EXPORTS[program].format(*(f"{line} {word(n)}" for line in SAID)) for n in range(30))
    (tmp_path / "chat.txt").write_text(text, encoding="utf-8")
    corpus = load_corpus(str(tmp_path / "chat.txt"), val_place="end")
    expected = "".join(f"{name}: {said} {word(n)}\n" for n in range(30) for name, said in TURNS)
    assert corpus.train[:] + corpus.held_out == expected
    assert corpus.file_stats is not None and corpus.file_stats.speakers == {"mira": 30, "Anselm": 30}
    assert any("as a chat, as turns without times; --plain" in note for note in corpus.warnings)
    config = suggest(corpus)
    assert set(config.speakers) == {"mira", "Anselm"} and config.turn_stop == "\n"
    assert config.turn_template.endswith("{message}\n{speaker}: ")
    plain = load_corpus(str(tmp_path / "chat.txt"), val_place="end", plain=True)
    assert plain.train[:] + plain.held_out == text


@pytest.mark.parametrize("program", ["discord copied", "slack", "whatsapp android", "whatsapp ios", "telegram"])
def test_messages_of_several_lines_are_parted_by_an_empty_line(tmp_path: Path, program: str) -> None:
    long = f"{SAID[0]}\nand one more line\nand a third one"
    text = "".join(EXPORTS[program].format(long, f"{SAID[1]} {word(n)}") for n in range(30))
    (tmp_path / "chat.txt").write_text(text, encoding="utf-8")
    corpus = load_corpus(str(tmp_path / "chat.txt"))
    assert corpus.train.startswith(f"mira: {long}\n\nAnselm: {SAID[1]} {word(0)}\n\n")
    assert suggest(corpus).turn_stop == "\n\n" and corpus.split is not None and corpus.split.kind == "blocks"


@pytest.mark.parametrize(
    "names",
    [
        ("सीता", "मोहन"),
        ("سَامِي", "لَيْلَى"),
        ("+49 170 1234567", "Zoë K."),
        ("Bob 🎉", "ann_92"),
        ("米拉", "安瑟"),
        ("ნინო", "O'Neil"),
    ],
)
def test_names_of_any_script_are_speakers(tmp_path: Path, names: tuple[str, str]) -> None:
    """A name with combining marks, a telephone number, an emoji."""
    lines = [
        f"0{1 + n % 9}.03.24, 08:{n:02} - {name}: {said}"
        for n in range(20)
        for name, said in zip(names, SAID, strict=True)
    ]
    (tmp_path / "chat.txt").write_text("\n".join(lines), encoding="utf-8")
    assert set(suggest(load_corpus(str(tmp_path / "chat.txt"))).speakers) == set(names)


@pytest.mark.parametrize(
    "text",
    [
        "mira\n  8:21 AM\n{0}\n8:22\n{1}\nAnselm\n  8:25 AM\n{1}\n",
        "mira  8:21 AM\n{0}\n8:22\n{1}\n\nAnselm  8:25 AM\n{1}\n\n",
        "mira\nAPP  8:21 AM\n{0}\n8:22\n{1}\nAnselm\n  8:25 AM\n{1}\n",
    ],
)
def test_a_later_message_of_the_same_person_in_slack_has_a_time_only(text: str) -> None:
    text = "".join(text.format(*(f"{line} {word(n)}" for line in SAID)) for n in range(30))
    chat = find_chat(text)
    assert chat is not None
    speakers: Counter[str] = Counter()
    turns = list(chat.turns(text.split("\n"), speakers))
    assert speakers == {"mira": 30, "Anselm": 30}
    assert turns[:2] == [f"mira: {SAID[0]} ak\n{SAID[1]} ak\n\n", f"Anselm: {SAID[1]} ak\n\n"]


HINDI = "सीता: भाई नमस्ते नहीं आज शाम\nमोहन: मुझे हूँ नमस्ते पढ़नी क्या\nमोहन: नहीं भाई आज हो थी\n"
ARABIC = "سامي: كَانَ اليَوْمَ خُبْزًا قَرَأْتَ\nليلى: قَرَأْتَ اليَوْمَ خُبْزًا طَازَجًا\nليلى: نَعَمْ هَذَا جَمِيلٌ\n"


@pytest.mark.parametrize(("text", "names"), [(HINDI, {"सीता", "मोहन"}), (ARABIC, {"سامي", "ليلى"})])
def test_words_with_combining_accents_are_speech(text: str, names: set[str]) -> None:
    """No dialogue was found in Hindi and in vowelled Arabic: a vowel sign ended the word."""
    dialogue = find_dialogue(text * 10)
    assert dialogue is not None and set(dialogue.speakers) == names


def test_turns_are_counted_and_not_their_lines() -> None:
    """A chat without times whose messages have several lines."""
    turn = "mira: {0}\nwhile the snow fell outside\nand nobody came\nor wrote\nAnselm: {1}\nmore of the same\n"
    dialogue = find_dialogue("".join(turn.format(*(f"{line} {word(n)}" for line in SAID)) for n in range(20)))
    assert dialogue is not None and set(dialogue.speakers) == {"mira", "Anselm"}


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01 08:21:00 INFO: server started with it\n2024-03-01 08:22:00 ERROR: cannot open the file here\n",
        "Gen 1:1 In the beginning God created the heaven\nGen 1:2 And the earth was without form\n",
        "It was 8:21 when mira came: she was late again.\nAnd so it goes on and on and on.\n",
        "Mar 01 08:21:00 host sshd[123]: Accepted it for root\nMar 01 08:22:00 host cron[55]: job started for it\n",
        "7:00 Wake: get out of bed\n8:00 Breakfast: eggs and tea\n12:00 Lunch: soup and some bread\n",
        "Step 1: mix the flour well\nStep 2: add the eggs slowly\n",
        "1:1 In the beginning God created it\n1:2 And it was so\n10:22 Moses: the man said to him\n",
        "Berlin, 12 March 2024\nToday I went to the market.\nParis, 13 March 2024\nIt rained and I stayed at home.\n",
        "2024-03-01 Ann Lee\n\n\t* main.c: mend it.\n\n2024-03-02 Bob Poe\n\n\t* util.c: add it for you.\n\n",
        "[00:12.00]I walk alone: the night is long\n[00:17.20]And you are there: with me\n",
        "08:00 News\nThe latest from it all.\n09:00 Weather\nThe sun is out for us.\n08:30 News\nMore of it.\n",
        "  case x:\n    return 8:21;\n  default:\n    break;\n",
    ],
)
def test_logs_verses_schedules_and_code_are_no_chats(text: str) -> None:
    assert find_chat(text * 15) is None
    assert find_dialogue(text * 15) is None


def test_speakers_of_a_chat_in_json_are_known(tmp_path: Path) -> None:
    messages = [{"from": name, "text": f"{said} {word(n)}"} for n in range(20) for name, said in TURNS]
    (tmp_path / "result.json").write_text(json.dumps({"messages": messages}))
    assert set(suggest(load_corpus(str(tmp_path / "result.json"))).speakers) == {"mira", "Anselm"}


def test_a_chat_is_parsed_in_pieces_as_a_whole() -> None:
    text = EXPORTS["whatsapp ios"].format(*SAID) * 20
    chat = find_chat(text)
    assert chat is not None
    speakers: Counter[str] = Counter()
    assert len(list(chat.turns(text.split("\n"), speakers))) == 40 and speakers.total() == 40


@pytest.mark.parametrize("program", ["slack", "discord copied", "telegram", "whatsapp ios", "whatsapp german"])
def test_a_line_of_a_message_that_begins_with_a_time_stays(program: str) -> None:
    plain, timed = ((f"see you then, my friend\n{line}", SAID[1]) for line in ("or later", "8:30 works for me"))
    text = "".join(EXPORTS[program].format(*(timed if n % 3 == 0 else plain)) for n in range(20))
    chat = find_chat(text)
    assert chat is not None
    turns = list(chat.turns(text.split("\n"), Counter()))
    assert turns[0] == "mira: see you then, my friend\n8:30 works for me\n\n" and len(turns) == 40
