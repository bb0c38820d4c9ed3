"""What a caller is promised: the stream is the primitive, one seed is one text, a state goes on exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcharlstm import CharLSTM, Engine, Vocabulary
from hubcharlstm.decoding.sampling import RandomStream, SamplingBatch, SamplingParams, next_ids
from hubcharlstm.errors import DamagedModelError
from hubcharlstm.generation.stream import MAX_NEW_TOKENS, GenerationState
from hubcharlstm.torch_compat import has_fast_int8
from tests.conftest import tiny_model

MODEL = tiny_model(Vocabulary.from_text("FIRST:\nTo be, or not to be\n\nSECOND:\nnobler?\n\n"))


def plainly(model: CharLSTM, prompt: str, count: int, seed: int, temperature: float) -> str:
    """The slow twin: the whole text through nn.LSTM again for every character."""
    ids = list(model.vocabulary.encode(prompt).ids)
    batch = SamplingBatch.of([SamplingParams(temperature)])
    uniforms, _ = RandomStream.for_request(seed, ids).uniforms(count)
    for uniform in uniforms:
        with torch.no_grad():
            logits, _ = model(torch.tensor([ids]))
        ids += next_ids(logits[:, -1].numpy(), batch, uniform[None]).tolist()
    return model.vocabulary.decode(ids[-count:])


@pytest.mark.parametrize("temperature", [0, 0.7, 1.5])
def test_generation_equals_the_plain_loop(model: CharLSTM, temperature: float) -> None:
    model.precision = "fp32"
    for seed in range(5):
        expected = plainly(model, "To be, ", 60, seed, temperature)
        assert model.generate("To be, ", max_new_tokens=60, temperature=temperature, seed=seed) == expected


def test_the_pieces_of_a_stream_are_its_text(model: CharLSTM) -> None:
    stream = model.stream("To be", max_new_tokens=50, seed=3)
    pieces = list(stream)
    assert "".join(pieces) == stream.text == model.generate("To be", max_new_tokens=50, seed=3)
    assert len(pieces) == 50
    assert stream.completion.finish_reason == "length"


def test_one_seed_one_text_and_a_drawn_seed_is_told(model: CharLSTM) -> None:
    sampled = model.complete("To be")
    assert sampled.seed is not None
    assert model.complete("To be", seed=sampled.seed).text == sampled.text
    assert len({model.generate("To be", seed=seed) for seed in range(20)}) == 20


def test_streams_do_not_disturb_each_other(model: CharLSTM) -> None:
    alone = [model.generate(prompt, seed=5) for prompt in ("To be", "SECOND")]
    first, second = model.stream("To be", seed=5), model.stream("SECOND", seed=5)
    for _ in zip(first, second, strict=False):
        torch.manual_seed(0)  # nor does the process's own generator
    assert [first.text, second.text] == alone


def test_the_same_seed_gives_two_prompts_different_draws(model: CharLSTM) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # every character equally likely: the text is the draws alone
    assert model.generate("To be", seed=1) != model.generate("to be", seed=1)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 39), st.integers(0, 2**63 - 1), st.sampled_from([None, "t", "e\n", "be", "TT", ["oo", "o:"]]))
def test_a_text_cut_anywhere_goes_on_as_if_it_had_not_been_cut(
    cut: int, seed: int, stop: list[str] | str | None
) -> None:
    whole = MODEL.complete("To be", max_new_tokens=40, seed=seed, stop=stop)
    first = MODEL.complete("To be", max_new_tokens=cut, seed=seed, stop=stop)
    text, last = first.text, first
    if first.finish_reason == "length":
        last = MODEL.complete(state=first.state, max_new_tokens=40 - cut, stop=stop)
        text += last.text
    assert text == whole.text
    assert last.finish_reason == whole.finish_reason
    assert last.state.rng == whole.state.rng


def test_a_state_is_saved_and_loaded_as_it_is(model: CharLSTM, tmp_path: Path) -> None:
    for length in (1, 40):
        done = model.complete("To be", seed=3, max_new_tokens=length, stop="zz")
        done.state.save(tmp_path / "state")
        loaded = GenerationState.load(tmp_path / "state")
        assert model.complete(state=loaded).text == model.complete(state=done.state).text
        assert (tmp_path / "state").stat().st_size < 4096
    (tmp_path / "junk").write_text("hello")
    for path in (tmp_path / "junk", tmp_path / "absent", tmp_path):
        with pytest.raises(ValueError, match="is no saved state"):
            GenerationState.load(path)


def test_a_state_can_be_branched_and_is_not_used_up(model: CharLSTM) -> None:
    start = model.complete("To be", max_new_tokens=10, seed=1)
    again = [model.complete(state=start.state).text for _ in range(2)]
    assert again[0] == again[1]
    branches = {model.complete(state=start.state, seed=seed).text for seed in range(5)}
    assert len(branches) == 5


def test_a_prompt_after_a_state_is_read_after_its_text(model: CharLSTM) -> None:
    first = model.complete("To be", max_new_tokens=10, seed=1)
    following = model.complete(", or", state=first.state, temperature=0, seed=2)
    assert following.text == model.generate("To be" + first.text + ", or", temperature=0)


def test_a_state_of_another_model_is_refused(model: CharLSTM, vocabulary: Vocabulary) -> None:
    other = tiny_model(vocabulary, seed=9)
    with pytest.raises(ValueError, match="another model"):
        model.complete(state=other.complete("To be").state)


def test_a_state_of_weights_that_have_changed_since_is_refused(model: CharLSTM) -> None:
    """The folded weights were kept when the module's own had been trained further, so the old text went on."""
    before = model.complete("To be", seed=1)
    with torch.no_grad():
        model.head.bias[0] += 50.0
    after = model.complete("To be", seed=1)
    assert after.text == model.vocabulary.chars[0] * len(after.text) != before.text
    with pytest.raises(ValueError, match="another model"):
        model.complete(state=before.state)


