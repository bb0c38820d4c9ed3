"""The HTML file holds the text as text, asks no other machine for anything, and shows the model's own numbers."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.cli import main
from hubcharlstm.inspection.cells import NamedCell
from hubcharlstm.inspection.report_page import liveliest, page
from tests.conftest import TEXT, tiny_model
from tests.test_colored_text import Parsed

HOSTILE = "</pre><script>alert(1)</script><img src=//x.y onerror=a()>"


@pytest.fixture
def hostile_model() -> CharLSTM:
    """It knows every character of `HOSTILE`."""
    return tiny_model(Vocabulary.from_text(TEXT + HOSTILE))


def test_hostile_text_is_shown_as_text_and_nothing_is_requested(hostile_model: CharLSTM) -> None:
    cells = (NamedCell(1, 3, "upper_case", 0.9, 0.005), NamedCell(0, 2, "in_word", 0.5, 0.005))
    shown = page(hostile_model.trace(HOSTILE), hostile_model.vocabulary.chars, title=HOSTILE, cells=cells)
    parsed = Parsed(shown)
    assert parsed.text.count(HOSTILE) == 4  # title, surprise and two cells
    assert {tag for tag, _ in parsed.tags} == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "pre", "span",
    }  # fmt: skip
    assert not {name for _, attributes in parsed.tags for name in attributes} & {"src", "href", "onerror"}
    assert not re.search(r"https?:|url\(|@import", shown)
    assert "default-src 'none'" in shown
    assert "Layer 1, unit 3" in parsed.text and "an upper-case letter" in parsed.text


def test_it_shows_the_surprise_and_the_guess_of_each_character(model: CharLSTM) -> None:
    trace = model.trace("To be")
    tags = Parsed(page(trace, model.vocabulary.chars, title="a")).tags
    titles = [attributes["title"] for tag, attributes in tags if tag == "span" and "title" in attributes]
    likeliest = [model.vocabulary.chars[n] for n in trace.log_probs.argmax(axis=1)]
    expected = [f"{bits:.1f} bits, likeliest {char!r}" for bits, char in zip(trace.surprise, likeliest, strict=True)]
    assert titles == expected


def test_without_names_the_cells_that_vary_most_are_shown(model: CharLSTM) -> None:
    trace = model.trace(TEXT, units=[3, 4, 9])
    found = liveliest(trace)
    deviation = {
        (layer, unit): np.tanh(trace.cell[m, :, n]).std()
        for m, layer in enumerate(trace.layers)
        for n, unit in enumerate(trace.units)
    }
    assert found == sorted(deviation, key=lambda cell: -deviation[cell])[:3]
    text = Parsed(page(trace, model.vocabulary.chars, title="a")).text
    assert all(f"Layer {layer}, unit {unit}" in text for layer, unit in found)


def test_a_notebook_draws_what_a_model_gives(hostile_model: CharLSTM) -> None:
    done = hostile_model.complete(HOSTILE, max_new_tokens=20, seed=1)
    for value, shown in (
        (hostile_model.trace(HOSTILE), HOSTILE),
        (hostile_model.score(HOSTILE), HOSTILE),
        (done, HOSTILE + done.text + "seed 1, length, 20 characters"),
    ):
        parsed = Parsed(value._repr_html_())
        assert parsed.text == shown
        assert {tag for tag, _ in parsed.tags} <= {"pre", "span", "p"}


def test_the_command_writes_one_file(
    model: CharLSTM,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, trace = tmp_path / "out.html", model.trace("To be e")
    assert main(["inspect", "To be é", "--html", str(file), "--model", str(model_folder)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{trace.bpc:.4f} bits per character, 7 characters, in {file}\n"
    assert err == "warning: é read as e\n"
    assert "To be e" in Parsed(file.read_text("utf-8")).text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"To be")))
    assert main(["inspect", "-", "--html", str(file), "--model", str(model_folder)]) == 0
    assert "5 characters" in capsys.readouterr().out
    for arguments, message in (
        (["", "--html", str(file)], "nothing that"),
        (["T", "--html", str(tmp_path)], "written"),
    ):
        assert main(["inspect", *arguments, "--model", str(model_folder)]) == 2
        shown = capsys.readouterr().err
        assert message in shown and shown.startswith("error: ") and shown.count("\n") == 1
