"""A run that begins with another model's weights: rows by character, new characters added, and where it came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from tests.conftest import tiny_model
from training.__main__ import main
from training.evaluation.losses import carried_loss
from training.warm_start import PretrainedInit

TEXT = "ANN:\nThe cat sat on the mat.\n\nBOB:\nThe dog ate it: élan.\n\n" * 30


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    vocabulary = Vocabulary(sorted(set(TEXT.replace("é", "") + "zZ"), reverse=True))
    tiny_model(vocabulary, hidden_size=8).save_pretrained(tmp_path / "pretrained")
    return tmp_path / "pretrained"


def test_known_characters_score_as_before_and_new_ones_disturb_little(pretrained: Path) -> None:
    old = CharLSTM.from_pretrained(pretrained, device="cpu")
    start = PretrainedInit.load(str(pretrained))
    vocabulary = start.vocabulary(tuple(sorted(set(TEXT))), lowercase=False)
    assert vocabulary.chars == (*old.vocabulary.chars, "é")
    config = CharLSTMConfig(len(vocabulary), 8, 8, 2)
    new = CharLSTM(config, Vocabulary(reversed(vocabulary.chars)))  # matched by character, not by place
    assert start.copy_into(new) == 1
    text = TEXT.replace("é", "e")[:400]
    ids, same = (np.array(model.vocabulary.encode(text).ids) for model in (new.eval(), old))
    with torch.no_grad():
        got, _ = new(torch.tensor(ids)[None])
        expected, _ = old(torch.tensor(same)[None])
    columns = [new.vocabulary.chars.index(char) for char in old.vocabulary.chars]
    torch.testing.assert_close(got[..., columns], expected)
    assert carried_loss(new, ids) == pytest.approx(carried_loss(old, same), abs=0.5)


def test_a_warm_run_takes_sizes_records_its_pretrained_model_and_goes_on(
    pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "text.txt"
    corpus.write_text(TEXT, encoding="utf-8")
    argv = ["fit", str(corpus), "--init-from", str(pretrained), "--max-train-chars", "1500"]
    argv += ["--batch-size", "4", "--seq-len", "16"]
    assert main([*argv, "--out", str(tmp_path / "run")]) == 0
    model = CharLSTM.from_pretrained(tmp_path / "run", device="cpu")
    assert (model.config.hidden_size, model.config.num_layers) == (8, 2)
    assert {"é", "Z"} <= set(model.vocabulary.chars)
    assert model.record["base_model"] == str(pretrained)
    before = (tmp_path / "run" / "model" / "training.json").read_bytes()
    assert main(["resume", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "model" / "training.json").read_bytes() == before
    settings = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert settings["pretrained_init"]["name"] == str(pretrained)
    capsys.readouterr()
    assert main([*argv, "--hidden-size", "16", "--out", str(tmp_path / "other")]) == 2
    assert "hidden_size is 16, but" in capsys.readouterr().err
    assert main(["fit", str(corpus), "--init-from", str(tmp_path / "none"), "--out", str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()
