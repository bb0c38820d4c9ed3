"""The routes under `/inside` and the endpoint `/trace`: equal to the library, bounded, under the app's limits."""

from __future__ import annotations

import asyncio
import gc
import html
import json
import time
import weakref
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import torch

pytest.importorskip("gradio")

from hubcharlstm.demo.inside import tracing
from hubcharlstm.demo.inside.tracing import Tracer
from hubcharlstm.demo.owners import OWNER_HEADER
from hubcharlstm.demo.private_models import MADE_HERE
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving.admission import Limits
from hubcharlstm.inspection.maps import likeness_order
from hubcharlstm.inspection.trace import SERIES
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving

TEXT = "To be, or not to be"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(tiny_model(examples=("To be, ",))) as running:
        yield running


def post(served: Served, name: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{served.url}/inside/{name}", json=body, timeout=60)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of an answer, as `data.js` takes them apart."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    at, arrays = 4 + length + -length % 4, {}
    for name, kind, shape in header["arrays"]:
        array = np.frombuffer(data, kind, int(np.prod(shape)), at)
        arrays[name] = array.reshape(shape)
        at += array.nbytes + -array.nbytes % 4
    assert at == len(data)
    return header, arrays


# --- traces -----------------------------------------------------------------------------------------------------------


def test_a_trace_is_the_librarys_to_the_bit(served: Served) -> None:
    cells = [[0, 5], [0, 1]]
    answer = post(served, "trace", text=TEXT, cells=cells, maps=[["cell", 0], ["forget_gate", 0]])
    header, arrays = unpack(answer.content)
    found = served.model.trace(TEXT)
    assert header["text"] == TEXT and header["cells"] == cells and answer.status_code == 200
    for n, (layer, unit) in enumerate(cells):
        for row, name in zip(arrays["series"][n], SERIES, strict=True):
            np.testing.assert_array_equal(row, getattr(found, name)[layer, :, unit])
        assert arrays["initial"][n].tolist() == [found.initial_cell[0, unit], found.initial_hidden[0, unit]]
    assert arrays["map:cell:0"].shape == arrays["map:forget_gate:0"].shape == (32, len(TEXT))
    np.testing.assert_array_equal(arrays["order:0"], likeness_order(found, 0))


def test_a_first_answer_tells_guesses_surprise_and_the_cells_to_choose_from(served: Served) -> None:
    header, arrays = unpack(post(served, "trace", text=TEXT).content)
    found = served.model.trace(TEXT)
    np.testing.assert_array_equal(arrays["surprise"], found.surprise)
    assert arrays["guess_ids"].shape == (len(TEXT) + 1, 5)
    assert arrays["guess_ids"][-1][0] == found.next_log_probs.argmax()
    np.testing.assert_allclose(arrays["guess_probs"][3][0], np.exp(found.log_probs[3].max()), rtol=1e-6)
    assert header["cells"] == [[cell["layer"], cell["unit"]] for cell in header["menu"]]
    assert header["characters"] == list(served.model.vocabulary.chars)
    assert header["sizes"] == [1, 32] and len(arrays["series"]) == len(header["cells"]) <= 12


def test_without_a_text_the_models_own_is_traced(served: Served) -> None:
    assert unpack(post(served, "trace", text="").content)[0]["text"] == "To be, "


def test_what_is_before_a_text_is_read_and_not_told(served: Served) -> None:
    header, arrays = unpack(post(served, "trace", text=TEXT, before="What light").content)
    assert header["text"] == TEXT
    np.testing.assert_array_equal(arrays["surprise"], served.model.trace(TEXT, start_text="What light").surprise)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"text": "x" * 2_001}, "The text has 2,001 characters; expected 2,000 at most: shorten it."),
        ({"text": "a", "before": "x" * 2_001}, "The before has 2,001 characters; expected 2,000 at most"),
        ({"text": 3}, "The text is of type int; expected text"),
        ({"text": "a", "cells": [[0, n] for n in range(25)]}, "The list of cells is 25 entries; expected a list of 24"),
        ({"text": "a", "cells": [[0, 32]]}, "There is no layer 0, unit 32; expected a layer below 1"),
        (
            {"text": "a", "cells": [[0, 10**400]]},
            "There is no layer 0, unit 1" + "0" * 39 + "; expected a layer below 1",
        ),
        ({"text": "a", "cells": [[0]]}, "The cell is [0]; expected [layer, unit]: correct it."),
        ({"text": "a", "cells": [[0, True]]}, "expected [layer, unit]"),
        ({"text": "a", "maps": [["secret", 0]]}, "There is no map of 'secret' in layer 0; expected one of input_gate"),
        ({"text": "a", "maps": [["cell", 0]] * 9}, "The list of maps is 9 entries; expected a list of 8 at most"),
        ({"text": "a", "unit": 3}, "The body is no JSON object of these names alone"),
        ({"text": "a", "position": -1}, "The position is -1; expected a whole number from 0"),
        ({"text": "a", "value": 101}, "The value is 101; expected -100 to 100"),
        ({"text": "a", "model": "nobody/here"}, "nobody/here"),
        ({"text": "a", "model": 3}, "The model's name is no text"),
    ],
)
def test_what_exceeds_the_bounds_is_told_in_one_sentence(served: Served, body: dict[str, Any], sentence: str) -> None:
    answer = post(served, "trace", **body)
    assert answer.status_code == 400 and sentence in answer.json()["error"]