@pytest.mark.parametrize("fused", [True, False])
def test_the_optimizer_s_steps_are_seen(model: CharLSTM, fused: bool) -> None:
    """A fused optimizer does not count up a tensor's version, so the old folded weights were kept."""
    before = model.fingerprint
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
    logits, _ = model(torch.tensor([[1, 2]]))
    logits.sum().backward()
    optimizer.step()
    assert model.fingerprint != before


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(model: CharLSTM) -> None:
    free = model.generate("To be", max_new_tokens=200, seed=4)
    stop = free[80:83]
    done = model.complete("To be", max_new_tokens=200, seed=4, stop=stop)
    assert done.text == free[: free.index(stop)]
    assert done.finish_reason == "stop"
    assert model.generate("To be", max_new_tokens=200, seed=4, stop=[stop]) == done.text


def test_the_prompt_never_triggers_a_stop(model: CharLSTM) -> None:
    assert model.complete("To be", stop="To be", seed=1, max_new_tokens=5).num_tokens == 5


def test_a_stop_string_is_read_by_the_vocabulary_s_rules(model: CharLSTM) -> None:
    free = model.generate("To be", max_new_tokens=100, seed=4)
    line_end = model.complete("To be", max_new_tokens=100, seed=4, stop="\r\n")
    assert line_end.text == free.split("\n", maxsplit=1)[0]
    dropped = model.complete("To be", max_new_tokens=100, seed=4, stop="😀")
    assert dropped.text == free
    assert any("😀" in note for note in dropped.warnings)


def test_a_stop_string_that_normalizes_to_nothing_ends_nothing(model: CharLSTM) -> None:
    """Byte-order marks alone: the empty rest ended a text after its first character."""
    done = model.complete("To be", max_new_tokens=20, seed=4, stop="\ufeff")
    assert (done.text, done.finish_reason) == (model.generate("To be", max_new_tokens=20, seed=4), "length")
    assert any("cannot be written by this model" in note for note in done.warnings)
    engine = Engine(model.decoder)
    assert model.generate("To be", max_new_tokens=20, seed=4, stop=["\ufeff"], engine=engine) == done.text
    engine.close()


def test_cancel_ends_the_stream_before_its_next_character(model: CharLSTM) -> None:
    stream = model.stream("To be", max_new_tokens=1000, seed=1)
    for _ in range(7):
        next(stream)
    stream.cancel()
    assert list(stream) == []
    done = stream.completion
    assert (done.finish_reason, len(done.text)) == ("cancelled", 7)
    rest = model.complete(state=done.state, max_new_tokens=10)
    assert done.text + rest.text == model.generate("To be", max_new_tokens=17, seed=1)


def test_a_running_stream_has_no_completion_yet(model: CharLSTM) -> None:
    stream = model.stream("To be")
    next(stream)
    with pytest.raises(ValueError, match="still running"):
        _ = stream.completion


@pytest.mark.parametrize("prompt", ["", "😀", "\x00"])
def test_an_empty_or_dropped_prompt_starts_from_the_start_text_with_a_warning(model: CharLSTM, prompt: str) -> None:
    done = model.complete(prompt, seed=1)
    assert done.text == model.generate("\n", seed=1)
    assert any("starts after" in note for note in done.warnings)


