"""The runtime in the browser against Python: vocabulary, random streams, filters, stop rule, whole texts."""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Completion, Encoding, Vocabulary
from hubcharlstm.decoding.sampling import RandomStream, SamplingBatch, SamplingParams, next_ids, probabilities
from hubcharlstm.engine.stopping import StopRule
from hubcharlstm.generation.repetition import cycle_length
from tests.support.exported import PackagePage, small_model
from tests.support.sentence_cases import SENTENCE_CASES

pytestmark = pytest.mark.browser
OpenPackage = Callable[[CharLSTM], PackagePage]

ENCODE = """(texts) => texts.map((text) => {
  const encoding = model.vocabulary.encode(text);
  return [encoding, model.vocabulary.describe(encoding)];
})"""
GREEK = "\n !'abcdefghijklmnopqrstuvwxyzßάέαβγδεζηθικλμνξοπρσςτυφχψω"
HARD_TEXTS = [
    "", "\ufeff\ufeffTo be\r\nor\rnot\n", "“Æsop’s café” — naïve…", "e\u0301 É ﬁ ½ ǆ ﷺ", "ΣΊΣΥΦΟΣ ΟΔΥΣΣΕΎΣ",
    "İstanbul ıI", "a\u0000b\u200bc\u200d\ufe0f", "😀👩‍👩‍👧 x 𝒜", "\u2028\u2029\t\u00a0", "\ud83d alone \udc00",
    "각 각", "ẞ ß ſ K Å", "Đặng Łukasz",
]  # fmt: skip


def as_json(encoding: Encoding) -> list[Any]:
    values = {
        "ids": list(encoding.ids),
        "text": encoding.text,
        "substituted": [list(pair) for pair in encoding.substituted],
        "dropped": list(encoding.dropped),
    }
    return [values, encoding.describe()]


@pytest.mark.parametrize(("chars", "lowercase"), [("", False), (GREEK, True), ("ABC \n-ÉÀ", False)])
def test_every_text_is_read_alike(open_package: OpenPackage, chars: str, lowercase: bool) -> None:
    model = small_model(chars=chars, lowercase=lowercase)
    page = open_package(model)
    assert page.run(ENCODE, HARD_TEXTS) == [as_json(model.vocabulary.encode(text)) for text in HARD_TEXTS]


def test_every_character_is_substituted_alike(open_package: OpenPackage) -> None:
    model = small_model()
    assigned = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Co")]
    expected = {char: plain for char in assigned if (plain := model.vocabulary.encode(char).text)}
    script = """(chars) => Object.fromEntries(
      chars.map((char) => [char, model.vocabulary.encode(char).text]).filter(([, text]) => text))"""
    found = open_package(model).run(script, assigned)
    assert len(expected) > 2_000
    assert {char: found.get(char) for char in expected.keys() | found.keys()} == expected


def test_random_streams_are_those_of_python(open_package: OpenPackage) -> None:
    cases = [(0, (0,)), (7, (1, 2, 3)), (2**63 - 1, tuple(range(90)) * 12)]
    script = """async (cases) => {
      const { RandomStream, sha256 } = await import("/random.js");
      const draw = (rng) => [0, 1, 2, 3, 4, 7, 1001].map((n) => rng.uniform(n));
      const hash = (text) => Array.from(sha256(new TextEncoder().encode(text)));
      return cases.map(([seed, ids]) => {
        const rng = RandomStream.forRequest(seed, ids);
        const child = RandomStream.forRequest(seed, ids, new RandomStream(rng.key, 5));
        return [String(rng.key), draw(rng), String(child.key), hash("x".repeat(ids.length))];
      });
    }"""
    expected = []
    for seed, ids in cases:
        rng = RandomStream.for_request(seed, ids)
        values = rng.uniforms(1002)[0][[0, 1, 2, 3, 4, 7, 1001]].tolist()
        child = RandomStream.for_request(seed, ids, RandomStream(rng.key, 5))
        expected.append([str(rng.key), values, str(child.key), list(hashlib.sha256(b"x" * len(ids)).digest())])
    sent = [(str(seed), ids) for seed, ids in cases]  # JSON has no such integer in JavaScript
    assert open_package(small_model()).run(script, sent) == expected


FILTERS = [
    (0.8, 0, 1.0, 0.0), (0.0, 0, 1.0, 0.0), (1.3, 5, 1.0, 0.0), (1.0, 0, 0.9, 0.0), (0.5, 0, 1.0, 0.1),
    (1.1, 30, 0.7, 0.05), (1e-300, 0, 1.0, 0.0), (1.0, 1, 1.0, 0.0), (1.0, 1000, 0.01, 0.99),
]  # fmt: skip


