"""Filters against four-element distributions worked by hand; the random stream as a value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm.decoding.sampling import (
    MAX_SEED,
    RandomStream,
    RowSampler,
    SamplingBatch,
    SamplingParams,
    check_seed,
    filter_min_p,
    filter_top_k,
    filter_top_p,
    new_seed,
    next_ids,
    probabilities,
    sample,
)

PROBS = np.array([[0.1, 0.4, 0.3, 0.2]])


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def batch(*rows: SamplingParams) -> SamplingBatch:
    return SamplingBatch.of(rows)


def test_top_k_keeps_the_likeliest() -> None:
    np.testing.assert_allclose(filter_top_k(PROBS, column(2)), [[0, 4 / 7, 3 / 7, 0]])
    np.testing.assert_allclose(filter_top_k(PROBS, column(1)), [[0, 1, 0, 0]])
    np.testing.assert_allclose(filter_top_k(PROBS, column(99)), PROBS)


def test_top_k_keeps_k_of_equals() -> None:
    np.testing.assert_allclose(filter_top_k(np.full((1, 4), 0.25), column(2)), [[0.5, 0.5, 0, 0]])


def test_top_p_keeps_the_smallest_set_that_reaches_p() -> None:
    np.testing.assert_allclose(filter_top_p(PROBS, column(0.5)), [[0, 4 / 7, 3 / 7, 0]])
    np.testing.assert_allclose(filter_top_p(PROBS, column(0.39)), [[0, 1, 0, 0]])
    np.testing.assert_allclose(filter_top_p(PROBS, column(1e-12)), [[0, 1, 0, 0]])


def test_min_p_is_relative_to_the_likeliest() -> None:
    np.testing.assert_allclose(filter_min_p(PROBS, column(0.5)), [[0, 4 / 9, 3 / 9, 2 / 9]])


def test_the_filters_act_one_after_another() -> None:
    # top_k leaves 4/9, 3/9, 2/9 of ids 1, 2, 3; top_p 0.7 then ids 1 and 2 as 4/7, 3/7; min_p 0.8 then id 1 alone.
    logits = np.log(PROBS)
    np.testing.assert_allclose(probabilities(logits, batch(SamplingParams(1, 3))), [[0, 4 / 9, 3 / 9, 2 / 9]])
    np.testing.assert_allclose(probabilities(logits, batch(SamplingParams(1, 3, 0.7))), [[0, 4 / 7, 3 / 7, 0]])
    np.testing.assert_allclose(probabilities(logits, batch(SamplingParams(1, 3, 0.7, 0.8))), [[0, 1, 0, 0]])


def test_a_row_has_the_same_bits_whatever_stands_beside_it() -> None:
    """A row without filters must not be normalised again because its neighbour has one."""
    draw = np.random.default_rng(0)
    rows = [
        SamplingParams(*settings)
        for settings in [(0.8,), (0,), (1.3, 5), (0.5, 0, 0.9), (1, 0, 1.0, 0.1), (0.7, 9, 0.8, 0.05), (2.0,), (1e-9,)]
    ]
    logits = draw.normal(size=(len(rows), 65)).astype(np.float32) * 3
    uniforms = draw.random(len(rows))
    together = probabilities(logits, batch(*rows))
    chosen = next_ids(logits, batch(*rows), uniforms)
    for n, row in enumerate(rows):
        np.testing.assert_array_equal(probabilities(logits[n : n + 1], batch(row)), together[n : n + 1])
        assert next_ids(logits[n : n + 1], batch(row), uniforms[n : n + 1])[0] == chosen[n]


def test_a_row_by_itself_gives_the_id_that_it_gives_in_a_batch() -> None:
    """To the bit: also where the draw falls between the sums of two characters, and where a logit is not finite."""
    rng = np.random.default_rng(0)
    for case in range(3000):
        temperature = rng.choice([0.0, 1e-320, 1e-9, 0.3, 0.8, 1.0, 2.5, 1e30])
        top_k, top_p, min_p = rng.integers(0, 9), rng.choice([1.0, 0.9, 0.4]), rng.choice([0.0, 0.05])
        params = SamplingParams(temperature, top_k, top_p, min_p)
        row = batch(params)
        logits = (rng.normal(size=(1, rng.integers(1, 130))) * rng.choice([1e-3, 3, 1e4])).astype(np.float32)
        if case % 10 == 0:
            logits[0, rng.integers(logits.size)] = rng.choice([np.nan, np.inf, -np.inf])
        sampler = RowSampler(params, logits.shape[1])
        cumulative = np.cumsum(probabilities(np.nan_to_num(logits, posinf=0, neginf=0), row), axis=-1)[0]
        for uniform in (0.0, rng.random(), min(rng.choice(cumulative), np.nextafter(1.0, 0)), np.nextafter(1.0, 0)):
            assert sampler.next_id(logits[0], uniform) == next_ids(logits, row, np.array([uniform]))[0]


def test_temperature_divides_logits() -> None:
    logits = np.log(PROBS)
    np.testing.assert_allclose(probabilities(logits, batch(SamplingParams(1.0))), PROBS)
    squared = PROBS**2
    np.testing.assert_allclose(probabilities(logits, batch(SamplingParams(0.5))), squared / squared.sum())


@pytest.mark.parametrize("temperature", [5e-324, 1e-30, 1e30])
def test_extreme_temperatures_stay_numbers(temperature: float) -> None:
    logits = np.array([[1e4, -1e4, 0.0, 9999.0]], dtype=np.float32)
    probs = probabilities(logits, batch(SamplingParams(temperature)))
    assert np.isfinite(probs).all()
    assert probs.sum() == pytest.approx(1)


def test_zero_temperature_is_greedy_whatever_the_draw() -> None:
    logits = np.log(PROBS)
    for uniform in (0.0, 0.5, 0.999999):
        assert next_ids(logits, batch(SamplingParams(0)), np.array([uniform])).tolist() == [1]


def test_inverse_transform_follows_the_cumulative_sum() -> None:
    cases = [(0.0, 0), (0.0999, 0), (0.1001, 1), (0.4999, 1), (0.5001, 2), (0.8001, 3), (0.9999999, 3)]
    for uniform, expected in cases:
        assert sample(PROBS, np.array([uniform])).tolist() == [expected]


def test_an_id_of_probability_zero_is_never_drawn() -> None:
    probs = np.array([[0.0, 0.5, 0.5, 0.0]])
    for uniform in (0.0, 0.5, np.nextafter(1.0, 0)):
        assert sample(probs, np.array([uniform]))[0] in (1, 2)


def test_draws_have_the_frequencies_of_the_distribution() -> None:
    uniforms, _ = RandomStream.for_request(1, [1, 2, 3]).uniforms(40_000)
    counts = np.bincount(sample(np.repeat(PROBS, len(uniforms), axis=0), uniforms), minlength=4)
    # Five standard deviations of a binomial count.
    assert (abs(counts - 40_000 * PROBS[0]) < 5 * np.sqrt(40_000 * PROBS[0] * (1 - PROBS[0]))).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_of_logits_that_are_not_finite_gets_no_id_and_harms_no_other(bad: float) -> None:
    logits = np.log(np.concatenate([PROBS, PROBS, PROBS]))
    logits[1, 2] = bad
    rows = batch(SamplingParams(1), SamplingParams(1), SamplingParams(0))
    assert next_ids(logits, rows, np.array([0.3, 0.3, 0.3])).tolist() == [1, -1, 1]
    greedy = batch(*[SamplingParams(0)] * 3)
    assert next_ids(logits, greedy, np.array([0.3, 0.3, 0.3])).tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "hot"},
        {"temperature": True},
        {"temperature": 10**400},
        {"temperature": np.float32("nan")},
        {"top_k": np.True_},
        {"top_k": np.float64(2)},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"min_p": 1.0},
        {"min_p": -0.1},
    ],
)
def test_settings_out_of_range_are_refused_in_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is .*; expected .*: "):
        SamplingParams(**wrong)  # type: ignore[arg-type]


def test_a_stream_cut_anywhere_goes_on_with_the_same_numbers() -> None:
    whole, end = RandomStream.for_request(7, [1]).uniforms(50)
    for cut in (0, 1, 3, 4, 5, 17, 50):
        first, rest = RandomStream.for_request(7, [1]).uniforms(cut)
        second, last = rest.uniforms(50 - cut)
        np.testing.assert_array_equal(np.concatenate([first, second]), whole)
        assert last == end


def test_streams_differ_by_seed_prompt_and_parent() -> None:
    parent = RandomStream.for_request(7, [1])
    rngs = [
        parent,
        RandomStream.for_request(8, [1]),
        RandomStream.for_request(7, [2]),
        RandomStream.for_request(7, [1, 1]),
        RandomStream.for_request(7, [11]),
        RandomStream.for_request(7, []),
        RandomStream.for_request(7, [1], parent),
        RandomStream.for_request(7, [1], parent.uniforms(1)[1]),
    ]
    assert len({tuple(rng.uniforms(4)[0]) for rng in rngs}) == len(rngs)


@given(st.sampled_from([np.int8, np.int64, np.uint16, np.uint64, int]), st.integers(0, 127))
def test_numpy_integers_are_settings_and_seeds(integer_type: type, value: int) -> None:
    """`top_k=np.int64(5)` and a seed from an array were refused as no whole numbers."""
    params = SamplingParams(top_k=integer_type(value))
    assert params == SamplingParams(top_k=value)
    assert (type(params.top_k), repr(params)) == (int, repr(SamplingParams(top_k=value)))
    assert (check_seed(integer_type(value)), type(check_seed(integer_type(value)))) == (value, int)
    one, other = (RandomStream.for_request(check_seed(seed), [1]) for seed in (integer_type(value), value))
    assert one == other


@given(st.sampled_from([np.float16, np.float32, np.float64, float]), st.floats(0.125, 0.875, width=16))
def test_numpy_floats_are_settings(float_type: type, value: float) -> None:
    params = SamplingParams(float_type(value), top_p=float_type(value), min_p=float_type(value))
    assert params == SamplingParams(value, top_p=value, min_p=value)
    assert {type(number) for number in (params.temperature, params.top_p, params.min_p)} == {float}


def test_seeds() -> None:
    assert check_seed(new_seed()) >= 0
    assert check_seed(MAX_SEED) == MAX_SEED
    for wrong in (
        -1,
        MAX_SEED + 1,
        1.0,
        True,
        "7",
        np.True_,
        np.float64(3),
        np.int64(-1),
        np.uint64(2**63),
        np.ones(2, int),
    ):
        with pytest.raises(ValueError, match="seed is"):
            check_seed(wrong)  # type: ignore[arg-type]
