"""The app's trainings with a stub in the place of the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.making import process
from tests.support.browser_app import save_model
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
