"""Any value for any argument of the library: a call works, or raises one `ValueError` with one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.decoding.clamping import parse_cell
from hubcharlstm.generation.state import GenerationState
from hubcharlstm.generation_config import MAX_NEW_TOKENS
from hubcharlstm.inference_endpoint import EndpointHandler
from hubcharlstm.inspection.ngram_filter import NgramFilter
from tests.conftest import TEXT, tiny_model
from tests.support.anything import examples, json_values, numbers, some_of, texts, values, works_or_refuses

lists_of_numbers = st.lists(numbers, max_size=3)
lists_of_texts = st.lists(texts, max_size=3)
NGRAMS = NgramFilter.of(TEXT)
SAMPLING = dict.fromkeys(("temperature", "top_k", "top_p", "min_p"), numbers)
clamps = st.dictionaries(st.tuples(st.integers(-1, 3), st.integers(-1, 30)), numbers, max_size=2)


def is_no_length(value: Any) -> bool:
    return not isinstance(value, int) or not 5 < value <= MAX_NEW_TOKENS


@pytest.fixture(scope="module")
def model() -> CharLSTM:
    return tiny_model(Vocabulary.from_text(TEXT))


@examples(60)
@given(
    some_of(
        {
            **SAMPLING, "max_new_tokens": numbers, "start_text": texts, "examples": lists_of_texts,
            "speakers": lists_of_texts, "turn_template": texts, "turn_stop": texts,
        },
        values,
    )
)  # fmt: skip
def test_defaults(options: dict[str, Any]) -> None:
    def make() -> None:
        config = GenerationConfig(**options)
        assert GenerationConfig.from_dict(config.to_dict()) == config
        repr(config)

    works_or_refuses(make)
    works_or_refuses(lambda: GenerationConfig.from_dict(options))


@examples(60)
@given(
    prompt=st.one_of(texts, texts, lists_of_texts, values),
    options=some_of(
        {**SAMPLING, "seed": numbers, "stop": st.one_of(texts, lists_of_texts), "clamp": clamps, "num_samples": numbers,
         "batch_size": numbers, "max_buffered_tokens": numbers, "state": st.none()},
        values,
    ),
    length=st.one_of(st.integers(1, 5), st.integers(1, 5), numbers.filter(is_no_length)),
)  # fmt: skip
def test_generate(model: CharLSTM, prompt: Any, options: dict[str, Any], length: Any) -> None:
    if isinstance(options.get("num_samples"), int) and 20 < options["num_samples"] < 10**6:
        options["num_samples"] = 20  # as many as are asked for are written
    works_or_refuses(lambda: model.generate(prompt, max_new_tokens=length, **options))


@examples(60)
@given(
    text=st.one_of(texts, texts, values),
    position=st.one_of(st.integers(0, 5), numbers, values),
    options=some_of({"start_text": texts, "layers": lists_of_numbers, "units": lists_of_numbers}, values),
    sampling=some_of({**SAMPLING, "k": numbers, "clamp": clamps}, values),
)  # fmt: skip
def test_inspection(
    model: CharLSTM, text: Any, position: Any, options: dict[str, Any], sampling: dict[str, Any]
) -> None:
    start = {"start_text": options["start_text"]} if "start_text" in options else {}
    works_or_refuses(lambda: model.score(text, **start))
    works_or_refuses(lambda: model.score(text, num_chunks=position))
    works_or_refuses(lambda: model.trace(text, **options))
    works_or_refuses(lambda: model.alternatives(text, position, **start, **sampling))
    works_or_refuses(lambda: model.connectivity(text, position, **start))
    works_or_refuses(lambda: model.trace("To be", state=text))


@examples(15)
@given(text=st.one_of(texts.map(lambda text: text + TEXT), values), seconds=values, steps=values, before=values)
def test_adapt_and_copied_runs(model: CharLSTM, text: Any, seconds: Any, steps: Any, before: Any) -> None:
    for options in ({"seconds": seconds}, {"steps": steps}, {"seconds": seconds, "steps": steps}):
        works_or_refuses(lambda options=options: model.adapt(text, **options, is_cancelled=lambda: True))
    filtered = tiny_model(model.vocabulary)
    filtered.ngrams = NGRAMS
    works_or_refuses(lambda: filtered.copied_runs(text, before=before))


@examples(60)
@given(
    options=some_of(dict.fromkeys(("embedding_dim", "hidden_size", "num_layers", "dropout"), numbers), values),
    size=values, chars=st.one_of(lists_of_texts, texts, values), data=json_values, cell=texts,
)  # fmt: skip
def test_sizes_vocabularies_and_cells(options: dict[str, Any], size: Any, chars: Any, data: Any, cell: str) -> None:
    works_or_refuses(lambda: CharLSTMConfig(size, **options))
    works_or_refuses(lambda: CharLSTMConfig.from_dict({"vocab_size": size, **options}))
    works_or_refuses(lambda: Vocabulary.from_dict(data))
    works_or_refuses(lambda: Vocabulary.from_dict({"chars": chars, "reading": data}))
    works_or_refuses(lambda: parse_cell(cell))
    if isinstance(chars, str | list):
        works_or_refuses(lambda: Vocabulary(chars))


@examples(100)
@given(texts, texts)
def test_texts_are_encoded_as_they_are_decoded(known: str, text: str) -> None:
    """What a vocabulary reads of any text, it reads as the same ids again."""
    if works_or_refuses(lambda: Vocabulary.from_text(known)) is not None:
        return
    for lowercase in (False, True):
        vocabulary = Vocabulary.from_text(known, lowercase=lowercase)
        assert vocabulary.encode(known).exact or lowercase
        encoding = vocabulary.encode(text)
        assert vocabulary.decode(encoding.ids) == encoding.text
        encoding.describe().encode()
        assert "\n" not in encoding.describe()
        assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


@examples(20)
@given(record=st.dictionaries(texts, json_values, max_size=4), install_from=values, dtype=values, extra_files=values)
def test_saving(
    model: CharLSTM,
    tmp_path_factory: pytest.TempPathFactory,
    record: Any,
    install_from: Any,
    dtype: Any,
    extra_files: Any,
) -> None:
    """What can be saved loads again with the same record."""
    folder = tmp_path_factory.mktemp("any") / "model"
    model.record = record
    if works_or_refuses(lambda: model.save_pretrained(folder)) is None:
        assert CharLSTM.from_pretrained(folder, device="cpu").record == record
    model.record = {}
    for options in ({"install_from": install_from}, {"dtype": dtype}, {"extra_files": extra_files}, {"repo_id": dtype}):
        works_or_refuses(lambda options=options: model.save_pretrained(folder, **options))


@examples(30)
@given(path=st.one_of(texts, values), revision=values, device=values, precision=values)
def test_loading(model_path: str, path: Any, revision: Any, device: Any, precision: Any) -> None:
    if path is not None:
        works_or_refuses(lambda: CharLSTM.from_pretrained(path, local_files_only=True))
    for options in ({"revision": revision}, {"device": device}, {"precision": precision}):
        works_or_refuses(lambda options=options: CharLSTM.from_pretrained(model_path, **options))
    if path is not None:
        works_or_refuses(lambda: GenerationState.load(path))


@pytest.fixture(scope="module")
def model_path(model: CharLSTM, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def handler(model_path: str) -> Iterator[EndpointHandler]:
    made = EndpointHandler(model_path)
    yield made
    made.engine.close()


@examples(60)
@given(
    some_of(
        {
            "inputs": st.one_of(texts, lists_of_texts), "stream": st.just(False), "options": json_values,
            "parameters": some_of(
                {
                    **SAMPLING, "seed": numbers, "max_new_tokens": st.integers(1, 5), "do_sample": st.booleans(),
                    "stop": st.one_of(texts, lists_of_texts), "details": st.booleans(),
                    "return_full_text": st.booleans(), "truncate": st.none(), "best_of": numbers,
                },
                json_values,
            ),
        },
        json_values,
    )
)  # fmt: skip
def test_a_body_for_an_inference_endpoint(handler: EndpointHandler, body: dict[str, Any]) -> None:
    works_or_refuses(lambda: handler({"inputs": "To be", **body}))
