"""The command line: text on standard output, the rest on standard error; an error is one sentence and exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hubcharlstm import CharLSTM, Vocabulary, __version__, cli_generate
from hubcharlstm.cli import main
from hubcharlstm.cli_options import parser
from hubcharlstm.console import unescape
from hubcharlstm.inspection.novelty import hash_lines
from hubcharlstm.torch_compat import has_fast_int8
from tests.conftest import tiny_model


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_generate_writes_prompt_and_continuation(
    model: CharLSTM, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = model.generate("To be, ", max_new_tokens=50, temperature=0.5, seed=7)
    code, out, err = run(
        [
            "generate",
            "To be, ",
            "--model",
            str(model_folder),
            "--max-new-tokens",
            "50",
            "--temperature",
            "0.5",
            "--seed",
            "7",
        ],
        capsys,
    )
    assert (code, out) == (0, f"To be, {expected}\n")
    assert err == "seed 7, length, 50 characters\n"


def test_generate_starts_without_the_compiler(model_folder: Path) -> None:
    """A model that was built on the meta device imported torch._dynamo, half of a cold start of four seconds."""
    code = (
        "import sys; from hubcharlstm.cli import main; "
        f"main(['generate', 'To be', '--model', {str(model_folder)!r}, '--max-new-tokens', '3', '--seed', '1']); "
        "print(sorted({'torch._dynamo', 'torch._inductor', 'gradio', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_drawn_seed_is_printed_and_repeats_the_text(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, first, err = run(["generate", "To be", "--model", str(model_folder)], capsys)
    seed = err.split(",")[0].removeprefix("seed ")
    _, second, _ = run(["generate", "To be", "--model", str(model_folder), "--seed", seed], capsys)
    assert first == second


def test_samples_use_one_seed_after_another(
    model: CharLSTM, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(["generate", "To", "--model", str(model_folder), "--seed", "7", "--num-samples", "2"], capsys)
    assert code == 0
    assert out == "\n".join(f"To{model.generate('To', seed=seed)}\n" for seed in (7, 8))
    assert [line.split(",")[0] for line in err.splitlines()] == ["seed 7", "seed 8"]


def test_changed_characters_are_reported_as_a_warning(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(["generate", "Tó 😀", "--model", str(model_folder), "--seed", "1"], capsys)
    assert out.startswith("To ")
    assert "warning: ó read as o; 😀 skipped" in err


def test_the_app_receives_the_loading_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """`app` once accepted --revision and --device and ignored them."""
    pytest.importorskip("gradio")
    asked: list[tuple[object, dict[str, object]]] = []
    monkeypatch.setattr("hubcharlstm.demo.launch.launch", lambda model, **options: asked.append((model, options)))
    words = ["app", "--model", "u/m", "--revision", "abc", "--device", "cpu", "--precision", "fp32", "--port", "1234"]
    words += ["--auth", "me:secret"]
    assert main(words) == 0
    options = {"revision": "abc", "device": "cpu", "precision": "fp32", "host": None, "port": 1234, "auth": "me:secret"}
    assert asked == [("u/m", options)]


def test_info_says_that_a_plain_processor_is_slower(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    _, out, _ = run(["info", "--model", str(model_folder)], capsys)
    assert "without vector instructions, which is slower" in out


def test_info_names_the_model(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["info", "--model", str(model_folder)], capsys)
    assert code == 0
    assert "2 x 24" in out
    assert f"cpu, {'int8' if has_fast_int8() else 'fp32'}" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--temperature", "-1"], "temperature is -1.0"),
        (["--temperature", "nan"], "temperature is nan"),
        (["--max-new-tokens", "0"], "max_new_tokens is 0"),
        (["--max-new-tokens", "1000000"], "expected 1 to 100000"),
        (["--top-p", "2"], "top_p is 2.0"),
        (["--seed", "-5"], "seed is -5"),
        (["--num-samples", "0"], "--num-samples is 0"),
        (["--stop", ""], "stop string is ''"),
        (["--device", "abacus"], "device is 'abacus'"),
        (["--adapt", "a\0b"], r"The file is 'a\x00b'; expected a path"),  # it was "embedded null byte"
    ],
)
def test_a_wrong_argument_is_one_sentence_and_exit_code_2(
    model_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, out, err = run(["generate", "To be", "--model", str(model_folder), *arguments], capsys)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1


def test_a_folder_that_is_no_model_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["generate", "x"], ["info"], ["app"]):
        code, _, err = run([*command, "--model", str(tmp_path)], capsys)
        assert code == 2
        assert "has no config.json" in err
        assert err.count("\n") == 1


def test_generate_adapts_to_a_file_first(
    model: CharLSTM, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "SECOND:\nWhether 'tis nobler to be É.\n\n" * 4
    (tmp_path / "mine.txt").write_text(text, encoding="utf-8")
    options = ["generate", "To be", "--model", str(model_folder), "--max-new-tokens", "20", "--seed", "1"]
    adapting = ["--adapt", str(tmp_path / "mine.txt"), "--adapt-steps", "4"]
    code, out, err = run([*options, *adapting], capsys)
    expected = model.adapt(text, steps=4).generate("To be", max_new_tokens=20, seed=1)
    assert (code, out) == (0, f"To be{expected}\n") and expected != model.generate("To be", max_new_tokens=20, seed=1)
    assert "warning: É read as E" in err and f"adapted to {len(text)} characters in 4 steps: " in err
    for wrong, sentence in (
        (["--adapt-steps", "4"], "without --adapt"),
        (["--adapt", str(tmp_path / "none.txt")], "cannot be read"),
        ([*adapting, "--adapt-seconds", "1"], "expected one of them"),
        ([*adapting[:2], "--adapt-seconds", "0"], "expected a number above 0"),
        ([*adapting[:2], "--adapt-steps", "0"], "expected a whole number of at least 1"),
    ):
        code, out, err = run([*options, *wrong], capsys)
        assert (code, out) == (2, "") and sentence in err
    code, out, err = run(["generate", "--model", str(model_folder), "--adapt", "-"], capsys)
    assert code == 2 and "no prompt is given" in err


def test_a_new_line_that_the_last_try_gives_is_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was printed, and then an error said that there were too few."""
    done = SimpleNamespace(prompt=SimpleNamespace(text=""), text="new", finish_reason="stop")
    monkeypatch.setattr(cli_generate, "MAX_TRIES", 1)
    monkeypatch.setattr(CharLSTM, "complete", lambda self, prompt, **options: done)
    model = tiny_model(Vocabulary.from_text("old new"))
    model.record = {"corpus": {"line_hashes": hash_lines(["old"])}}
    arguments = parser().parse_args(["generate", "--novel", "--seed", "1"])
    assert (cli_generate.write_novel(model, "", arguments, {}), capsys.readouterr().out) == (0, "new\n")
    model.record = {"corpus": {"line_hashes": hash_lines(["new"])}}
    with pytest.raises(ValueError, match="1 tries gave 0 new lines"):
        cli_generate.write_novel(model, "", arguments, {})


