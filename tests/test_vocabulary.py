"""Reading never raises, never maps a character to another id in silence, and says what it changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm.vocabulary import Vocabulary, normalize, visible

ENGLISH = Vocabulary.from_text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \n.,;:!?'\"-0123")
LOWER = Vocabulary.from_text("abcdefghijklmnopqrstuvwxyz \n.,'-", lowercase=True)

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@given(any_text)
def test_any_text_is_read_and_nothing_is_lost_in_silence(text: str) -> None:
    for vocabulary in (ENGLISH, LOWER):
        reading = vocabulary.encode(text)
        assert vocabulary.decode(reading.ids) == reading.text
        if reading.exact:
            assert reading.text == normalize(text)
        described = reading.describe()
        assert bool(described) == (not reading.exact)
        described.encode("utf-8")  # can be shown: no lone surrogate reaches a page


@given(st.text(alphabet=list(ENGLISH.chars)))
def test_known_text_is_read_as_it_stands(text: str) -> None:
    reading = ENGLISH.encode(text)
    assert reading.exact
    assert reading.text == text


@given(any_text, st.booleans())
def test_the_reading_rules_applied_twice_change_nothing(text: str, lowercase: bool) -> None:
    once = normalize(text.replace("\ufeff", ""), lowercase=lowercase)
    assert normalize(once, lowercase=lowercase) == once


@pytest.mark.parametrize(
    ("text", "read", "folded", "skipped"),
    [
        ("‘To be’", "'To be'", (("‘", "'"), ("’", "'")), ()),
        ("“so”", '"so"', (("“", '"'), ("”", '"')), ()),
        ("café É", "cafe E", (("é", "e"), ("É", "E")), ()),
        ("cafe\u0301", "cafe", (("é", "e"),), ()),  # a combining mark joins its letter before it is folded
        ("wait—what…", "wait--what...", (("—", "--"), ("…", "...")), ()),
        ("Straße", "Strasse", (("ß", "ss"),), ()),
        ("ﬁne", "fine", (("ﬁ", "fi"),), ()),
        ("a\u00a0b\tc", "a b c", (("\u00a0", " "), ("\t", " ")), ()),
        ("a\u2028b", "a\nb", (("\u2028", "\n"),), ()),
        ("hi 😀👩‍👩‍👧!", "hi !", (), ("😀👩‍👩‍👧",)),
        ("a\x00b", "ab", (), ("\x00",)),
        ("a\ud800b", "ab", (), ("\ud800",)),
        ("שלום", "", (), ("שלום",)),
        ("\u0301", "", (), ("\u0301",)),
        ("日a本", "a", (), ("日", "本")),
        ("", "", (), ()),
    ],
)
def test_what_is_folded_and_what_is_skipped(
    text: str, read: str, substituted: tuple[tuple[str, str], ...], dropped: tuple[str, ...]
) -> None:
    reading = ENGLISH.encode(text)
    assert (reading.text, reading.substituted, reading.dropped) == (read, substituted, dropped)


def test_case_is_folded_and_reported_by_a_lower_case_model() -> None:
    reading = LOWER.encode("Élan, OH")
    assert reading.text == "elan, oh"
    assert reading.substituted == (("É", "e"), ("O", "o"), ("H", "h"))


def test_an_upper_case_vocabulary_reads_lower_case() -> None:
    assert Vocabulary("ABC ").encode("cab").text == "CAB"


def test_line_ends_and_byte_order_mark_are_rules_not_changes() -> None:
    reading = ENGLISH.encode("\ufeffa\r\nb\rc\n")
    assert reading.text == "a\nb\nc\n"
    assert reading.exact


def test_the_corpus_keeps_characters_that_english_would_fold() -> None:
    own = Vocabulary.from_text("«Été» — 😀\t日本")
    assert own.encode("«Été» — 😀\t日本").exact


def test_final_sigma_is_lower_cased_without_regard_to_its_neighbours() -> None:
    """str.lower() gives ς at a word's end only, so a text read in pieces differed from the same text read whole."""
    greek = Vocabulary.from_text("ΣΑΣ", lowercase=True)
    assert greek.encode("ΣΑΣ").text == greek.encode("ΣΑ").text + greek.encode("Σ").text


def test_describe_names_what_cannot_be_seen() -> None:
    assert ENGLISH.encode("É\x00").describe() == "É read as E; U+0000 skipped"
    assert visible("\u00a0") == "U+00A0"
    assert visible("\n") == "line break"


def test_decode_refuses_an_id_outside_the_vocabulary() -> None:
    with pytest.raises(ValueError, match=r"Token id 99 .* expected 0 to"):
        ENGLISH.decode([0, 99])
    with pytest.raises(ValueError, match="Token id -1"):
        ENGLISH.decode([-1])


@pytest.mark.parametrize("chars", [[], ["a", "a"], ["ab"], [""], ["\ud800"]])
def test_a_vocabulary_of_anything_but_distinct_characters_is_refused(chars: list[str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Vocabulary(chars)


def test_saved_and_read_back_it_is_the_same_and_its_hash_knows_order_and_rules() -> None:
    again = Vocabulary.from_dict(json.loads(json.dumps(ENGLISH.to_dict())))
    assert again == ENGLISH
    assert again.sha256 == ENGLISH.sha256
    assert Vocabulary(reversed(ENGLISH.chars)).sha256 != ENGLISH.sha256
    assert Vocabulary(LOWER.chars).sha256 != LOWER.sha256


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"chars": ["a"]},
        {"chars": "abc", "reading": LOWER.to_dict()["reading"]},
        {"chars": [1, 2], "reading": LOWER.to_dict()["reading"]},
        {"chars": ["a"], "reading": {"lowercase": "yes"}},
        {"chars": ["a"], "reading": LOWER.to_dict()["reading"] | {"unicode": "NFKC"}},
    ],
)
def test_a_foreign_vocab_json_is_refused_in_a_sentence(data: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        Vocabulary.from_dict(data)
