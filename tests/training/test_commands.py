"""`python -m training`: a run from its start to its end, stopped and resumed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hubcharlstm.cli import main as hubcharlstm_main
from tests.support.training_cli import ROOT, TEXT, TINY, refused
from training.__main__ import main
from training.run_folder import resume_command, shell_command, training_command


def test_a_run_says_what_it_reads_and_how_to_go_on(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my run"
    argv = [
        "fit",
        str(corpus),
        "--out",
        str(out),
        "--max-train-chars",
        "300",
        *TINY,
        "--batch-size",
        "90",
        "--lowercase",
    ]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "note: the text is short, so the batch is 12 instead of 90\n" in shown
    assert "my play.txt: 1,620 characters to train on, 180 held out (the last 180 of 1,800 characters)." in shown
    chat, publish = shown.strip().split("\n")[-2:]
    assert shlex.split(chat)[-4:] == [shell_command("hubcharlstm"), "app", "--model", str(out)]
    assert shlex.split(publish)[-5:] == ["-m", "training", "push", str(out), "USER/charlstm-my-play"]
    record = json.loads((out / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["command"] == shlex.join(
        ["python", "-m", "training", "fit", corpus.name, "--out", out.name, *argv[4:]]
    )
    generation = json.loads((out / "model" / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["speakers"] == ["ann", "bob"]


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


@pytest.mark.slow
def test_a_run_stopped_in_one_process_goes_on_in_another(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of it as a user sees it, in a console that cannot show every character."""
    corpus.write_text(TEXT.replace("cat", "chat é"), encoding="utf-8")
    settings = ["--max-train-chars", "30000", *TINY]
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
    assert stopped.startswith("Stopped and saved. Continue with:")
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
    settings = ["--max-train-chars", "2000", "--hidden-size", "8", "--out", str(tmp_path / "run")]
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


def test_a_list_counts_copied_lines_and_writes_new_ones_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """71 % of the names that it wrote stood in the list, and the card said 0.0 %: it counted 20 characters at least."""
    names = [first + second + third for first in "BDFGKL" for second in "aeiou" for third in ("ra", "ni", "so", "mel")]
    (tmp_path / "names.txt").write_text("\n".join(sorted(names)), encoding="utf-8")
    argv = ["fit", str(tmp_path / "names.txt"), "--out", str(tmp_path / "run"), "--hidden-size", "64"]
    assert main([*argv, "--max-train-chars", "40000"]) == 0
    record = json.loads((tmp_path / "run" / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["corpus"]["kind"] == "list" and record["copied_lines"]["held_out"] == 0.0
    assert all(0 <= share <= 1 for share in record["copied_lines"].values())
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "The share of whole lines that stand in the training text: " in card
    capsys.readouterr()
    novel = ["generate", "--model", str(tmp_path / "run"), "--novel", "--num-samples", "3", "--seed", "1"]
    assert hubcharlstm_main([*novel, "--temperature", "1.3"]) == 0
    written = capsys.readouterr().out.split("\n")[:-1]
    assert len(set(written)) == 3 and not set(written) & set(names)
    assert hubcharlstm_main(["generate", "x", "--novel"]) == 2
    assert "expected a model of a list" in capsys.readouterr().err


def test_fit_prints_utf8_in_every_locale(tmp_path: Path) -> None:
    text = "Чёрный кот сидел на окне и смотрел на улицу.\n" * 40
    command = [sys.executable, "-m", "training", "fit", "-", "--dry-run", "--hidden-size", "8"]
    done = subprocess.run(
        command, input=text.encode(), capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "cp1252"}
    )
    assert done.returncode == 0, done.stderr
    assert "'Чёрный кот сидел на " in done.stdout.decode("utf-8")  # of an example


def test_a_folder_named_training_does_not_hide_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m training` takes the folder of that name in the working directory, so the command line has its own."""
    (tmp_path / "training").mkdir()
    (script,) = entry_points(group="console_scripts", name="hubcharlstm-train")
    assert script.value == "training.__main__:main"
    program = Path(sys.executable).with_name("hubcharlstm-train")
    done = subprocess.run([program, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("hubcharlstm "), done.stderr
    helped = subprocess.run([program, "fit", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert helped.stdout.startswith("usage: hubcharlstm-train fit")
    monkeypatch.chdir(tmp_path)
    assert training_command().endswith("hubcharlstm-train")
    assert resume_command(tmp_path / "run").endswith(f"hubcharlstm-train resume {tmp_path / 'run'}")
    (tmp_path / "training").rmdir()
    assert training_command().endswith("-m training")
    (tmp_path / "training.py").touch()
    assert training_command().endswith("hubcharlstm-train")


def test_a_revision_is_refused_where_the_newest_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was dropped in silence, so that a push to `user/model@v1` went to main."""
    for argv in (
        ["push", str(tmp_path), "user/model@v1"],
        ["space", "user/space", "--model", "user/model@v1"],
        ["fit", "macbeth", "--out", str(tmp_path / "run"), "--push-to-hub", "user/model@v1"],
    ):
        assert "user/model@v1 names the revision 'v1'; expected the id of a model alone" in refused(argv, capsys)
