"""Other names for speakers: what is renamed, how far a name reaches, and which texts have speakers that change."""

from __future__ import annotations

import re
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.renaming import PASSAGE_CHARS, SpeakerRenaming, new_speaker_share

SPEECH = "What news, good {other}? The king is well, and so is {other}'s wife.\nFor lady, king and lord await.\n"


def play(names: list[str], turns: int = 40) -> str:
    """A play in which these speakers take turns and name each other."""
    pairs = [(names[turn % len(names)], names[(turn + 1) % len(names)]) for turn in range(turns)]
    return "".join(f"{one}:\n{SPEECH.format(other=other.split()[-1].title())}\n" for one, other in pairs)


TEXT = play(["LADY MORNA", "ULRIC", "KING HENRY VIII", "OSWIN"], turns=400)


def heads(text: str) -> list[str]:
    return re.findall(r"(?:\A|(?<=\n\n))(.+):\n", text)


def test_names_are_words_of_speakers_that_the_text_writes_only_in_capitals() -> None:
    assert SpeakerRenaming(TEXT, 1.0, seed=1).names == ["henry", "morna", "oswin", "ulric"]


def test_a_name_is_the_same_other_one_throughout_a_passage() -> None:
    renamed = SpeakerRenaming(TEXT, 1.0, seed=1).text_of_epoch(0)
    assert re.fullmatch(r"LADY [A-Z]+ KING [A-Z]+ VIII", " ".join(heads(renamed)[:4:2]))
    words = list(zip(re.findall(r"\w+", TEXT), re.findall(r"\w+", renamed), strict=False))
    for name in ("morna", "ulric", "henry", "oswin"):
        others = [other.lower() for word, other in words[: len(words) * 9 // 10] if word.lower() == name]
        runs = [other for other, _ in groupby(others)]
        assert len(others) > 80 and 3 < len(runs) <= len(TEXT) / PASSAGE_CHARS + 1
        assert len(set(runs)) > 1


def test_everything_but_the_names_stays() -> None:
    renaming = SpeakerRenaming(TEXT, 1.0, seed=1)
    names = re.compile("|".join(renaming.names), re.IGNORECASE)
    renamed = renaming.text_of_epoch(3)
    pattern = "".join(
        rf"[A-Za-z]+?{re.escape(piece)}" if number else re.escape(piece)
        for number, piece in enumerate(names.split(TEXT[:6000]))
    )
    assert re.match(pattern, renamed)
    assert renamed != TEXT


@given(st.integers(0, 2**31), st.integers(0, 40), st.sampled_from([0.0, 0.3, 1.0]))
def test_an_epoch_reads_as_many_characters_of_the_same_set_and_the_same_ones_each_time(
    seed: int, epoch: int, share: float
) -> None:
    renamed = SpeakerRenaming(TEXT, share, seed).text_of_epoch(epoch)
    assert len(renamed) == len(TEXT) and set(renamed) <= set(TEXT)
    assert renamed == SpeakerRenaming(TEXT, share, seed).text_of_epoch(epoch)
    assert (renamed == TEXT) == (share == 0.0) or share == 0.3


def test_each_epoch_has_other_names() -> None:
    renaming = SpeakerRenaming(TEXT, 1.0, seed=1)
    assert len({renaming.text_of_epoch(epoch) for epoch in range(5)}) == 5


def test_a_name_that_the_texts_letters_cannot_write_is_not_drawn() -> None:
    """QUX stands before turns alone: the text has no x, so no id stands for the end of Moqux in what is said."""
    text = play(["MORNA", "ULRIC"], turns=60).replace("ULRIC:", "QUX:")
    renaming = SpeakerRenaming(text, 1.0, seed=1)
    assert renaming.names == ["morna", "qux"] and "x" not in text
    texts = [renaming.text_of_epoch(epoch) for epoch in range(50)]
    assert all(set(renamed) <= set(text) for renamed in texts) and len(set(texts)) > 5


@pytest.mark.parametrize(
    "text",
    [
        "It was a dark night, and nobody spoke. " * 50,
        play(["LORD", "KING"]).replace("Lord", "lord").replace("King", "king"),
        "张三丰：你好吗，今天天气很好。\n李四光：我很好，谢谢你的关心。\n" * 40,
        "",
    ],
)
def test_a_text_without_names_in_capitals_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"The text has no speakers with names of their own .* leave out --rename"):
        SpeakerRenaming(text, 0.5, seed=1)
    assert new_speaker_share(text) == 0.0


def test_speakers_change_in_a_collection_of_plays_and_stay_in_a_chat() -> None:
    plays = [play([f"{chr(65 + number)}E{end}" for end in ("MAR", "TUS", "VIA")], 30) for number in range(10)]
    assert new_speaker_share("".join(plays)) == 1.0
    assert new_speaker_share(TEXT) == 0.0
    assert new_speaker_share("Mira: hello there, how are you?\nJonas: fine, thank you, Mira.\n" * 60) == 0.0
    mixed = "".join(plays[:9]) + play(["AEMAR", "NOVA"], 30)
    assert new_speaker_share(mixed) == pytest.approx(0.5, abs=0.02)