def test_a_text_that_the_model_cannot_encode_is_refused(served: Served) -> None:
    answer = post(served, "trace", text="😀")
    assert answer.status_code == 400 and "nothing that the model can read" in answer.json()["error"]
    assert answer.json()["sentence"] == {"key": "inside.unreadable", "params": {}}
    broken = httpx.post(f"{served.url}/inside/trace", content=b"[", timeout=60)
    assert broken.status_code == 400 and "no JSON object" in broken.json()["error"]


def test_a_full_app_refuses_and_a_closed_place_is_free_again() -> None:
    with serving(tiny_model(), Limits(max_concurrent=1, max_queued=0)) as served:
        ticket = served.admission.enter(served_client())
        with ticket:
            answer = post(served, "trace", text="To be")
            assert answer.status_code == 429 and "The app is busy" in answer.json()["error"]
        assert post(served, "trace", text="To be").status_code == 200
        assert served.is_idle


def served_client() -> Any:
    from hubcharlstm.demo.serving.admission import ClientIdentity

    return ClientIdentity()


# --- the other questions ----------------------------------------------------------------------------------------------


def test_what_mattered_is_the_librarys(served: Served) -> None:
    answer = post(served, "connectivity", text=TEXT, position=6).json()
    found = served.model.connectivity(TEXT, 6)
    assert answer["character"] == found.character
    np.testing.assert_allclose(answer["norms"], found.norms, atol=1e-5)
    refused = post(served, "connectivity", text="To", position=3)
    assert refused.status_code == 400 and "position is 3" in refused.json()["error"]


def test_scores_are_the_librarys_for_each_loaded_model(served: Served) -> None:
    (row,) = post(served, "scores", text=TEXT).json()["rows"]
    assert row["model"] == "tiny" and row["bpc"] == pytest.approx(served.model.score(TEXT).bpc)


def test_a_private_model_is_looked_into_by_its_owner_alone(served: Served) -> None:
    key, other = "a" * 32, "b" * 32
    own = tiny_model()
    with torch.no_grad():
        own.head.bias.normal_()
    label = asyncio.run(served.private.add(key, f"diary, {MADE_HERE}", own))
    asked = {"text": TEXT, "model": label}

    def ask(name: str, owner: str) -> httpx.Response:
        return httpx.post(f"{served.url}/inside/{name}", json=asked, headers={OWNER_HEADER: owner}, timeout=60)

    header, _ = unpack(ask("trace", key).content)
    assert header["model"] == label
    rows = ask("scores", key).json()["rows"]
    assert [row["model"] for row in rows] == [label, "tiny"] and rows[0]["bpc"] == pytest.approx(own.score(TEXT).bpc)
    for owner in ("", other):
        assert ask("trace", owner).status_code == 400
    assert ask("trace", "no key").status_code == 400


