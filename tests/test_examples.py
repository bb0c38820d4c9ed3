"""The scripts in examples/ run as their docstrings say, without the network, and print what they promise."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hubcharlstm import CharLSTM
from tests.conftest import TEXT
from tests.support.hub_client import clean_environment
from tests.support.hub_server import Hub

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
RunExample = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunExample:
    """Runs a script's `main` in an empty folder and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run_example(name: str, *arguments: str) -> str:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main(list(arguments))
        return capsys.readouterr().out

    return run_example


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "mine.txt"
    file.write_text(TEXT * 30, encoding="utf-8")
    return file


def test_every_example_is_tested_and_says_how_to_run_it() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"generate", "batch", "continue_state", "train_and_publish", "call_app"}
    for name in names:
        docstring = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
        assert f"    python examples/{name}.py" in docstring


def test_generate(run: RunExample) -> None:
    printed = run("generate")
    text = CharLSTM.from_pretrained().generate("To be, or ", max_new_tokens=80, temperature=0.8, seed=7)
    assert f"--- generate\nTo be, or {text}\n" in printed
    assert "finish_reason length, 80 characters" in printed


def test_generate_prints_what_was_substituted(run: RunExample) -> None:
    assert "warning: é read as e" in run("generate", "--prompt", "Café ")


def test_batch(run: RunExample) -> None:
    printed = run("batch", "--max-new-tokens", "20")
    assert printed.count("--- ") == 4 + 3 + 1
    assert printed.rstrip().endswith("an engine wrote 16 texts, 16 of them different")


def test_continue_state(run: RunExample, tmp_path: Path) -> None:
    assert "the same as 120 characters at once: True" in run("continue_state", "state.safetensors")
    assert (tmp_path / "state.safetensors").is_file()


def test_train_without_publishing(run: RunExample, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    printed = run("train_and_publish", str(corpus), "run", "--max-epochs", "2", "--hidden-size", "32")
    assert "2,187 characters to train on, 243 held out" in printed
    assert "held-out loss" in printed
    assert "/commit/" not in printed
    assert CharLSTM.from_pretrained(tmp_path / "run").config.hidden_size == 32


def test_call_app(run: RunExample, model: CharLSTM) -> None:
    pytest.importorskip("gradio")
    from tests.support.served import serving

    with serving(model) as served:
        printed = run("call_app", "--url", served.url, "--prompt", "To be, ")
    text = model.generate("To be, ", max_new_tokens=80, temperature=0.8, seed=7)
    assert f"--- length, seed 7\nTo be, {text}\n" in printed
    assert "--- model tiny (default)" in printed and "500 characters" in printed
    assert "bits per character over" in printed


# --- as a shell runs them -------------------------------------------------------------------------------------------


def in_shell(environment: dict[str, str], folder: Path, name: str, *arguments: str) -> str:
    environment = environment | {"PYTHONPATH": os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("*.py"))])
def test_examples_run_as_scripts(name: str, tmp_path: Path) -> None:
    assert "usage:" in in_shell(dict(os.environ), tmp_path, name, "--help")


@pytest.mark.slow
def test_train_and_publish(corpus: Path, tmp_path: Path, hub: Hub) -> None:
    environment = clean_environment(hub.url, tmp_path / "home")
    arguments = (str(corpus), "run", "--max-epochs", "1", "--hidden-size", "32", "--push-to-hub", "user/example")
    assert "/user/example/commit/" in in_shell(environment, tmp_path, "train_and_publish", *arguments)
    assert "model.safetensors" in hub.repos["user/example"].files("main")
