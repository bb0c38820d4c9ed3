"""The documentation is true: links resolve, commands parse, Python runs, variables and options exist."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import re
import shlex
from pathlib import Path

import pytest
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import get_args_parser as torchrun_parser

from hubcharlstm import cli_options as hubcharlstm_cli
from tests.support.markdown import (
    PACKAGES,
    PAGE_NAMES,
    PAGES,
    ROOT,
    Block,
    anchors_of,
    blocks_of,
    commands_of,
    inline_commands_of,
    known_options,
    links_of,
    page_text,
    prose_of,
)
from training import options as training_options

MAX_README_LINES = 200

# --- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_links_resolve(name: str) -> None:
    folder = (ROOT / name).parent
    for link in links_of(page_text(name)):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        path = (folder / target).resolve() if target else ROOT / name
        assert path.exists() and path.is_relative_to(ROOT), f"{name}: {link}"
        if anchor:
            assert anchor in anchors_of(path.read_text(encoding="utf-8")), f"{name}: {link}"


def test_every_page_of_documentation_is_linked_from_the_readme() -> None:
    linked = {
        (ROOT / link.partition("#")[0]).resolve() for link in links_of(page_text("README.md")) if "//" not in link
    }
    assert set(PAGES) - {ROOT / "README.md"} <= linked


def test_each_promise_of_security_names_a_test_that_exists() -> None:
    """A name without its folder is in that of the one before."""
    promises = re.split(r"\n- |\n\n", page_text("SECURITY.md").split("\n## ")[3])
    assert promises[0] == "What is protected"
    folder = ROOT
    for promise in promises[2:]:
        named = re.findall(r"`((?:tests/[\w/]*)?test_\w+\.py|benchmarks/[\w/]+\.py)`", promise)
        for name in named:
            path = ROOT / name if "/" in name else folder / name
            assert path.is_file(), name
            folder = path.parent
        is_heading = promise.startswith(("**Loading", "**Serving", "Details and settings"))
        assert is_heading or any("test_" in name for name in named) or "(the same file)" in promise, promise


def test_the_readme_is_short() -> None:
    assert len(page_text("README.md").splitlines()) <= MAX_README_LINES


# --- commands -------------------------------------------------------------------------------------------------------


def parse(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """What argparse says against a command line, "" if nothing."""
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(words)
    except SystemExit as end:
        return message.getvalue() if end.code else ""
    return ""


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def module_of(launched: list[str]) -> str:
    """The command line that a launcher is to start."""
    return shlex.join(["python", *launched[launched.index("-m") :]])


def complaint(command: str) -> str:
    """Why a command that the documentation prints would not work, "" if it would."""
    words = [word.removeprefix(".venv/bin/") for word in shlex.split(command)]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    match words:
        case ["make", *targets]:
            wrong = [word for word in targets if "=" not in word and word.strip(",") not in make_targets()]
            return f"no such target: {wrong}" if wrong else ""
        case ["hubcharlstm", *rest] | ["python", "-m", "hubcharlstm", *rest]:
            return parse(hubcharlstm_cli.parser(), rest) if rest else ""
        case ["python", "-m", "training", ("job" | "sweep") as command, *rest] if "--" in rest:
            end = rest.index("--")
            passed_on = rest[end + 1 :] if command == "job" else ["fit", rest[0], *rest[end + 1 :]]
            return complaint(shlex.join([*words[:4], *rest[:end]])) or parse(training_options.parser(), passed_on)
        case ["python", "-m", "training", *rest]:
            return parse(training_options.parser(), rest) if rest else ""
        case ["torchrun", *rest]:
            return parse(torchrun_parser(), rest) or complaint(module_of(rest))
        case ["accelerate", "launch", *rest]:
            return parse(launch_command_parser(), rest) or complaint(module_of(rest))
        case ["python", "-m", "pytest", *rest] | ["pytest", *rest]:
            paths = [word.partition("::")[0] for word in rest if "/" in word]
            return "".join(f"no file {path}" for path in paths if not (ROOT / path).exists())
        case ["python", "-m", module, *_]:
            path = ROOT / module.replace(".", "/")
            return "" if module == "venv" or path.with_suffix(".py").is_file() or path.is_dir() else f"no {module}"
        case ["python", script, *_]:
            return "" if (ROOT / script).is_file() else f"no file {script}"
        case ["pip", "install", *rest]:
            return "" if "constraints.txt" in rest or rest[0].startswith("./") else "not through constraints.txt"
        case ["hf", "auth", "login"] | ["hf", "download", *_] | ["cd" | "curl" | "git", *_]:
            return ""
    return "unknown to this test"


@pytest.mark.parametrize(
    "command",
    [
        "make everything",
        "hubcharlstm generate --temprature 1",
        "python -m training fit",
        "python -m pytest tests/test_nothing.py",
        "python -m benchmarks.nothing",
        "pip install hubcharlstm",
        "hubcharlstm-app",
        "torchrun --processes 2 -m training fit mine.txt",
        "python -m training job --flavour x -- fit mine.txt",
        "python -m training job -- fit mine.txt --presets base",
        "python -m training sweep mine.txt -- --dropouts 0.2",
        "torchrun --nproc-per-node 2 -m training fit",
        "accelerate launch --cpu -m training fit mine.txt --outt x",
    ],
)
def test_a_command_that_would_not_work_is_noticed(command: str) -> None:
    assert complaint(command) and complaint(f".venv/bin/{command}")


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_commands_in_blocks_can_be_run(name: str) -> None:
    complaints = {command: complaint(command) for command in commands_of(page_text(name))}
    assert {command: reason for command, reason in complaints.items() if reason} == {}


@pytest.mark.parametrize("name", [name for name in PAGE_NAMES if name != "CHANGELOG.md"])
def test_commands_in_sentences_can_be_run(name: str) -> None:
    """An inline command may leave out what the sentence says; its program, subcommand and options are real."""
    for command in inline_commands_of(page_text(name)):
        reason = complaint(command)
        assert not reason or "required" in reason, f"{name}: {command}: {reason}"


OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.mark.parametrize("name", [name for name in PAGE_NAMES if name != "CHANGELOG.md"])  # it tells of old ones, too
def test_options_named_in_sentences_exist(name: str) -> None:
    spans = re.findall(r"`([^`\n]+)`", prose_of(page_text(name)))
    named = {option for span in spans for option in OPTION.findall(span) if not span.startswith("python examples/")}
    assert named - known_options() == set()


# --- environment variables ------------------------------------------------------------------------------------------

VARIABLE = re.compile(r"\b(?:HUBCHARLSTM|GRADIO|OMP|GOMP|SPACE)_[A-Z_]*[A-Z]\b")


def variables_in_code() -> set[str]:
    """Those that the code reads, with the ones whose names `Limits` makes of its fields."""
    from hubcharlstm.demo.serving.admission import Limits

    code = "".join(path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {
        *VARIABLE.findall(code),
        *(f"HUBCHARLSTM_{field.name.upper()}" for field in dataclasses.fields(Limits)),
    }


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_environment_variables_exist(name: str) -> None:
    pytest.importorskip("gradio")
    assert set(VARIABLE.findall(page_text(name))) - variables_in_code() == set()


def test_hosting_names_every_variable_of_the_app() -> None:
    pytest.importorskip("gradio")
    ours = {name for name in variables_in_code() if name.startswith("HUBCHARLSTM_")}
    assert ours <= set(VARIABLE.findall(page_text("docs/hosting.md")))


# --- Python ---------------------------------------------------------------------------------------------------------


def python_blocks(name: str) -> list[Block]:
    return [block for block in blocks_of(page_text(name)) if block.language == "python"]


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_python_compiles(name: str) -> None:
    for block in python_blocks(name):
        compile("\n" * block.line + block.text, str(ROOT / name), "exec")


@pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
def test_python_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, in one namespace, offline and with the shipped model."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "documentation"}
    run = [block for block in python_blocks(name) if not block.reason]
    assert run
    for block in run:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile("\n" * block.line + block.text, str(ROOT / name), "exec"), namespace)
        assert printed.getvalue() or "print" not in block.text
