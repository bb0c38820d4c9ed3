"""The options of `python -m training`, and their help."""

from __future__ import annotations

import argparse

import pytest

from training.__main__ import main
from training.options import parser
from training.recipe import PRESETS


def commands() -> dict[str, argparse.ArgumentParser]:
    [action] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def test_the_flags_are_frozen() -> None:
    """Who changes this set changes what people have typed into their scripts."""
    flags = {
        name: {flag for a in sub._actions for flag in (a.option_strings or [a.dest])}
        for name, sub in commands().items()
    }
    assert flags == {
        "fit": {
            "-h", "--help", "corpus", "--out", "--preset", "--encoding", "--lowercase", "--val-fraction", "--dtype",
            "--embedding-dim", "--hidden-size", "--num-layers", "--dropout", "--batch-size", "--seq-len",
            "--max-train-chars",
            "--learning-rate", "--weight-decay", "--grad-clip", "--max-epochs", "--seed", "--keep-epochs", "--license",
            "--language", "--push-to-hub", "--space", "--private", "--dry-run", "--min-count", "--init-from",
            "--tracker", "--patience", "--weight-drop", "--errors", "--text-column", "--include-license",
            "--dropout-samples", "--rename-speakers", "--val-place", "--val", "--plain", "--muon-rate", "--static",
            "--teacher", "--distill-weight", "--distill-temperature", "--minutes", "--json", "--local-sgd-steps",
        },
        "evaluate": {
            "-h", "--help", "model", "corpus", "--encoding", "--dynamic", "--ngram", "--errors", "--text-column",
            "--include-license", "--plain",
        },
        "resume": {"-h", "--help", "run"},
        "push": {"-h", "--help", "run", "repo_id", "--private", "--install-from", "--endpoint"},
        "space": {
            "-h", "--help", "space_id", "--model", "--hardware", "--private", "--torch-index", "--dry-run",
            "--static", "--make-your-own",
        },
        "job": {
            "-h", "--help", "run", "--flavor", "--timeout", "--namespace", "--detach", "--cancel", "--dry-run",
        },
        "sweep": {
            "-h", "--help", "corpus", "--seeds", "--set", "--out", "--processes", "--teach", "--flavor", "--timeout",
            "--namespace",
        },
    }  # fmt: skip


def test_an_empty_flavor_trains_nothing_here(capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep whose variable for the machine was unset trained on this one."""
    with pytest.raises(SystemExit) as done:
        main(["sweep", "play.txt", "--flavor", ""])
    assert done.value.code == 2 and "argument --flavor: it is empty; expected a machine" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", *commands()])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main([name, "--help"] if name else ["--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: python -m training" in shown
    sub = commands()[name] if name else parser()
    assert all(action.help for action in sub._actions if action.option_strings)


def test_the_help_shows_what_each_preset_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} {recipe.hidden_size}" in shown for name, recipe in PRESETS.items())
