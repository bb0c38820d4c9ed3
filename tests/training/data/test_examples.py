"""Example prompts and speakers that a corpus suggests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.corpus import Corpus
from training.data.dialogue import DialogueFormat, find_dialogue
from training.data.examples import find_examples, suggest

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up. " * 12
PYTHON = "".join(
    f'class Thing{n}:\n    """A thing."""\n\n    def __init__(self):\n        self.n = {n}\n\n'
    f"    def run(self):\n        return self.n\n\n\ndef main():\n    Thing{n}().run()\n\n\n"
    for n in range(30)
)


CHINESE = "道可道非常道名可名非常名無名天地之始有名萬物之母故常無欲以觀其妙" * 40
POEM = "牀前明月光\n疑是地上霜\n舉頭望明月\n低頭思故鄉\n\n" * 30


@pytest.mark.parametrize(
    "text",
    [PROSE, PYTHON, CHINESE, POEM, "word " * 500, "x" * 500, "\n" * 300, " \n" * 150, "Note:\none\n\n" + PROSE],
    ids=["prose", "python", "chinese", "poem", "one line", "one word", "line breaks", "blank", "one heading"],
)
def test_any_text_gets_examples_of_its_own_and_no_speakers(text: str) -> None:
    corpus = Corpus("name", "title", text, text[: len(text) // 2], "")
    config = suggest(corpus)
    assert config.speakers == ()
    assert config.turn_template == config.turn_stop == ""
    assert config.start_text == ("\n" if "\n" in text else text[0])
    lines = corpus.held_out.split("\n")
    for example in config.examples:
        assert example
        assert any(line.startswith(example) for line in lines)
    assert len(config.examples) == len(set(config.examples)) <= 6
    assert bool(config.examples) == bool(text.strip())


def test_a_play_of_any_script_has_speakers() -> None:
    names = ["王", "Dr Who", "LADY MACBETH", "Örn", "MACBETH & LENNOX"]
    play = "".join(f"{names[n % 5]}:\nLine {n}.\n\n" for n in range(40))
    dialogue = find_dialogue(play)
    assert dialogue and set(dialogue.speakers) == set(names)
    few = find_dialogue(play, max_speakers=2)
    assert few and few.speakers == tuple(names[:2])
    assert find_dialogue("".join(f"NAME {'I' * n}:\nOnce.\n\n" for n in range(20))) is None


@given(st.text(alphabet="ab c:.\n'A", max_size=400), st.integers(0, 3))
def test_examples_are_beginnings_of_lines(text: str, seed: int) -> None:
    lines = text.split("\n")
    for example in find_examples(text, None, seed):
        assert example and any(line.startswith(example) for line in lines)


def test_a_line_of_few_words_is_cut_between_them() -> None:
    text = "MISSING = _MISSING_TYPE()\nclass FrozenInstanceError(Error):pass\nDonaudampfschifffahrtsgesellschaft\n"
    assert set(find_examples(text, None, 0)) == {"MISSING = ", "class ", "Donaudampfschiff"}


def test_examples_name_speakers_first_and_differ_by_seed() -> None:
    text = "".join(f"line number {n} of a text that goes on\n" for n in range(50))
    dialogue = DialogueFormat(("A", "B", "C"), "Stranger", "", ":\n", "\n\n")
    examples = find_examples(text, dialogue, seed=0)
    assert [e in ("A:\n", "B:\n", "C:\n") for e in examples] == [True] * 2 + [False] * 4
    assert examples != find_examples(text, dialogue, seed=1)
