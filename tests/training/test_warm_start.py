"""A run that begins with another model's weights: rows by character, new characters added, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from tests.conftest import tiny_model
from training.__main__ import main
from training.ancestry import SHIPPED, public_command
from training.english import is_english
from training.evaluation.losses import carried_loss
from training.recipe import PRESETS
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
    assert "base_model" not in model.record
    assert model.record["ancestors"] == [{"name": "pretrained"}]
    assert model.record["recipe"]["learning_rate"] == 0.002
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


def strings(value: object) -> Iterator[str]:
    """Every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from (key, *strings(part))
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def test_what_is_published_names_its_ancestry_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card said "read only ..." of weights that had read Shakespeare, and printed the command with /home/..."""
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "other.txt").write_text(TEXT.replace("cat", "cow"), encoding="utf-8")
    sizes = ["--max-train-chars", "1500", "--batch-size", "4", "--seq-len", "16"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["fit", str(tmp_path / "my.txt"), f"--out={first}", "--hidden-size", "8", *sizes]) == 0
    assert main(["fit", str(tmp_path / "other.txt"), "--out", str(second), "--init-from", str(first), *sizes]) == 0
    record = json.loads((second / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["ancestors"] == [{"name": "charlstm-my", "title": "my.txt", "train_chars": len(TEXT) * 9 // 10}]
    card = (second / "model" / "README.md").read_text(encoding="utf-8")
    assert "and before that my.txt (as charlstm-my, " in card and "read only" not in card
    assert "fit other.txt --out second --init-from first" in card
    for file in (second / "model").glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        assert not [text for text in strings(content) if str(tmp_path) in text], file
    assert str(tmp_path) not in card
    third = ["fit", str(tmp_path / "my.txt"), "--out", str(tmp_path / "third"), "--init-from", str(second), *sizes]
    assert main(third) == 0
    third_record = json.loads((tmp_path / "third" / "model" / "training.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in third_record["ancestors"]] == ["charlstm-other", "charlstm-my"]


def test_the_shipped_model_is_named_pretrained() -> None:
    init = PretrainedInit.load("pretrained")
    assert init.model is not None and init.model.name == "the shipped model"
    assert init.ancestors[0]["name"] == SHIPPED and init.ancestors[0]["title"] == "the plays of Shakespeare"
    gentle = init.fit_recipe(PRESETS["small"], set())
    assert (gentle.learning_rate, gentle.muon_rate) == (0.002, 0)
    chosen = init.fit_recipe(PRESETS["small"], {"learning_rate", "muon_rate"})
    assert (chosen.learning_rate, chosen.muon_rate) == (PRESETS["small"].learning_rate, PRESETS["small"].muon_rate)


@pytest.mark.parametrize(
    ("command", "public"),
    [
        ("python -m training fit /home/ann/diary.txt --out runs/x", "python -m training fit diary.txt --out runs/x"),
        ("python -m training fit '/a b/c d.txt'", "python -m training fit 'c d.txt'"),
        ("python -m training fit ~/x.txt --val=/tmp/y.txt", "python -m training fit x.txt --val=y.txt"),
        (r"python -m training fit 'C:\Users\ann\x.txt'", "python -m training fit x.txt"),
        ("python -m training fit ../../x.txt", "python -m training fit x.txt"),
        ("python -m training fit ./../home/ann/x.txt", "python -m training fit x.txt"),
        ("python -m training fit runs/../../ann/x.txt --val=./../y.txt", "python -m training fit x.txt --val=y.txt"),
        ("python -m training fit ./runs/x.txt", "python -m training fit ./runs/x.txt"),
        ("x fit file:///home/ann/x.txt", "x fit x.txt"),
        ("x fit --init-from=file:///home/ann/m", "x fit --init-from=m"),
        ("x fit --teacher=a,/home/ann/b,https://hub.example/c", "x fit --teacher=a,b,https://hub.example/c"),
        ("x fit a.txt --teacher=/home/ann/a,/home/bob/b", "x fit a.txt --teacher=a,b"),
        ("x fit a.txt --with=key=/home/ann/a", "x fit a.txt --with=key=a"),
        ("x fit --init https://ann:secret@hub.example/ann/model", "x fit --init https://hub.example/ann/model"),
        ("x fit --init https://hub.example/ann/model?token=secret", "x fit --init https://hub.example/ann/model"),
        ("x fit a.txt --name hf_abcdefgh12345678", "x fit a.txt --name hf_..."),
        ("unbalanced '", ""),
    ],
)
def test_a_published_command_has_no_path_of_this_machine(command: str, public: str) -> None:
    assert public_command(command) == public


def test_english_is_told_from_its_neighbours() -> None:
    english = "To be, or not to be: that is the question. He was in the house and it was all that she had. " * 5
    assert is_english(english)
    assert not is_english("Der Mann war in das Haus gegangen, und es war so kalt, dass er an die Sonne dachte. " * 5)
    assert not is_english("Il était une fois un homme qui vivait dans une maison au bord de la mer, et il a dit. " * 5)
    assert not is_english("Чёрный кот сидел на окне. the and of to " * 20)
    assert not is_english("def main(): return self.value\nclass A: pass\n" * 20)
    assert not is_english("the and of")
    assert is_english(
        "hey are you there? yes i was at the shop with mum. what is it? not sure, they said it was open. " * 5
    )


@pytest.mark.parametrize(
    "text",
    [
        "De man was in het huis en had niet op de kat gelet. Is dat zo, of was het een droom? We hebben er alle tijd. ",
        "Die man was in die huis en hy was so bly, want sy was ook in die tuin. Is dit so, of is hy as kind daar? ",
        "Manden var i huset, og han have en kat at se til. Alle var her, for i dag var to af dem i haven at se. ",
        "Mannen var i huset og han so alle som var her. Vi er i for god tid, so du har en time, er du her i dag? ",
        "X:1\nT:A tune\nM:6/8\nK:D\nA|dAF dAF|a I a A|B a b A|d e f a|A a a a|I a a A|\n",
    ],
    ids=["Dutch", "Afrikaans", "Danish", "Norwegian", "ABC"],
)
def test_languages_that_share_words_with_english_are_told_from_it(text: str) -> None:
    """They passed for English, and were offered the shipped model's weights."""
    assert not is_english(text * 5)


def test_lower_case_is_not_dropped_by_a_warm_start() -> None:
    init = PretrainedInit.load("pretrained")
    assert not init.fit_recipe(PRESETS["small"], set()).lowercase
    assert init.fit_recipe(replace(PRESETS["small"], lowercase=True), set()).lowercase


def test_a_short_english_text_is_offered_the_shipped_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("He was in the house and it was all that she had to say. " * 40, encoding="utf-8")
    (tmp_path / "b.txt").write_text("Ein Mann ging in das Haus und sagte nichts zu dem Kind. " * 40, encoding="utf-8")
    sizes = ["--hidden-size", "8", "--max-train-chars", "2000", "--dry-run"]
    assert main(["fit", str(tmp_path / "a.txt"), *sizes]) == 0
    assert "--init-from pretrained begins with" in capsys.readouterr().out
    assert main(["fit", str(tmp_path / "b.txt"), *sizes]) == 0
    assert "--init-from" not in capsys.readouterr().out