def test_substituted_and_dropped_characters_are_warned_of(model: CharLSTM) -> None:
    done = model.complete("Tó be 😀", seed=1)
    assert done.prompt.text == "To be "
    assert done.warnings == ("ó read as o; 😀 skipped",)


def test_a_list_gives_what_separate_calls_give(model: CharLSTM) -> None:
    prompts = ["To be", "", "SECOND"]
    assert model.generate(prompts, seed=3) == [model.generate(prompt, seed=3) for prompt in prompts]
    assert model.generate([], seed=3) == []
    assert model.generate("To be", num_samples=3, seed=5) == [model.generate("To be", seed=s) for s in (5, 6, 7)]
    with pytest.raises(ValueError, match="num_samples"):
        model.generate("To be", num_samples=0)
    with pytest.raises(ValueError, match="expected one"):
        model.generate(["To be"], num_samples=2)  # type: ignore[call-overload]


def test_the_model_s_own_defaults_are_used(model: CharLSTM) -> None:
    assert len(model.generate("To be", seed=1)) == model.generation_config.max_new_tokens == 40


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0; expected 1 to"),
        ({"max_new_tokens": 1_000_000}, f"expected 1 to {MAX_NEW_TOKENS}"),
        ({"max_new_tokens": 2.5}, "whole number"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"stop": ""}, "stop string is ''"),
        ({"stop": [3]}, "stop string is 3"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(
    model: CharLSTM, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        model.stream("To be", **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="The prompt is of type"):
        model.stream(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("tensor", ["head.weight", "lstm.weight_hh_l0", "embedding.weight"])
def test_a_damaged_model_is_named_instead_of_writing_garbage(model: CharLSTM, precision: str, tensor: str) -> None:
    """In int8 a NaN below the head became the number 0, and the text garbage without a word."""
    model.precision = precision
    with torch.no_grad():
        model.get_parameter(tensor)[3, 3] = float("nan")
    with pytest.raises(DamagedModelError, match="not finite"):
        model.stream("To be")


def test_a_damaged_state_is_refused(model: CharLSTM) -> None:
    state = model.complete("To be", max_new_tokens=3).state
    for damaged in (
        replace(state, c=torch.full_like(state.c, float("nan"))),
        replace(state, h=torch.full_like(state.h, float("inf"))),
        replace(state, h=state.h[:, :, :5]),
    ):
        with pytest.raises(ValueError, match="state is damaged"):
            model.stream(state=damaged)


def test_a_vocabulary_of_one_character_writes_it(vocabulary: Vocabulary) -> None:
    model = tiny_model(Vocabulary("a"))
    assert model.generate("aaa", max_new_tokens=5, seed=1) == "aaaaa"
    assert model.generate("xyz", max_new_tokens=5, seed=1) == "aaaaa"


def test_a_prompt_of_more_than_a_hundred_thousand_characters_is_read(model: CharLSTM) -> None:
    text = "To be, or not to be: " * 5000
    assert model.generate(text, max_new_tokens=5, seed=1) == model.generate(text, max_new_tokens=5, seed=1)
    assert model.generate(text, max_new_tokens=5, temperature=0) == model.generate(
        text[42:], max_new_tokens=5, temperature=0
    )


def test_a_stop_string_longer_than_the_text_never_ends_it(model: CharLSTM) -> None:
    done = model.complete("To be", max_new_tokens=10, seed=1, stop="T" * 500)
    assert done.finish_reason == "length"
    assert done.text + "".join("T" for _ in done.state.held) == model.generate("To be", max_new_tokens=10, seed=1)


def test_int8_writes_the_same_text_on_every_cpu_and_auto_takes_it_where_it_is_fast(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was refused without VNNI, where PyTorch's kernels saturate; now fp32 products of the integers stand in."""
    texts = []
    for fast in (False, has_fast_int8()):
        monkeypatch.setattr("hubcharlstm.torch_compat.has_fast_int8", lambda fast=fast: fast)
        monkeypatch.setattr("hubcharlstm.decoding.devices.has_fast_int8", lambda fast=fast: fast)
        model = tiny_model(vocabulary)
        assert model.decoder.precision == ("int8" if fast else "fp32")
        model.precision = "int8"
        assert model.decoder.precision == "int8"
        texts.append(model.generate("To be", max_new_tokens=100, seed=3))
    assert texts[0] == texts[1]
