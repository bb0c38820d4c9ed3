"""What `python -m training` cannot do is refused in one sentence, and nothing is written."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import torch

from tests.support.training_cli import TINY, refused
from training.__main__ import main


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--max-train-chars 0", "max_train_chars is 0; expected at least 1"),
        ("--learning-rate -1", "learning_rate is -1.0; expected a number above 0"),
        ("--learning-rate nan", "learning_rate is nan"),
        ("--hidden-size 0", "hidden_size is 0; expected a whole number of at least 1"),
        ("--hidden-size 999999", "expected at most 2,147,483,648"),
        ("--dropout 1", "dropout is 1.0; expected a number from 0"),
        ("--val-fraction 0", "val_fraction is 0.0; expected a number above 0"),
        ("--encoding utf-9", "encoding 'utf-9' is unknown"),
        ("--encoding ascii --seed -1", "seed is -1"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_and_nothing_is_written(
    corpus: Path, capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    out = corpus.parent / "run"
    assert message in refused(["fit", str(corpus), "--out", str(out), *shlex.split(flags)], capsys)
    assert not out.exists()


def test_a_corpus_that_is_none_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert "no file or folder 'novel.txt'" in refused(["fit", "novel.txt", *out], capsys)
    assert "no file or folder ''" in refused(["fit", "", *out], capsys)
    (tmp_path / "a.txt").write_bytes(b"caf\xe9" * 100)
    latin = refused(["fit", str(tmp_path / "a.txt"), *out], capsys)
    assert "0xe9 at offset 3" in latin and "--encoding cp1252" in latin and "café" in latin
    (tmp_path / "a.txt").write_bytes(b"\0" * 1000)
    assert "looks binary" in refused(["fit", str(tmp_path / "a.txt"), *out], capsys)
    (tmp_path / "a.txt").write_bytes(b"short")
    assert "expected at least 200" in refused(["fit", str(tmp_path / "a.txt"), *out], capsys)
    assert not (tmp_path / "run").exists()


def test_memory_that_does_not_hold_the_run_is_no_traceback(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: object) -> None:
        torch.empty(2**60, dtype=torch.uint8)

    monkeypatch.setattr("hubcharlstm.model.CharLSTM.reset_for_training", too_much)
    assert "memory does not hold" in refused(["fit", str(corpus), "--out", str(corpus.parent / "run")], capsys)

    def our_mistake(*_: object) -> None:
        torch.zeros(2) + torch.zeros(3)

    monkeypatch.setattr("hubcharlstm.model.CharLSTM.reset_for_training", our_mistake)
    with pytest.raises(RuntimeError, match="size"):
        main(["fit", str(corpus), "--out", str(corpus.parent / "run")])


def test_a_package_that_is_missing_is_named_with_the_command(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("training.pipeline", "training.run_plan", "training.bptt"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)  # what Python itself makes of a package that is not there
    shown = refused(["fit", str(corpus), "--out", str(corpus.parent / "run")], capsys)
    assert "accelerate" in shown
    assert "`pip install -c constraints.txt -e '.[train]'`" in shown


def test_options_that_were_ignored_in_silence_are_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", str(corpus), "--out", str(tmp_path / "run"), "--max-train-chars", "100", *TINY]
    assert "--init-from is empty; expected" in refused([*fit, "--init-from", ""], capsys)
    assert "no character occurs that often" in refused([*fit, "--min-count", "100000"], capsys)
    assert "is not utf-16 (" in refused([*fit, "--encoding", "utf-16"], capsys)
    with pytest.raises(SystemExit) as done:
        main([*fit, "--keep-epochs", "1,x"])
    assert done.value.code == 2 and "'1,x' is no list of epochs; expected" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_ctrl_c_before_the_run_is_no_traceback(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.run_corpus.load_corpus", interrupt)
    assert main(["fit", str(corpus), "--out", str(corpus.parent / "run")]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