def test_the_file_shows_a_text_as_text(served: Served) -> None:
    answer = post(served, "report", text="<b>To be</b>")
    assert answer.headers["content-disposition"] == 'attachment; filename="inside.html"'
    assert "<b>" not in answer.text and "Surprise" in answer.text


def test_a_clamped_cell_writes_the_librarys_text_beside_the_one_as_it_is(served: Served) -> None:
    answer = post(served, "write", text="To be", cells=[[0, 3]], value=9, length=60, seed=7, temperature=0.8)
    first, *lines = [json.loads(line) for line in answer.text.splitlines()]
    plain, clamped = ("".join(line["pieces"][n] for line in lines) for n in range(2))
    assert first == {"seed": 7}
    assert plain == served.model.generate("To be", max_new_tokens=60, seed=7, temperature=0.8)
    assert clamped == served.model.generate("To be", max_new_tokens=60, seed=7, temperature=0.8, clamp={(0, 3): 9.0})
    assert plain != clamped
    refused = post(served, "write", text="To be", cells=[[0, 99]], value=9)
    assert refused.status_code == 400 and "There is no layer 0, unit 99" in refused.json()["error"]
    assert served.is_idle


def test_the_scripts_are_served_and_nothing_beside_them(served: Served) -> None:
    assert "export function mountView" in httpx.get(f"{served.url}/inside/view.js").text
    assert httpx.get(f"{served.url}/inside/../chat.html").status_code == 404


def test_the_words_are_served_by_language(served: Served) -> None:
    assert httpx.get(f"{served.url}/inside/words/de.json").json()["inside.gate_f"] == "Vergessens-Gate"
    assert httpx.get(f"{served.url}/inside/words/fr.json").status_code == 404


def test_substituted_characters_are_told_by_their_keys(served: Served) -> None:
    header, _ = unpack(post(served, "trace", text="To be 😀").content)
    assert header["warnings"] == [{"key": "warning.dropped", "params": {"text": "😀"}}]


# --- in the worker thread ---------------------------------------------------------------------------------------------


