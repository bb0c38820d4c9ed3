"""What is printed about a text before the training, and that a dry run writes nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from training import preflight
from training.__main__ import main
from training.evaluation.baselines import ADAPTIVE, KNESER_NEY, PPMD

CODE = "".join(f"def f{n}(x):\r\n\treturn x + {n}  # 🐍\r\n" for n in range(200))


def advised(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["fit", *argv, "--dry-run", "--hidden-size", "8", "--max-train-chars", "2000"]) == 0
    return capsys.readouterr().out


def test_a_dry_run_tells_all_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "code.py"
    file.write_bytes(b"\xef\xbb\xbf" + CODE.encode())
    shown = advised(capsys, str(file), "--out", str(tmp_path / "run"))
    rows = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "1 file, utf-8, byte-order mark in 1; line ends: 400 \\r\\n (all become \\n)" in rows["text"]
    assert "different" in rows["characters"]
    assert rows["repeated"].endswith("% of the lines of 20 characters or more occur before")
    assert rows["speakers"].endswith("none found")
    assert "characters per weight" in rows["network"]
    assert "preset small" in rows["schedule"] and "ends after 8 evaluations" in rows["schedule"]
    assert "less than a minute and" in rows["expected"] and "GB of memory" in rows["expected"]
    assert KNESER_NEY in rows["to"] and ADAPTIVE in shown and PPMD in shown
    assert [path.name for path in tmp_path.iterdir()] == ["code.py"]


def test_speakers_and_repeated_lines_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "play.txt").write_text("ANN:\nThe cat sat on the mat today.\n\nBOB:\nNo.\n\n" * 30)
    shown = advised(capsys, str(tmp_path / "play.txt"))
    assert 'ANN, BOB; who talks with them writes "BOB:\\n...\\n\\nANN:\\n"' in shown
    assert " % of the lines of 20 characters or more occur before: what is held out may occur" in shown
    assert preflight.repeated_share("a line of twenty characters\n" * 4) == 0.75
    assert preflight.repeated_share("short\nshort") == 0.0


def test_a_preset_that_memory_does_not_hold_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code.py").write_text(CODE)
    monkeypatch.setattr(preflight.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**29))
    assert main(["fit", str(tmp_path / "code.py"), "--out", str(tmp_path / "run"), "--preset", "large"]) == 2
    refused = capsys.readouterr().err
    assert "The preset large with these settings needs about" in refused and "0.5 GB are free" in refused
    assert "choose a smaller preset" in refused
    assert not (tmp_path / "run").exists()


def test_dropout_samples_that_memory_does_not_hold_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes the last outputs and the logits once more; a step was timed before anything asked for the memory."""
    (tmp_path / "code.py").write_text(CODE)
    monkeypatch.setattr(preflight.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**31))
    command = ["fit", str(tmp_path / "code.py"), "--dry-run", "--dropout-samples"]
    assert main([*command, "4"]) == 0
    capsys.readouterr()
    assert main([*command, "1000000"]) == 2
    assert "or --dropout-samples.\n" in capsys.readouterr().err


def test_how_long_it_takes_is_told_in_words() -> None:
    """ "about 0.0 minutes" was no answer, nor is a number of minutes for days on a GPU's preset."""
    words = [preflight.in_words(minutes) for minutes in (0.01, 1.2, 3.4, 130, 6000)]
    assert words == ["less than a minute", "about 1 minute", "about 3 minutes", "about 2 hours", "about 4 days"]
