"""The exported page opened from a file: whole texts, talks and continuations are those of Python."""

from __future__ import annotations

import pytest

from hubcharlstm.demo.chat.requests import compose
from hubcharlstm.demo.chat.sentences import cut_after_sentence
from hubcharlstm.demo.settings import TURN_LENGTH
from tests.support.exported_page import OpenPage, talking_model


@pytest.mark.browser
def test_a_seed_gives_the_text_of_python(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.write("To be, or ", seed=7, length=150)
    assert user.replies == [model.generate("To be, or ", seed=7, max_new_tokens=150)]
    assert "150 characters · seed 7 · temperature 0.8" in str(user.page.text_content(".caption"))


@pytest.mark.browser
def test_going_on_is_exact(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.write("To be, or ", seed=7, length=60)
    user.page.get_by_role("button", name="Go on").click()
    user.until_done()
    assert user.replies == [model.generate("To be, or ", seed=7, max_new_tokens=120)]


@pytest.mark.browser
def test_a_character_replies_and_stops(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.select_option("#speaker", "JULIET")
    user.write("Who are\n\n\nyou?", seed=3)
    prompt, shown = compose(model.generation_config, "Who are\n\n\nyou?", "JULIET")
    assert user.replies == [model.generate(prompt, seed=3, stop="\n\n", max_new_tokens=TURN_LENGTH)]
    assert user.page.text_content(".reply .prompt-text") == shown
    assert user.page.text_content(".message") == "to JulietWho are\n\n\nyou?"


@pytest.mark.browser
def test_a_turn_that_reaches_its_length_ends_in_a_whole_sentence_and_goes_on_from_there(open_page: OpenPage) -> None:
    """Twice, so that a continuation that was cut is continued, too."""
    model = talking_model()
    prompt, _ = compose(model.generation_config, "Who?", "JULIET")
    texts = {seed: model.generate(prompt, max_new_tokens=600, seed=seed, temperature=0.8) for seed in range(1, 60)}
    seed, length = next(
        (seed, length)
        for seed, text in texts.items()
        for length in range(40, 300)
        if "\n\n" not in text and 5 < len(cut_after_sentence(text[:length])) < length - 3
    )
    user, whole = open_page(model), texts[seed]
    user.page.select_option("#speaker", "JULIET")
    user.write("Who?", seed=seed, length=length)
    shown = cut_after_sentence(whole[:length])
    assert user.replies == [shown]
    assert "length reached, cut after a whole sentence" in str(user.page.text_content(".caption"))
    for _ in range(2):
        user.page.get_by_role("button", name="Go on").click()
        user.until_done()
        expected = cut_after_sentence(whole[: len(shown) + length], len(shown))
        assert user.replies == [expected] and len(expected) > len(shown)
        shown = expected
    user.page.select_option("#speaker", "")
    user.page.uncheck("#go-on")
    user.write(prompt, seed=seed)
    assert user.replies[1] == whole[:length]


@pytest.mark.browser
def test_a_cut_continuation_goes_on_exactly_after_a_turn_that_held_a_line_break_back(open_page: OpenPage) -> None:
    """The turn reaches its length at a line break, which may begin the blank line that ends it."""
    model = talking_model(chars="\n .ab")
    prompt, _ = compose(model.generation_config, "Who?", "JULIET")

    def shown_of(whole: str, length: int) -> list[str]:
        """What the turn and its two continuations show; the turn alone where the first of them is not cut."""
        first = whole[: length - 1]
        second = cut_after_sentence(whole[: 2 * length], len(first))
        third = cut_after_sentence(whole[: len(second) + length], len(second))
        is_cut = length < len(second) < 2 * length - 1
        is_shown = "\n" not in (whole[2 * length - 1], whole[len(second) + length - 1])
        return [first, second, third] if is_cut and is_shown else [first]

    seed, length, expected = next(
        (seed, length, texts)
        for seed in range(1, 400)
        for whole in [model.generate(prompt, max_new_tokens=100, seed=seed, temperature=0.8)]
        for length in range(5, 30)
        if whole[length - 2 : length] == ".\n" and "\n\n" not in whole[: 3 * length]
        if len(texts := shown_of(whole, length)) == 3
    )
    user = open_page(model)
    user.page.select_option("#speaker", "JULIET")
    user.write("Who?", seed=seed, length=length)
    assert user.replies == expected[:1]
    for text in expected[1:]:
        user.page.get_by_role("button", name="Go on").click()
        user.until_done()
        assert user.replies == [text]


@pytest.mark.browser
def test_a_turn_goes_on_for_the_length_of_turns(open_page: OpenPage) -> None:
    """It went on for that of lines of one's own, which a Retry after it kept to, too."""
    model = talking_model()
    prompt, _ = compose(model.generation_config, "Who?", "JULIET")
    seed, whole, first = next(
        (seed, whole, first)
        for seed in range(1, 60)
        for whole in [model.generate(prompt, max_new_tokens=2 * TURN_LENGTH, seed=seed, temperature=0.8)]
        for first in [cut_after_sentence(whole[:TURN_LENGTH])]
        if "\n\n" not in whole and "\n" not in (whole[TURN_LENGTH - 1], whole[len(first) + TURN_LENGTH - 1])
    )
    second = cut_after_sentence(whole[: len(first) + TURN_LENGTH], len(first))
    user = open_page(model)
    user.page.select_option("#speaker", "JULIET")
    user.write("Who?", seed=seed)
    assert user.replies == [first]
    user.page.get_by_role("button", name="Go on").click()
    user.until_done()
    assert user.replies == [second]


@pytest.mark.browser
def test_a_talk_goes_on_from_the_text_so_far(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.select_option("#speaker", "JULIET")
    assert user.page.is_checked("#go-on")
    user.write("Who are you?", seed=3, length=50)
    user.write("é Why?", seed=4)
    user.page.uncheck("#go-on")
    user.write("Now alone.", seed=5)
    config, expected, context = model.generation_config, [], ""
    for typed, seed in (("Who are you?", 3), ("é Why?", 4), ("Now alone.", 5)):
        prompt, _ = compose(config, typed, "JULIET", "" if seed == 5 else context)
        done = model.complete(prompt, seed=seed, stop="\n\n", max_new_tokens=50)
        expected.append(done.text)
        context = done.prompt.text + done.text
    assert user.replies == expected


@pytest.mark.browser
def test_lines_of_ones_own_go_on_only_where_that_is_chosen(open_page: OpenPage) -> None:
    """The switch remembers a choice for talks and for lines apart, as in the app."""
    model = talking_model()
    user = open_page(model)
    assert not user.page.is_checked("#go-on")
    user.write("To be, ", seed=1, length=30)
    user.write("O ", seed=2)
    user.page.check("#go-on")
    user.write(" and ", seed=3)
    second = model.generate("O ", seed=2, max_new_tokens=30)
    assert user.replies[1:] == [second, model.generate(f"O {second} and ", seed=3, max_new_tokens=30)]
    user.page.select_option("#speaker", "ROMEO")
    user.page.uncheck("#go-on")
    user.page.select_option("#speaker", "")
    assert user.page.is_checked("#go-on")
    user.page.select_option("#speaker", "JULIET")
    assert not user.page.is_checked("#go-on")


@pytest.mark.browser
def test_of_a_long_text_so_far_only_the_end_is_read(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.check("#go-on")
    user.write("a" * 9_990, seed=1, length=30)
    user.write("and ", seed=2)
    before = ("a" * 9_990 + user.replies[0])[-9_996:]
    assert user.replies[1] == model.generate(before + "and ", seed=2, max_new_tokens=30)
    assert "of the text so far only the last 9,996 characters are read" in str(
        user.page.locator(".warnings").filter(visible=True).last.text_content()
    )


@pytest.mark.browser
def test_a_greedy_reply_that_repeats_itself_is_told(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.fill("#temperature", "0")
    user.write("To be, or ", seed=1, length=400)
    done = model.complete("To be, or ", seed=1, temperature=0, max_new_tokens=400)
    assert user.replies == [done.text]
    assert done.cycle is not None
    assert "It goes in circles: “" in str(user.page.text_content(".cycle"))
    user.page.fill("#temperature", "0.8")
    user.write("To be, or ", seed=1)
    assert not user.page.locator(".cycle").last.is_visible()
