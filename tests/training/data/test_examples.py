"""Example prompts and speakers that a corpus suggests."""

from __future__ import annotations

import re

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
    assert config.start_text == ("\n" if "\n" in text else " " if " " in text else text[0])
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
def test_examples_stand_in_the_text(text: str, seed: int) -> None:
    for example in find_examples(text, None, seed):
        assert example and example in text and "\n" not in example


def test_a_line_of_few_words_is_cut_between_them() -> None:
    text = "MISSING = _MISSING_TYPE()\nclass FrozenInstanceError(Error):pass\nDonaudampfschifffahrtsgesellschaft\n"
    assert set(find_examples(text, None, 0)) == {"MISSING = ", "class ", "Donaudampfschiff"}


def test_examples_name_speakers_first_and_differ_by_seed() -> None:
    text = "".join(f"line number {n} of a text that goes on\n" for n in range(50))
    dialogue = DialogueFormat(("A", "B", "C"), "Stranger", "", ":\n", "\n\n")
    examples = find_examples(text, dialogue, seed=0)
    assert [e in ("A:\n", "B:\n", "C:\n") for e in examples] == [True] * 2 + [False] * 4
    assert examples != find_examples(text, dialogue, seed=1)


def corpus_of(text: str) -> Corpus:
    cut = len(text) * 9 // 10
    return Corpus("name", "title", text[:cut], text[cut:], "")


def syllable(number: int, place: int) -> str:
    return "bdgklmnprstv"[number // 5**place % 12] + "aeiou"[number // 3**place % 5]


def words(count: int) -> list[str]:
    return ["".join(syllable(n, place) for place in range(3)) for n in range(count)]


def test_a_text_of_one_line_starts_and_its_examples_start_with_sentences() -> None:
    """It started after a letter that nobody sees, and so in mid-word."""
    text = "".join(f"{word.capitalize()} crossed the river. " for word in words(400))
    config = suggest(corpus_of(text))
    assert config.start_text == ". "
    assert len(config.examples) == 6 and all(re.match(r"[A-Z][a-z]+ crossed ", one) for one in config.examples)
    chinese = suggest(corpus_of("".join(f"{chr(0x4E00 + n)}天天气很好。" for n in range(300))))
    assert chinese.start_text == "。"


def test_a_list_gets_beginnings_of_different_names() -> None:
    names = sorted(word.capitalize() for word in words(900))
    corpus = Corpus("name", "title", "\n".join(names), "\n".join(names[::10]), "")
    examples = suggest(corpus).examples
    assert len(examples) == 6 and len({one[:2] for one in examples}) == 6 and all(len(one) <= 3 for one in examples)


def test_code_gets_definitions() -> None:
    code = "".join(
        f"def {word}_thing(self):\n    return self.{word}\n\n\nclass {word.capitalize()}:\n    x = 1\n\n"
        for word in words(200)
    )
    examples = suggest(corpus_of(code)).examples
    assert len(examples) == 6 and all(re.fullmatch(r"(def \w+\(|class \w+)", one) for one in examples)
    c = "".join(f"static int {word}(int a)\n{{\n    return a;\n}}\n\n" for word in words(200))
    assert all(one.endswith("(") for one in suggest(corpus_of(c)).examples)


TUNE = "X:{0}\nT:The {1} Reel\nM:4/4\nK:D\n|:{2}2fd A2FA|Bcde d2cB|A2FA d2fd|efge f2d2:|\n\n"


@pytest.mark.parametrize(
    "text",
    [
        "".join(TUNE.format(n, word.capitalize(), word[0]) for n, word in enumerate(words(200))),
        "\n\n".join(f"My {word} waits.\n- Who is {word}?" for word in words(300)),
        "".join(f"{chr(0x4E00 + n)}日依山尽，黄河入海流。\n" for n in range(300)),
    ],
    ids=["tunes", "subtitles", "chinese"],
)
def test_six_different_examples_are_found(text: str) -> None:
    """One example, or six alike."""
    examples = suggest(corpus_of(text)).examples
    assert len(set(examples)) == 6 and all(one.strip() for one in examples)


def test_tunes_begin_with_their_titles() -> None:
    """Their notes were the examples."""
    tunes = "".join(TUNE.format(n, word.capitalize(), word[0]) for n, word in enumerate(words(200)))
    assert all(re.match(r"T:The \w+ ", example) for example in suggest(corpus_of(tunes)).examples)
    few = "".join(TUNE.replace("{1} Reel", "{1}").format(n, word, "a") for n, word in enumerate(words(60)))
    assert len(suggest(corpus_of(few)).examples) == 6


def test_long_lines_of_a_list_are_not_cut_like_names() -> None:
    log = "".join(
        f"2024-03-01 08:{n % 60:02}:00 INFO server: handled {word} in {n} ms\n" for n, word in enumerate(words(300))
    )
    assert all(" " in example for example in suggest(corpus_of(log)).examples)


def test_chinese_is_cut_at_punctuation() -> None:
    text = "".join(f"{chr(0x4E00 + n)}日依山尽，黄河入海流。\n" for n in range(300))
    assert all(one.endswith("，") for one in suggest(corpus_of(text)).examples)
