"""Who talks is found where somebody does, in any form; and what the page makes of it reads as the text does."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm import Vocabulary
from tests.support import talks
from training.__main__ import main
from training.data.corpus import Corpus
from training.data.dialogue import find_dialogue
from training.data.examples import find_examples, suggest


def corpus_of(text: str) -> Corpus:
    cut = len(text) * 9 // 10
    return Corpus("name", "title", text[:cut], text[cut:], "")


@pytest.mark.parametrize("kind", talks.TALKS)
def test_speakers_and_turns_are_found_in_every_form(kind: str) -> None:
    make, speakers, head, visitor, end = talks.TALKS[kind]
    talk = find_dialogue(make())
    assert talk is not None
    assert set(talk.speakers) == speakers
    assert talk.end == end
    name = next(name for name in speakers if name in head)
    assert re.sub(r"\d+", "0", talk.head(name)) == head
    assert not visitor or re.sub(r"\d+", "0", talk.head(talk.visitor)) == visitor
    assert visitor or talk.visitor in speakers


@pytest.mark.parametrize("make", talks.NO_TALKS, ids=lambda make: make.__name__)
def test_what_only_looks_like_talk_has_no_speakers(make: Callable[[], str]) -> None:
    assert find_dialogue(make()) is None


def test_a_text_with_some_talk_in_it_is_no_talk() -> None:
    assert find_dialogue(talks.chat() + talks.poem() * 2) is None


@pytest.mark.parametrize("kind", talks.TALKS)
def test_a_filled_template_is_a_piece_of_such_a_text(kind: str) -> None:
    """What the page sends is found to be two more turns of the text, and the model can write all of it."""
    text = talks.TALKS[kind][0]()
    talk = find_dialogue(text)
    assert talk is not None
    said = text.split("\n")[-3][-8:]  # a few words in letters that the text has
    turn = talk.template.replace("{speaker}", talk.speakers[0]).replace("{message}", said) + said + talk.end
    again = find_dialogue((text if text.endswith(talk.end) else text.rstrip("\n") + talk.end) + turn * 30)
    assert again is not None
    assert again.head("X") == talk.head("X")
    assert talk.speakers[0] in again.speakers and talk.visitor in again.speakers
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.encode(turn).exact


def test_who_asks_is_the_part_of_the_visitor() -> None:
    talk = find_dialogue(talks.questions())
    assert talk and talk.template == "Q: {message}\nA: ".replace("A", "{speaker}")
    assert talk.speakers == ("A", "Q")  # who answers is named first


def test_upper_case_and_lower_case_texts_get_a_stranger_of_their_own() -> None:
    for change in (str.upper, str.lower, str.title):
        talk = find_dialogue(change(talks.chat()))
        assert talk and talk.visitor == change("stranger")


@pytest.mark.parametrize("kind", talks.TALKS)
def test_examples_never_break_off_within_the_beginning_of_a_turn(kind: str) -> None:
    text = talks.TALKS[kind][0]()
    talk = find_dialogue(text)
    assert talk is not None
    examples = [example for seed in range(5) for example in find_examples(text, talk, seed)]
    heads = {talk.head(name) for name in talk.speakers}
    assert heads & set(examples)
    for example in set(examples) - heads:
        assert any(line.startswith(example) for line in text.split("\n"))
        assert talk.said(example) != example or not talk.before, example
    assert suggest(corpus_of(text)).speakers == talk.speakers


@given(st.text(alphabet="ab c:.\n<>[]*?12-", max_size=300))
def test_any_text_is_looked_through(text: str) -> None:
    talk = find_dialogue(text * 3)
    assert talk is None or (len(talk.speakers) > 0 and talk.end in ("\n", "\n\n"))


def test_a_long_line_is_looked_through_in_time() -> None:
    """Patterns that try every cut of a line would need hours for this one."""
    draw = random.Random(0)
    for alphabet in ("a ", "A. ", "1:", "[12:00 ", "<a ", "**a", "é\t"):
        assert find_dialogue("".join(draw.choices(alphabet, k=200_000))) is None


def test_the_doctor_shows_the_form_of_a_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chat.txt").write_text(talks.chat(), encoding="utf-8")
    assert main(["fit", str(tmp_path / "chat.txt"), "--dry-run", "--hidden-size", "8", "--chars", "2000"]) == 0
    shown = capsys.readouterr().out
    assert 'alice, carol, bob; who talks with them writes "stranger: ...\\nalice: "' in shown