def test_the_event_loop_goes_on_and_a_text_is_traced_once(
    served_model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def slow_trace(*args: Any, **kwargs: Any) -> Any:
        calls.append(args[2])
        time.sleep(0.3)
        return extended(*args, **kwargs)

    extended = tracing.extended
    monkeypatch.setattr(tracing, "extended", slow_trace)

    async def run() -> int:
        tracer, ticks = Tracer(), 0
        asking = asyncio.gather(*(tracer.trace(served_model, text, "") for text in ("To be", "or not")))
        while not asking.done():
            await asyncio.sleep(0.01)
            ticks += 1
        first, _ = await asking
        assert await tracer.trace(served_model, "To be", "") is first
        return ticks

    assert asyncio.run(run()) > 5
    assert calls == ["To be", "or not"]


def test_the_oldest_traces_make_room_and_are_gone(served_model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that drops a trace held each of two minutes of typing, whatever the cache had evicted."""
    monkeypatch.setattr(tracing, "MAX_CACHE_BYTES", 1)

    async def run() -> None:
        tracer = Tracer()
        first = weakref.ref(await tracer.trace(served_model, "To be", ""))
        await tracer.trace(served_model, "or not", "")
        gc.collect()
        assert first() is None
        monkeypatch.setattr(tracing, "CACHE_SECONDS", 0.01)
        again = await tracer.trace(served_model, "To be", "")
        while tracer._traces:
            await asyncio.sleep(0.01)
        assert again.text == "To be", "what still uses it holds it"

    asyncio.run(run())


def test_the_rest_of_an_owners_text_alone_is_computed(
    served_model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another owner's text is traced as a whole: a quick answer would tell what somebody else has typed."""
    beginnings: list[str | None] = []

    def watched(network: Any, vocabulary: Any, text: str, traced: Any, **options: Any) -> Any:
        beginnings.append(traced and traced.text)
        return extended(network, vocabulary, text, traced, **options)

    extended = tracing.extended
    monkeypatch.setattr(tracing, "extended", watched)

    async def run() -> None:
        tracer, expected = Tracer(), served_model.model.trace("To be, or not")
        for owner in ("a" * 32, "b" * 32, ""):
            for text in ("To be", "To be, ", "Tom", "To be, or not"):
                found = await tracer.trace(served_model, text, "", owner)
            np.testing.assert_allclose(found.cell, expected.cell, atol=1e-5)
        assert tracer.is_idle

    asyncio.run(run())
    assert beginnings == [*[None, "To be", "To be", "To be, "] * 2, None, None, None, None]


def test_what_is_typed_is_prepared_for_its_owner(served: Served) -> None:
    headers, text = {OWNER_HEADER: "c" * 32}, "What light is that?"
    for typed in ("What light", text, "", "😀"):
        answer = httpx.post(f"{served.url}/inside/prepare", json={"text": typed}, headers=headers, timeout=60)
        assert (answer.status_code, answer.content) == (204, b"")
    answer = httpx.post(f"{served.url}/inside/trace", json={"text": text}, headers=headers, timeout=60)
    surprise = unpack(answer.content)[1]["surprise"]
    np.testing.assert_allclose(surprise, served.model.trace(text).surprise, atol=1e-5)
    body = {"text": text, "maps": [["cell", 0]]}
    answers = [
        httpx.post(f"{served.url}/inside/{name}", json=body, headers=headers, timeout=60)
        for name in ("prepare", "trace")
    ]
    assert answers[0].status_code == 200 and answers[0].content == answers[1].content
    assert post(served, "prepare", text=text, maps=[["cell", 0]]).status_code == 204  # from a browser without a key
    assert post(served, "prepare", text="x" * 2_001).status_code == 400
    assert post(served, "trace", text=text, owner="c" * 32).status_code == 400
    assert served.is_idle


# --- the endpoint for programs ----------------------------------------------------------------------------------------


def test_a_program_gets_the_numbers_of_chosen_units(served: Served) -> None:
    done, found = served.last("trace", text=TEXT, units=[4, 2]), served.model.trace(TEXT, units=[4, 2])
    np.testing.assert_allclose(done["surprise"], found.surprise, rtol=1e-6)
    for name in SERIES:
        np.testing.assert_allclose(done[name], getattr(found, name), rtol=1e-6)
    assert (done["layers"], done["units"], done["text"], done["model"]) == ([0], [4, 2], TEXT, "tiny")
    assert done["bpc"] == pytest.approx(found.bpc)
    assert served.last("trace", text=TEXT)["cell"] == [[[]] * len(TEXT)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"text": "x" * 2_001}, "The text has 2,001 characters; expected 2,000 at most"),
        ({"text": TEXT, "units": [32]}, "The units are [32]; expected a list of different whole numbers from 0 to 31"),
        ({"text": TEXT, "units": [1, 1]}, "The units are [1, 1]"),
        ({"text": TEXT, "layers": [1]}, "The layers are [1]; expected a list of different whole numbers from 0 to 0"),
        ({"text": "x" * 2_000, "units": list(range(11))}, "1 layers and 11 units are 22,000 values; expected 20,000"),
    ],
)
def test_a_program_is_told_what_exceeds_the_bounds(served: Served, arguments: dict[str, Any], sentence: str) -> None:
    assert sentence in served.refusal("trace", **arguments)


def test_the_file_speaks_the_language_of_the_page(served: Served) -> None:
    german = post(served, "report", text="To be", language="de").text
    assert '<html lang="de" dir="ltr">' in german and "Je kräftiger die Farbe" in html.unescape(german)
    assert "Surprise" not in german and "Look inside" not in german
    assert 'dir="rtl"' in post(served, "report", text="To be", language="ar").text
    for wrong in ("xx", ["de"], None):
        answer = post(served, "report", text="To be", language=wrong)
        assert answer.status_code == 400 and "expected one of en, de" in answer.json()["error"]


def test_runs_of_the_training_text_are_told(served: Served) -> None:
    assert post(served, "copies", text="To be").json() == {"runs": None, "errors": {}}
    long = post(served, "copies", text="a" * 10_001)
    assert long.status_code == 400 and "10,001 characters; expected 10,000 at most" in long.json()["error"]
