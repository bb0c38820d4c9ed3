"""`hubcharlstm export`: what it writes, and how it refuses."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM, __version__
from hubcharlstm.cli import main
from hubcharlstm.export.package import package_name
from tests.support.exported import PackagePage, small_model

FILES = {
    "index.d.ts", "index.js", "model.js", "model.json", "network.js", "package.json", "random.js",
    "repetition.js", "sampling.js", "sentences.js", "step.wasm", "stopping.js", "vocabulary.js", "weights.bin",
}  # fmt: skip


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    folder = tmp_path / "charlstm-small"
    small_model().save_pretrained(folder)
    return folder


def test_it_writes_a_page(saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    page.write_text("an older one")
    assert main(["export", str(saved_model), str(page)]) == 0
    assert capsys.readouterr().out.startswith(f"{page}, 0.")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and f'content="hubcharlstm {__version__}"' in text


@pytest.mark.browser
def test_it_writes_a_module_that_runs(saved_model: Path, tmp_path: Path, browser: Any) -> None:
    folder = tmp_path / "module"
    assert main(["export", str(saved_model), "--npm", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == FILES
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert (manifest["name"], manifest["version"], manifest["type"]) == ("charlstm-small", __version__, "module")
    assert all((folder / path).is_file() for path in manifest["exports"]["."].values())
    page = PackagePage(browser, folder)
    text = page.run(
        "async (seed) => { let t = ''; for await (const c of model.generate('To', { seed })) t += c; return t; }", 7
    )
    model = CharLSTM.from_pretrained(saved_model, precision="int8")
    assert text == model.generate("To", seed=7)
    page.close()


def test_the_types_name_what_the_module_exports() -> None:
    from hubcharlstm.export.package import RUNTIME

    types = (RUNTIME / "index.d.ts").read_text(encoding="utf-8")
    source = (RUNTIME / "model.js").read_text(encoding="utf-8")
    for name in ("generate", "step", "alternatives", "cancel", "read", "completion", "load"):
        assert f"{name}(" in types or f"readonly {name}:" in types
        assert name == "load" or f"{name}(" in source


Arguments = Callable[[Path, Path], list[str]]


def damaged(model: Path) -> str:
    """The folder of a model whose weights are cut off."""
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return str(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda model, tmp: [str(model)], "Nothing to write; expected a page such as page.html, or --npm FOLDER"),
        (lambda model, tmp: [str(model), str(tmp)], "is a folder; expected a file such as page.html"),
        (
            lambda model, tmp: [str(model), str(tmp / "no" / "page.html")],
            "cannot be written (No such file or directory)",
        ),
        (lambda model, tmp: [str(model), "--npm", str(model)], "exists already; expected a new or empty folder"),
        (
            lambda model, tmp: [str(model), "--npm", str(model / "config.json" / "x")],
            "cannot be written (Not a directory)",
        ),
        (
            lambda model, tmp: [str(model), str(model / "config.json" / "page.html")],
            "cannot be written (Not a directory)",
        ),
        (lambda model, tmp: [str(model), str(tmp / ("x" * 300))], "cannot be written (File name too long)"),
        (lambda model, tmp: [str(model), "--npm", str(tmp / ("x" * 300))], "cannot be written (File name too long)"),
        (lambda model, tmp: [str(model), "a\0b"], r"a\x00b'); expected a path"),
        (lambda model, tmp: [str(model), "--npm", "\ud800"], r"ud800'); expected a path"),
        (lambda model, tmp: [str(tmp / "nothing"), str(tmp / "page.html")], "nothing"),
        (lambda model, tmp: [str(tmp), str(tmp / "page.html")], "config.json"),
        (lambda model, tmp: [damaged(model), str(tmp / "page.html")], "model.safetensors"),
    ],
)
def test_an_error_is_one_sentence(
    arguments: Arguments, message: str, saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments(saved_model, tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize("target", [["page.html"], ["--npm", "module"]])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_what_the_disk_refuses_is_told(
    target: list[str],
    code: int,
    saved_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where root runs the tests, for whom no folder is read-only."""

    def refuse(path: Path, data: bytes) -> int:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert main(["export", str(saved_model), *target[:-1], str(tmp_path / target[-1])]) == 2
    out, err = capsys.readouterr()
    assert out == "" and f"cannot be written ({os.strerror(code)})" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user/CharLSTM-Macbeth", "charlstm-macbeth"),
        ("a model of mine!", "a-model-of-mine"),
        ("Ödön", "d-n"),
        ("…", "charlstm"),
    ],
)
def test_a_package_has_a_name_that_npm_allows(name: str, expected: str) -> None:
    assert package_name(name) == expected
