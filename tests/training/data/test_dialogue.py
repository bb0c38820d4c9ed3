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
    make, speakers, head, user, end = talks.TALKS[kind]
    dialogue = find_dialogue(make())
    assert dialogue is not None
    assert set(dialogue.speakers) == speakers
    assert dialogue.end == end
    name = next(name for name in speakers if name in head)
    assert re.sub(r"\d+", "0", dialogue.head(name)) == head
    assert not user or re.sub(r"\d+", "0", dialogue.head(dialogue.user)) == user
    assert user or dialogue.user in speakers


@pytest.mark.parametrize("make", talks.NO_TALKS, ids=lambda make: make.__name__)
def test_what_only_looks_like_talk_has_no_speakers(make: Callable[[], str]) -> None:
    assert find_dialogue(make()) is None


def test_a_text_with_some_talk_in_it_is_no_talk() -> None:
    assert find_dialogue(talks.chat() + talks.poem() * 2) is None


@pytest.mark.parametrize("kind", talks.TALKS)
def test_a_filled_template_is_a_piece_of_such_a_text(kind: str) -> None:
    """What the page sends is found to be two more turns of the text, and the model can write all of it."""
    text = talks.TALKS[kind][0]()
    dialogue = find_dialogue(text)
    assert dialogue is not None
    said = text.split("\n")[-3][-8:]  # a few words in letters that the text has
    turn = dialogue.template.replace("{speaker}", dialogue.speakers[0]).replace("{message}", said) + said + dialogue.end
    again = find_dialogue((text if text.endswith(dialogue.end) else text.rstrip("\n") + dialogue.end) + turn * 30)
    assert again is not None
    assert again.head("X") == dialogue.head("X")
    assert dialogue.speakers[0] in again.speakers and dialogue.user in again.speakers
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.encode(turn).exact


def test_the_user_has_the_part_of_the_interviewer() -> None:
    dialogue = find_dialogue(talks.questions())
    assert dialogue and dialogue.template == "Q: {message}\nA: ".replace("A", "{speaker}")
    assert dialogue.speakers == ("A", "Q")  # who answers is named first


def test_upper_case_and_lower_case_texts_get_a_stranger_of_their_own() -> None:
    for change in (str.upper, str.lower, str.title):
        dialogue = find_dialogue(change(talks.chat()))
        assert dialogue and dialogue.user == change("stranger")


@pytest.mark.parametrize("kind", talks.TALKS)
def test_examples_never_break_off_within_the_beginning_of_a_turn(kind: str) -> None:
    text = talks.TALKS[kind][0]()
    dialogue = find_dialogue(text)
    assert dialogue is not None
    examples = [example for seed in range(5) for example in find_examples(text, dialogue, seed)]
    heads = {dialogue.head(name) for name in dialogue.speakers}
    assert heads & set(examples)
    for example in set(examples) - heads:
        assert any(line.startswith(example) for line in text.split("\n"))
        assert dialogue.strip_head(example) != example or not dialogue.prefix, example
    assert suggest(corpus_of(text)).speakers == dialogue.speakers


@given(st.text(alphabet="ab c:.\n<>[]*?12-", max_size=300))
def test_any_text_is_looked_through(text: str) -> None:
    dialogue = find_dialogue(text * 3)
    assert dialogue is None or (len(dialogue.speakers) > 0 and dialogue.end in ("\n", "\n\n"))


def test_a_long_line_is_looked_through_in_time() -> None:
    """Patterns that try every cut of a line would need hours for this one."""
    draw = random.Random(0)
    for alphabet in ("a ", "A. ", "1:", "[12:00 ", "<a ", "**a", "é\t"):
        assert find_dialogue("".join(draw.choices(alphabet, k=200_000))) is None


def test_a_dry_run_shows_the_form_of_a_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chat.txt").write_text(talks.chat(), encoding="utf-8")
    assert (
        main(["fit", str(tmp_path / "chat.txt"), "--dry-run", "--hidden-size", "8", "--max-train-chars", "2000"]) == 0
    )
    shown = capsys.readouterr().out
    assert 'alice, bob, carol; who talks with them writes "stranger: ...\\nalice: "' in shown