def test_filters_and_choices_are_those_of_python(open_package: OpenPackage) -> None:
    generator = np.random.default_rng(3)
    logits = (generator.standard_normal((20, 70)) * 4).astype(np.float32)
    logits[3] = logits[3, 0]  # all equal: ties go to the lower id
    logits[4, 10:20] = logits[4].max()
    uniforms = generator.random(20)
    uniforms[0], uniforms[1] = 0.0, 1 - 2**-53
    script = """async ([logits, uniforms, settings]) => {
      const { nextId, probabilities } = await import("/sampling.js");
      return settings.map(([temperature, topK, topP, minP]) => logits.map((row, n) => {
        const sampling = { temperature, topK, topP, minP };
        return [nextId(Float32Array.from(row), sampling, uniforms[n]), Array.from(probabilities(row, sampling))];
      }));
    }"""
    found = open_package(small_model()).run(script, [logits.tolist(), uniforms.tolist(), FILTERS])
    for settings, rows in zip(FILTERS, found, strict=True):
        batch = SamplingBatch.of([SamplingParams(*settings)] * 20)
        assert [row[0] for row in rows] == next_ids(logits, batch, uniforms).tolist(), settings
        np.testing.assert_allclose([row[1] for row in rows], probabilities(logits, batch), rtol=1e-12, atol=1e-300)


def test_the_stop_rule_is_that_of_python(open_package: OpenPackage) -> None:
    generator = np.random.default_rng(5)
    cases = []
    for _ in range(300):
        lengths = generator.integers(1, 5, generator.integers(0, 4))
        stops = [generator.integers(0, 3, length).tolist() for length in lengths]
        cases.append([stops, generator.integers(0, 3, 30).tolist()])
    script = """async (cases) => {
      const { StopRule } = await import("/stopping.js");
      return cases.map(([stops, ids]) => {
        const rule = new StopRule(stops), shown = [];
        for (const id of ids) if (!rule.stopped) shown.push(rule.push(id));
        return [shown, rule.held, rule.stopped];
      });
    }"""
    expected = []
    for stops, ids in cases:
        rule, shown = StopRule([tuple(stop) for stop in stops]), []
        for new_id in ids:
            if not rule.stopped:
                shown.append(list(rule.push(new_id)))
        expected.append([shown, list(rule.held), rule.stopped])
    assert open_package(small_model()).run(script, cases) == expected


COMPLETE = """async (calls) => {
  const results = [];
  let state = null;
  for (const [prompt, { continues, ...options }] of calls) {
    const stream = model.generate(prompt, continues ? { ...options, state } : options);
    const pieces = [];
    for await (const char of stream) pieces.push(char);
    const done = stream.completion;
    state = done.state;
    if (pieces.join("") !== done.text) throw new Error("pieces");
    const { text, seed, finishReason, numTokens, warnings, cycle } = done;
    results.push([text, seed, finishReason, numTokens, warnings.length, cycle, done.state.held]);
  }
  return results;
}"""


def summary(done: Completion) -> list[Any]:
    seed = None if done.seed is None else str(done.seed)
    return [
        done.text, seed, done.finish_reason, done.num_tokens, len(done.warnings), done.cycle, list(done.state.held)
    ]  # fmt: skip


def test_texts_and_continuations_are_those_of_python(open_package: OpenPackage) -> None:
    """Calls in a row, some of which go on from the state of the one before."""
    model = small_model(max_new_tokens=30)
    with_stop = {"seed": 11, "max_new_tokens": 80, "stop": ["e", "ab\n"]}
    calls: list[tuple[str, dict[str, Any], bool]] = [
        ("To be, or ", {"seed": 7, "max_new_tokens": 40}, False),
        ("", {"max_new_tokens": 40}, True),
        ("é😀x", {"max_new_tokens": 20, "seed": 3, "top_k": 5}, True),
        ("", {"seed": 2**62, "temperature": 1.3, "top_p": 0.8, "min_p": 0.01}, False),
        ("", {**with_stop, "seed": 12}, True),
        ("ROMEO:\n", with_stop, False),
        ("", {"max_new_tokens": 15, "temperature": 0.0}, True),
        ("Who", {"seed": 1, "temperature": 0.0, "stop": "😀"}, False),
    ]
    names = {"max_new_tokens": "maxNewTokens", "top_k": "topK", "top_p": "topP", "min_p": "minP"}
    expected, sent, state = [], [], None
    for prompt, options, continues in calls:
        done = model.complete(prompt, **options, state=state if continues else None)
        state = done.state
        expected.append(summary(done))
        renamed = {names.get(name, name): str(value) if name == "seed" else value for name, value in options.items()}
        sent.append([prompt, {**renamed, "continues": continues}])
    assert open_package(model).run(COMPLETE, sent) == expected


