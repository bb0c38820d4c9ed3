"""`python -m training`: its flags, one sentence for each mistake, and a run that is stopped and goes on."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import training.pipeline
import training.preflight
from training.__main__ import main
from training.commands import command
from training.options import parser
from training.recipe import PRESETS, Recipe

ROOT = Path(__file__).parents[2]
TEXT = "ANN:\nThe cat sat on the mat.\n\nBOB:\nThe dog sat on the log.\n\n" * 30
TINY = shlex.split(
    "--embedding-dim 4 --hidden-size 8 --num-layers 2 --dropout 0.2 --batch-size 4 --seq-len 16 --max-epochs 100000"
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "my play.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr that `argv` is refused with."""
    assert main(argv) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    return shown


# --- flags -----------------------------------------------------------------------------------------------------------


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
            "--embedding-dim", "--hidden-size", "--num-layers", "--dropout", "--batch-size", "--seq-len", "--chars",
            "--learning-rate", "--weight-decay", "--grad-clip", "--max-epochs", "--seed", "--keep-epochs", "--license",
            "--language", "--push-to-hub", "--space", "--private", "--dry-run", "--min-count", "--init-from",
            "--tracker", "--patience", "--weight-drop",
        },
        "evaluate": {"-h", "--help", "model", "corpus", "--encoding", "--dynamic"},
        "resume": {"-h", "--help", "run"},
        "push": {"-h", "--help", "run", "repo_id", "--private"},
        "space": {
            "-h", "--help", "space_id", "--model", "--hardware", "--private", "--torch-index", "--dry-run",
        },
    }  # fmt: skip


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


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--chars 0", "chars is 0; expected at least 1"),
        ("--learning-rate -1", "learning_rate is -1.0; expected a number above 0"),
        ("--learning-rate nan", "learning_rate is nan"),
        ("--hidden-size 0", "hidden_size is 0; expected a whole number of at least 1"),
        ("--hidden-size 9999999999", "expected at most 2,147,483,648"),
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
    assert "0xe9 at offset 3" in latin and "--encoding latin-1" in latin
    (tmp_path / "a.txt").write_bytes(b"\0" * 1000)
    assert "looks binary" in refused(["fit", str(tmp_path / "a.txt"), *out], capsys)
    (tmp_path / "a.txt").write_bytes(b"short")
    assert "expected at least 200" in refused(["fit", str(tmp_path / "a.txt"), *out], capsys)
    assert not (tmp_path / "run").exists()