def test_the_flags_are_these() -> None:
    """People write them into scripts: a change here is a change for them."""
    commands = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert commands is not None
    flags = {name: sorted(commands[name]._option_string_actions) for name in commands}  # type: ignore[index, call-overload]
    model = ["--device", "--help", "--model", "--precision", "--revision", "-h"]
    assert flags == {
        "generate": sorted(
            [
                *model,
                "--adapt",
                "--adapt-seconds",
                "--adapt-steps",
                "--clamp",
                "--escapes",
                "--json",
                "--keep-newline",
                "--max-new-tokens",
                "--min-p",
                "--novel",
                "--num-samples",
                "--seed",
                "--stop",
                "--temperature",
                "--top-k",
                "--top-p",
            ]
        ),
        "score": sorted([*model, "--characters", "--json"]),
        "inspect": sorted([*model, "--html"]),
        "info": sorted([*model, "--json"]),
        "app": sorted([*model, "--auth", "--host", "--port"]),
        "export": ["--help", "--npm", "--revision", "-h"],
    }


def test_as_a_program_it_prints_no_traceback_and_survives_a_closed_pipe(model_folder: Path) -> None:
    program = [sys.executable, "-m", "hubcharlstm", "generate", "--model", str(model_folder)]
    failed = subprocess.run([*program, "x", "--temperature", "-1"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    piped = subprocess.Popen(
        [*program, "-", "--max-new-tokens", "50000"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert piped.stdin
    assert piped.stdout
    assert piped.stderr
    piped.stdin.write("To be")
    piped.stdin.close()
    assert piped.stdout.read(20).startswith("To be")
    piped.stdout.close()
    assert "Traceback" not in piped.stderr.read()
    assert piped.wait(60) == 1
    piped.stderr.close()


def as_program(*arguments: str, data: bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "hubcharlstm", *arguments]
    return subprocess.run(program, input=data, capture_output=True, env=os.environ | environment, check=False)


def test_what_is_piped_in_is_the_prompt_without_its_last_line_break(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["generate", "--model", str(model_folder), "--seed", "1", "--max-new-tokens", "8", "--json"]

    def generate(*more: str, data: bytes | None = None) -> dict[str, Any]:
        """With `data` in a pipe on standard input, or with nothing there."""
        source, sink = os.pipe()
        os.write(sink, data or b"")
        os.close(sink)
        with os.fdopen(source) as pipe, Path(os.devnull).open() as nothing, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", nothing if data is None else pipe)
            code, out, _ = run([*options, *more], capsys)
        assert code == 0
        return dict(json.loads(out))

    plain = generate(data=b"To be\n")
    assert plain["prompt"] == "To be"
    assert plain == generate("To be", data=b"ignored")
    assert generate("--keep-newline", data=b"To be\r\n")["prompt"] == "To be\n"
    assert generate()["prompt"] == ""  # no terminal and nothing piped in, as under cron


def test_escapes_are_read_where_that_is_asked_for_and_named_where_not(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    r"""At a shell 'FIRST:\nTo' was read without its line break, and --stop '\n' was left out."""
    options = ["--model", str(model_folder), "--seed", "1", "--max-new-tokens", "8", "--json"]
    code, out, err = run(["generate", r"FIRST:\nTo", "--stop", r"\n", *options], capsys)
    assert code == 0 and "--escapes reads \\n as a line break" in err
    code, out, err = run(["generate", r"FIRST:\nTo", "--stop", r"\n", "--escapes", *options], capsys)
    assert json.loads(out)["prompt"] == "FIRST:\nTo" and "--escapes" not in err and "\n" not in json.loads(out)["text"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (r"a\nb", "a\nb"), (r"a\\nb", r"a\nb"), (r"\u00e9\t\x41", "é\tA"), (r"\U0001F600", "\U0001f600"),
        (r"\ud800", r"\ud800"), (r"C:\q", r"C:\q"), ("\\", "\\"),
    ],
)  # fmt: skip
def test_an_escape_is_a_character(typed: str, expected: str) -> None:
    assert unescape(typed) == expected


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_standard_input_and_output_are_utf8_in_every_locale(tmp_path: Path, locale: dict[str, str]) -> None:
    text = "Чёрный кот — “ő” 🐈\n"
    tiny_model(Vocabulary(sorted(set(text)))).save_pretrained(tmp_path)
    options = ["--model", str(tmp_path), "--json"]
    done = as_program("generate", *options, "--seed", "1", data=text.encode(), **locale)
    assert json.loads(done.stdout.decode("utf-8"))["prompt"] == text.rstrip("\n"), done.stderr
    scored = as_program("score", "-", "--characters", "--model", str(tmp_path), data=text.encode(), **locale)
    assert '"Ч"\t' in scored.stdout.decode("utf-8"), scored.stderr
    wrong = as_program("generate", *options, data=text.encode("cp1251", errors="ignore"), **locale)
    assert wrong.returncode == 2 and b"Standard input has the byte 0x" in wrong.stderr


def test_score_and_info_as_json_and_the_version(
    model_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("To be")
    model = ["--model", str(model_folder), "--json"]
    code, out, _ = run(["score", str(tmp_path / "a.txt"), "--characters", *model], capsys)
    scored = json.loads(out)
    assert code == 0 and scored["characters"] == 5 and len(scored["log_probs"]) == 5 and scored["text"] == "To be"
    assert scored["nats"] == pytest.approx(-sum(scored["log_probs"]) / 5, abs=1e-4)
    code, out, _ = run(["info", *model], capsys)
    assert code == 0 and json.loads(out)["version"] == __version__
    with pytest.raises(SystemExit) as done:
        run(["--version"], capsys)
    assert done.value.code == 0 and __version__ in capsys.readouterr().out


def test_the_folder_of_a_stopped_run_says_resume_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{}")
    code, _, err = run(["generate", "x", "--model", str(tmp_path)], capsys)
    assert code == 2 and "start a new one with `hubcharlstm-train fit`" in err  # without a checkpoint
    (tmp_path / "checkpoint").mkdir()
    code, _, err = run(["generate", "x", "--model", str(tmp_path)], capsys)
    assert code == 2 and f"resume it with `hubcharlstm-train resume {tmp_path}`" in err
