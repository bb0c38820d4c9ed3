"""Encoding never raises, never maps a character to another id silently, and reports what it changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubcharlstm.vocabulary import Vocabulary, normalize, visible

ENGLISH = Vocabulary.from_text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \n.,;:!?'\"-0123")
LOWER = Vocabulary.from_text("abcdefghijklmnopqrstuvwxyz \n.,'-", lowercase=True)

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@given(any_text)
def test_any_text_is_encoded_and_no_change_is_silent(text: str) -> None:
    for vocabulary in (ENGLISH, LOWER):
        encoding = vocabulary.encode(text)
        assert vocabulary.decode(encoding.ids) == encoding.text
        if encoding.exact:
            assert encoding.text == normalize(text)
        described = encoding.describe()
        assert bool(described) == (not encoding.exact)
        described.encode("utf-8")  # can be shown: no lone surrogate reaches a page


@given(st.text(alphabet=list(ENGLISH.chars)))
def test_known_text_is_encoded_exactly(text: str) -> None:
    encoding = ENGLISH.encode(text)
    assert encoding.exact
    assert encoding.text == text


@given(any_text, st.booleans())
@example("\ufeff\ufeffTo be", False)
def test_normalization_is_idempotent(text: str, lowercase: bool) -> None:
    """Of two byte-order marks only the first was dropped, so that a second pass changed the text again."""
    once = normalize(text, lowercase=lowercase)
    assert normalize(once, lowercase=lowercase) == once


@pytest.mark.parametrize(
    ("text", "encoded", "substituted", "dropped"),
    [
        ("‘To be’", "'To be'", (("‘", "'"), ("’", "'")), ()),
        ("“so”", '"so"', (("“", '"'), ("”", '"')), ()),
        ("café É", "cafe E", (("é", "e"), ("É", "E")), ()),
        ("cafe\u0301", "cafe", (("é", "e"),), ()),  # a combining mark joins its letter before it is substituted
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
def test_substituted_and_dropped_characters(
    text: str, encoded: str, substituted: tuple[tuple[str, str], ...], dropped: tuple[str, ...]
) -> None:
    encoding = ENGLISH.encode(text)
    assert (encoding.text, encoding.substituted, encoding.dropped) == (encoded, substituted, dropped)


def test_a_lower_case_model_reports_substituted_case() -> None:
    encoding = LOWER.encode("Élan, OH")
    assert encoding.text == "elan, oh"
    assert encoding.substituted == (("É", "e"), ("O", "o"), ("H", "h"))


def test_an_upper_case_vocabulary_encodes_lower_case() -> None:
    assert Vocabulary("ABC ").encode("cab").text == "CAB"


def test_line_ends_and_byte_order_mark_are_not_reported() -> None:
    encoding = ENGLISH.encode("\ufeffa\r\nb\rc\n")
    assert encoding.text == "a\nb\nc\n"
    assert encoding.exact


def test_a_vocabulary_keeps_characters_that_english_substitutes() -> None:
    own = Vocabulary.from_text("«Été» — 😀\t日本")
    assert own.encode("«Été» — 😀\t日本").exact


def test_final_sigma_is_lower_cased_without_regard_to_its_neighbours() -> None:
    """str.lower() gives ς at a word's end only, so a text encoded in pieces differed from the whole."""
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


def test_a_saved_vocabulary_loads_equal_and_its_hash_covers_order_and_rules() -> None:
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