def test_an_out_that_cannot_be_written_is_refused(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in (f"{corpus}/run", "/dev/null/run", "/proc/run"):
        assert "cannot be read or written" in refused(["fit", str(corpus), "--out", out, *TINY], capsys)
    assert "exists already" in refused(["fit", str(corpus), "--out", str(corpus)], capsys)
    assert corpus.read_text(encoding="utf-8") == TEXT


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
    for module in ("training.pipeline", "training.bptt"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)  # what Python itself makes of a package that is not there
    shown = refused(["fit", str(corpus), "--out", str(corpus.parent / "run")], capsys)
    assert "accelerate" in shown
    assert "`pip install -c constraints.txt -e '.[train]'`" in shown


def test_what_is_no_run_cannot_be_resumed_or_pushed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no run.json" in refused(["resume", str(tmp_path)], capsys)
    assert "has no run.json" in refused(["resume", str(tmp_path / "none")], capsys)
    assert "There is no folder" in refused(["push", str(tmp_path / "none"), "user/name"], capsys)
    assert "has no config.json" in refused(["push", str(tmp_path), "user/name"], capsys)
    for damaged in ("", "[]", "{}", '{"recipe": {}, "source": {}, "dtype": "float32", "sha256": ""}', "\udcff"):
        (tmp_path / "run.json").write_text(damaged, encoding="utf-8", errors="surrogateescape")
        assert "run.json is damaged" in refused(["resume", str(tmp_path)], capsys)


# --- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "my play.txt").write_text(TEXT, encoding="utf-8")
    argv = ["fit", str(folder / "my play.txt"), "--out", str(folder / "my run"), "--chars", "2000", *TINY]
    assert main(argv) == 0
    return folder / "my run"


def test_a_run_says_what_it_reads_and_how_to_go_on(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my run"
    argv = ["fit", str(corpus), "--out", str(out), "--chars", "300", *TINY, "--batch-size", "90", "--lowercase"]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "note: the text is short, so the batch is 12 instead of 90\n" in shown
    assert "my play.txt: 1,620 characters to train on, 180 held out (the last 180 of 1,800 characters)." in shown
    chat, publish = shown.strip().split("\n")[-2:]
    assert shlex.split(chat)[-4:] == [command("hubcharlstm"), "app", "--model", str(out)]
    assert shlex.split(publish)[-5:] == ["-m", "training", "push", str(out), "USER/charlstm-my-play"]
    record = json.loads((out / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["command"] == shlex.join(["python", "-m", "training", *argv])
    generation = json.loads((out / "model" / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["speakers"] == ["ann", "bob"]


def test_a_run_is_never_overwritten(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished / "model" / "model.safetensors").read_bytes()
    shown = refused(["fit", "macbeth", "--out", str(finished)], capsys)
    assert f"-m training resume '{finished}'`" in shown
    assert "choose another --out" in shown
    assert (finished / "model" / "model.safetensors").read_bytes() == before


def test_a_finished_run_is_resumed_to_the_same_end(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished / "model" / "training.json").read_bytes()
    assert main(["resume", str(finished)]) == 0
    assert "Publish it:" in capsys.readouterr().out
    assert (finished / "model" / "training.json").read_bytes() == before  # the command that began it, too


def test_a_corpus_that_changed_is_not_trained_on(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = finished.parent / "my play.txt"
    corpus.write_text(TEXT + "!", encoding="utf-8")
    shown = refused(["resume", str(finished)], capsys)
    assert "has changed since the run began (it had 1,800 characters and has 1,801, and differs" in shown
    corpus.unlink()
    assert "There is no file or folder" in refused(["resume", str(finished)], capsys)
    corpus.write_text(TEXT, encoding="utf-8")
    assert main(["resume", str(finished)]) == 0


def test_a_run_of_a_version_without_patience_goes_on_without_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a run was refused as damaged; with the default of today it would end earlier than it was to."""
    file = finished / "run.json"
    before = file.read_text(encoding="utf-8")
    settings = json.loads(before)
    del settings["recipe"]["patience"], settings["recipe"]["cold_starts"], settings["recipe"]["average"]
    del settings["tracker"]
    file.write_text(json.dumps(settings), encoding="utf-8")
    seen: list[Recipe] = []
    fit = training.fit.fit

    def watched(corpus: Any, recipe: Recipe, *rest: Any, **named: Any) -> Any:
        seen.append(recipe)
        return fit(corpus, recipe, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.pipeline.fit", watched)
        assert main(["resume", str(finished)]) == 0
    assert (seen[0].patience, seen[0].state_reset_prob, seen[0].average) == (0, 0.0, 0.0)
    del settings["recipe"]["hidden_size"]
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert "run.json is damaged (no hidden_size in its recipe)" in refused(["resume", str(finished)], capsys)
    file.write_text(before, encoding="utf-8")


def test_a_run_trains_in_the_folder_it_is_called_from(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main(["fit", f"../{corpus.name}", "--out", ".", "--chars", "100", *TINY]) == 0
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [
        "checkpoint",
        "metrics.jsonl",
        "model",
        "run.json",
    ]


def test_ctrl_c_before_the_run_is_no_traceback(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.data.corpus.read_corpus", interrupt)
    assert main(["fit", str(corpus), "--out", str(corpus.parent / "run")]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"


@pytest.mark.slow
def test_a_run_stopped_in_one_process_goes_on_in_another(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of it as a user sees it, in a console that cannot show every character."""
    corpus.write_text(TEXT.replace("cat", "chat é"), encoding="utf-8")
    settings = ["--chars", "30000", *TINY]
    out, unbroken = corpus.parent / "run", corpus.parent / "unbroken"
    with subprocess.Popen(
        [sys.executable, "-m", "training", "fit", str(corpus), "--out", str(out), *settings],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONIOENCODING="ascii", OMP_NUM_THREADS="1"),
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        shown = ""
        while "held-out" not in shown:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            shown += line
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == ""
    stopped = rest.strip().split("\n")[-1]
    assert stopped.startswith("Stopped and saved. Go on with:")
    words = shlex.split(stopped)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert main(words[words.index("training") + 1 :]) == 0
        assert main(["fit", str(corpus), "--out", str(unbroken), *settings]) == 0
    finally:
        torch.set_num_threads(threads)
    capsys.readouterr()
    for name in ("model/model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = load_file(out / name), load_file(unbroken / name)
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_preset_that_writes_greedily_and_a_text_of_2000_characters(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text((TEXT * 2)[:2000])
    settings = ["--chars", "2000", "--hidden-size", "8", "--out", str(tmp_path / "run")]
    assert main(["fit", str(file), "--preset", "article", *settings]) == 0
    generation = json.loads((tmp_path / "run" / "model" / "generation_config.json").read_text())
    assert generation["temperature"] == 0.0
    record = json.loads((tmp_path / "run" / "model" / "training.json").read_text())
    assert record["recipe"]["lowercase"] and record["recipe"]["weight_decay"] == 0.0
    assert set(record["copying"]) == {"sampled", "held_out"} and set(record["copying"]["held_out"]) == {
        "20",
        "40",
        "80",
    }
    assert len(record["baselines"]) == 3
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert all(f"| {name} |" in card for name in record["baselines"])
    assert "How much of it is copied" in card and "held-out loss" in card


@pytest.mark.parametrize("at", ["checkpoint", "model"])
def test_a_disk_that_fills_up_leaves_the_last_checkpoint_whole(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The disk is full from the fourth file of weights on; resumed with room, the run ends as an unbroken one."""
    out, unbroken = corpus.parent / "run", corpus.parent / "unbroken"
    argv = ["fit", str(corpus), "--chars", "3000", *TINY, "--out"]
    assert main([*argv, str(unbroken)]) == 0
    module = {"checkpoint": "training.checkpoint", "model": "hubcharlstm.hub.model_folder"}[at]
    save, seen = sys.modules[module].save_file, []

    def full(tensors: object, path: Path, *rest: object, **named: object) -> None:
        seen.append(path)
        if len(seen) >= 4:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save(tensors, path, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.save_file", full)
        shown = refused([*argv, str(out)], capsys)
    assert "No space left on device" in shown and "free some space" in shown
    assert main(["resume", str(out)]) == 0
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for name in ("model/model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = load_file(out / name), load_file(unbroken / name)
        assert all(torch.equal(a[key], b[key]) for key in a)


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user without rights: root may write everywhere, whatever a folder's mode says."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no such users")
def test_a_run_folder_that_may_only_be_read_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        place, run = Path(name), Path(name) / "run"
        shutil.copytree(finished, run)
        settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
        shutil.copy(settings["source"]["corpus"], place / "text.txt")
        settings["source"]["corpus"] = str(place / "text.txt")
        (run / "run.json").write_text(json.dumps(settings), encoding="utf-8")
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        for path in (place, *place.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            with nobody():
                with pytest.raises(PermissionError):
                    (run / "file").touch()
                shown = [
                    refused(argv, capsys)
                    for argv in (
                        ["resume", str(run)],
                        ["fit", str(place / "text.txt"), "--chars", "100", *TINY, "--out", str(place / "new")],
                    )
                ]
        finally:
            for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
                folder.chmod(0o755)
        assert all("cannot be read or written (Permission denied)" in line for line in shown), shown
        assert str(run) in shown[0] and str(place / "new") in shown[1]
        assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        assert not (place / "new").exists()


# --- what nobody should ask for --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("recipe", 5, "recipe is 5"), ("recipe.batch_size", 2.5, "batch_size is 2.5 in its recipe"),
        ("recipe.seed", True, "seed is True in its recipe"), ("source.corpus", 5, "corpus is 5 in its source"),
        ("base", {"name": "x"}, "no chars in its base"), ("hub", 5, "hub is 5"), ("card", 5, "card is 5"),
        ("keep_epochs", 7, "keep_epochs is 7"), ("baselines", 3, "baselines is 3"), ("marks", {}, "no train_chars"),
    ],
)  # fmt: skip
def test_a_run_json_that_somebody_edited_is_refused_by_what_is_wrong_in_it(
    finished: Path, capsys: pytest.CaptureFixture[str], name: str, value: Any, told: str
) -> None:
    """Each of these ended in a traceback."""
    file = finished / "run.json"
    before = file.read_text(encoding="utf-8")
    settings = json.loads(before)
    part, _, key = name.rpartition(".")
    (settings[part] if part else settings)[key] = value
    file.write_text(json.dumps(settings), encoding="utf-8")
    try:
        assert f"run.json is damaged ({told}" in refused(["resume", str(finished)], capsys)
    finally:
        file.write_text(before, encoding="utf-8")


def test_a_run_within_its_own_corpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its files became a part of the text, so that it could never be resumed; and "empty it" was the advice."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(TEXT)
    for out in ("texts", "texts/runs/a"):
        shown = refused(["fit", str(tmp_path / "texts"), "--out", str(tmp_path / out), *TINY], capsys)
        assert "lies in the corpus" in shown and "choose another --out" in shown and "empty" not in shown
    file = str(tmp_path / "texts" / "a.txt")
    assert "a new folder: choose another --out" in refused(["fit", file, "--out", file], capsys)
    assert [path.name for path in (tmp_path / "texts").iterdir()] == ["a.txt"]


def test_wishes_that_were_left_out_in_silence_are_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", str(corpus), "--out", str(tmp_path / "run"), "--chars", "100", *TINY]
    assert "--init-from is empty; expected" in refused([*fit, "--init-from", ""], capsys)
    assert "no character occurs that often" in refused([*fit, "--min-count", "100000"], capsys)
    assert "is not utf-16 (" in refused([*fit, "--encoding", "utf-16"], capsys)
    with pytest.raises(SystemExit) as done:
        main([*fit, "--keep-epochs", "1,x"])
    assert done.value.code == 2 and "'1,x' is no list of epochs; expected" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_began_while_another_looked_at_its_text_is_left_alone(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both had found the folder empty; the one that came second would have written over a short run."""
    fit = ["fit", str(corpus), "--out", str(tmp_path / "run"), "--chars", "100", *TINY]
    measure = training.preflight.measure_baselines

    def slowly(*args: Any) -> Any:
        monkeypatch.undo()
        assert main(fit) == 0
        return measure(*args)

    monkeypatch.setattr("training.preflight.measure_baselines", slowly)
    assert "exists already" in refused(fit, capsys)
    assert main(["resume", str(tmp_path / "run")]) == 0
