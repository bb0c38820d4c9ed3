"""The app's trainings with a stub in the place of the trainer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from hubcharlstm import CharLSTM
from hubcharlstm.demo.making import process
from tests.support.browser_app import save_model
from tests.support.served import Served, serving
from tests.support.stub_trainer import write_stub


@pytest.fixture(scope="module")
def stub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stub")
    write_stub(folder)
    save_model(folder / "model")
    return folder


@pytest.fixture
def stub(stub_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trainings run the stub from here on."""
    monkeypatch.setattr(process, "PACKAGES", stub_folder)
    monkeypatch.setenv("STUB_MODEL", str(stub_folder / "model"))
    return stub_folder


@pytest.fixture
def served(stub: Path, chat_model: CharLSTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The app over the stub, which leaves no file behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serving(chat_model) as running:
        yield running
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