@pytest.mark.parametrize("num_layers", [1, 2])
def test_greedy_decoding_that_repeats_itself_is_told_as_in_python(open_package: OpenPackage, num_layers: int) -> None:
    """The same cycle is found or not found, from a prompt and where the state of the one before goes on."""
    model = small_model(num_layers=num_layers)
    calls = [(prompt, length) for prompt in ("To be, or ", "O ", "q") for length in (59, 300)]
    options: dict[str, Any] = {"temperature": 0, "seed": 1}
    expected = [summary(model.complete(prompt, **options, max_new_tokens=length)) for prompt, length in calls]
    sent = [[prompt, {**options, "maxNewTokens": length}] for prompt, length in calls]
    assert open_package(model).run(COMPLETE, sent) == expected
    assert {done[5] is None for done in expected} == {True, False}


def test_the_length_of_a_cycle_is_that_of_python(open_package: OpenPackage) -> None:
    cases = [
        [1, 2, 3] * 20, [9, 9, *[1, 2] * 30], [1, 2, 3] * 19, list(range(50)) * 3, list(range(50)) * 2, [1] * 60,
        [1] * 59, list(range(200)) * 3, list(range(201)) * 3, [], [*[4, 5] * 40, 4], [*[4, 5] * 40, 6],
    ]  # fmt: skip
    script = """async (cases) => {
      const { cycleLength } = await import("/repetition.js");
      return cases.map(cycleLength);
    }"""
    assert open_package(small_model()).run(script, cases) == [cycle_length(ids) for ids in cases]


def test_a_hundred_and_a_hundred_are_two_hundred(open_package: OpenPackage) -> None:
    page = open_package(small_model())
    halves = page.run(
        COMPLETE, [["O ", {"seed": 5, "maxNewTokens": 100}], ["", {"maxNewTokens": 100, "continues": True}]]
    )
    (whole,) = page.run(COMPLETE, [["O ", {"seed": 5, "maxNewTokens": 200}]])
    assert halves[0][0] + halves[1][0] == whole[0]


def test_a_reader_who_leaves_or_cancels_ends_the_stream(open_package: OpenPackage) -> None:
    script = """async () => {
      const left = model.generate("a", { seed: 1 });
      for await (const char of left) break;
      const cancelled = model.generate("a", { seed: 1 });
      let text = "";
      for await (const char of cancelled) if ((text += char).length === 5) cancelled.cancel();
      const { finishReason, completion } = cancelled;
      return [left.finishReason, left.text.length, finishReason, text.length, completion.text.length];
    }"""
    assert open_package(small_model()).run(script) == ["cancelled", 1, "cancelled", 5, 5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("model.generate('a', { temperature: -1 })", "temperature is -1; expected a number of at least 0"),
        ("model.generate('a', { topP: 0 })", "topP is 0; expected a number above 0"),
        (
            "model.generate('a', { seed: 'x' })",
            'The seed is "x"; expected a whole number from 0 to 9223372036854775',
        ),
        (
            "model.generate('a', { seed: '9223372036854775808' })",
            "expected a whole number from 0 to 9223372036854775807",
        ),
        ("model.generate('a', { maxNewTokens: 0 })", "maxNewTokens is 0; expected a whole number from 1 to 100000"),
        ("model.generate('a', { stop: '' })", "A stop string is empty"),
        ("model.step(null, 96)", "The token id is 96; expected 0 to 95"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(open_package: OpenPackage, call: str, message: str) -> None:
    script = f"() => {{ try {{ {call}; }} catch (error) {{ return error.message; }} }}"
    assert message in open_package(small_model()).run(script)


def test_alternatives_are_the_likeliest_characters(open_package: OpenPackage) -> None:
    model = small_model()
    done = model.complete("To", seed=1, max_new_tokens=9, temperature=0)
    script = "([prompt, text]) => model.alternatives(prompt, text, { temperature: 1 })"
    found = open_package(model).run(script, ["To", done.text[:8]])
    assert found[0]["char"] == done.text[8]
    assert [one["probability"] for one in found] == sorted((one["probability"] for one in found), reverse=True)


def test_a_vocabulary_is_plain_json() -> None:
    from hubcharlstm.export.content import combining_ranges, model_content

    assert all(unicodedata.combining(chr(low)) and unicodedata.combining(chr(high)) for low, high in combining_ranges())
    content = json.loads(json.dumps(model_content(small_model())))
    assert Vocabulary(content["vocabulary"]["chars"]) == small_model().vocabulary


def test_a_text_is_cut_after_the_same_sentence(open_package: OpenPackage) -> None:
    script = """async (texts) => {
      const { cutAfterSentence } = await import("/sentences.js");
      return texts.map(cutAfterSentence);
    }"""
    texts = [text for text, _ in SENTENCE_CASES]
    assert open_package(small_model()).run(script, texts) == [shown for _, shown in SENTENCE_CASES]
