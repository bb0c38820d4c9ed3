"""Any command line ends with exit code 0 or 2 and, for 2, with one sentence."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm import Vocabulary
from hubcharlstm.cli import main
from tests.conftest import TEXT, tiny_model
from tests.support.anything import HUGE, SPECIAL_NUMBERS, check_sentence, examples, texts

words = st.one_of(
    texts, st.integers().map(str), st.floats().map(str), st.sampled_from([str(n) for n in SPECIAL_NUMBERS])
)
OPTIONS = {
    "generate": (
        "--temperature", "--top-k", "--top-p", "--min-p", "--stop", "--seed", "--clamp", "--adapt", "--adapt-seconds",
        "--adapt-steps", "--precision", "--device", "--revision", "--escapes", "--keep-newline", "--novel", "--json",
    ),
    "score": ("--json", "--characters", "--precision", "--device", "--revision"),
    "inspect": ("--html", "--precision"),
    "info": ("--json", "--device", "--revision"),
    "export": ("--npm", "--revision"),
}  # fmt: skip
SWITCHES = ("--escapes", "--keep-newline", "--novel", "--json", "--characters")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("command")
    tiny_model(Vocabulary.from_text(TEXT)).save_pretrained(root / "model")
    (root / "text.txt").write_text(TEXT)
    return root


@pytest.fixture
def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files of all names are written in a folder of their own."""
    (folder / "here/within/it").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder / "here/within/it")
    monkeypatch.setattr(sys, "stdin", io.StringIO("piped"))
    yield folder


def run(arguments: list[str]) -> None:
    """Run a command line in this process; its output is written as a console would take it."""
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code: Any = main(arguments)
        except SystemExit as end:  # argparse's own refusals and --help
            code = end.code
        for stream in (out, error):
            stream.flush()
    printed = error.buffer.getvalue().decode()
    assert code in (0, 2), (code, printed)
    last = (printed.splitlines() or [""])[-1]
    if code == 2 and ": error: argument " not in last:  # argparse's own, which repeats what was typed
        check_sentence(last)


@examples(80)
@given(
    command=st.sampled_from(list(OPTIONS)),
    positional=words,
    length=st.one_of(
        st.integers(1, 5).map(str), st.just(str(HUGE)), words.filter(lambda word: not word.strip().isdecimal())
    ),
    given_options=st.lists(st.tuples(st.integers(0, 20), st.one_of(words, st.just("FILE"))), max_size=3),
)
def test_commands(
    elsewhere: Path, command: str, positional: str, length: str, given_options: list[tuple[int, str]]
) -> None:
    text = str(elsewhere / "text.txt")
    arguments = [command]
    if command != "export":
        arguments += ["--model", str(elsewhere / "model")]
    if command == "generate":
        arguments += ["--max-new-tokens", length]
    for number, word in given_options:
        option = OPTIONS[command][number % len(OPTIONS[command])]
        arguments += [option] if option in SWITCHES else [option, text if word == "FILE" else word]
    if command == "export":
        arguments += [str(elsewhere / "model"), positional]
    elif command != "info":
        arguments.append(positional)
    if "--adapt" in arguments and "--adapt-seconds" not in arguments:
        arguments += ["--adapt-steps", "1"]
    run(arguments)


@examples(30)
@given(st.lists(words, max_size=4), words)
def test_anything_but_the_app(elsewhere: Path, arguments: list[str], model: str) -> None:
    run([*arguments, "--"] if arguments[:1] == ["app"] else arguments)
    run(["info", "--device", "cpu", "--model", str(elsewhere / "here" / "no") + model.replace("/", "")])
