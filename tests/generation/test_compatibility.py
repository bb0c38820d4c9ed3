"""What version 660d95b saved still loads, and gives the texts that it gave there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hubcharlstm import CharLSTM, GenerationState
from hubcharlstm.hub import model_card

FOLDER = Path(__file__).parents[1] / "data" / "660d95b"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
TEMPERATURES, TOP_KS, STOPS = (0, 0.5, 0.8, 1.0, 0.8, 1.4), (0, 0, 5, 0, 0, 0), (None, None, None, "t", None, None)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_folder_gives_the_same_texts(precision: str) -> None:
    model = CharLSTM.from_pretrained(FOLDER / "model", precision=precision)
    found = []
    for seed, (temperature, top_k, stop) in enumerate(zip(TEMPERATURES, TOP_KS, STOPS, strict=True)):
        done = model.complete("The cat ", max_new_tokens=40, temperature=temperature, seed=seed, top_k=top_k, stop=stop)
        found.append([done.text, done.finish_reason, model.generate(state=done.state, max_new_tokens=20)])
    assert found == EXPECTED[precision]


def test_a_saved_state_continues_the_same_text() -> None:
    model = CharLSTM.from_pretrained(FOLDER / "model", precision="fp32")
    state = GenerationState.load(FOLDER / "state.safetensors")
    texts = [model.generate("The cat ", max_new_tokens=10, seed=5), model.generate(state=state, max_new_tokens=30)]
    assert texts == EXPECTED["state"]


def test_half_precision_weights_load_and_keep_their_type() -> None:
    model = CharLSTM.from_pretrained(FOLDER / "model_fp16")
    assert model.stored_dtype == "float16"
    assert len(model.generate("The cat ", max_new_tokens=20, seed=1)) == 20


def test_its_record_makes_a_card() -> None:
    model = CharLSTM.from_pretrained(FOLDER / "model")
    card = model_card.render(model.config, model.vocabulary, model.record)
    assert "## How it learned" in card and ModelCard(card).data.library_name == "hubcharlstm"
