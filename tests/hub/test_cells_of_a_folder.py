"""Named cells are part of a model folder: saved, checked, loaded, removed with the model that they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM, NotAModelError
from hubcharlstm.cli import main
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.cells import NamedCell

REPORT = CellReport((NamedCell(1, 3, "upper_case", -0.91, 0.005),), "To be", ((1, -2, 100, -100, 0),))


@pytest.fixture
def folder(model: CharLSTM, tmp_path: Path) -> Path:
    model.cells = REPORT
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_they_are_saved_and_loaded_and_saved_again_as_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    loaded = CharLSTM.from_pretrained(folder)
    assert loaded.cells == REPORT
    loaded.save_pretrained(tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes() or path.name == "README.md"
    assert "an upper-case letter" in (folder / "README.md").read_text("utf-8")


def test_a_folder_without_them_loads_as_before_and_a_save_without_them_removes_them(folder: Path) -> None:
    model = CharLSTM.from_pretrained(folder)
    model.cells = None
    model.save_pretrained(folder)
    assert not (folder / "cells.json").exists()
    assert CharLSTM.from_pretrained(folder).cells is None


@pytest.mark.parametrize("change", [{"cells": [{"layer": 99}]}, {"passage": "a" * 2000}, {"activations": [[1]]}])
def test_what_does_not_belong_to_the_model_is_refused(folder: Path, change: dict[str, Any]) -> None:
    data = json.loads((folder / "cells.json").read_text("utf-8"))
    (folder / "cells.json").write_text(json.dumps(data | change), encoding="utf-8")
    with pytest.raises(NotAModelError, match=r"does not load: cells\.json"):
        CharLSTM.from_pretrained(folder)


def test_cells_of_another_save_are_refused(folder: Path) -> None:
    data = json.loads((folder / "cells.json").read_text("utf-8"))
    (folder / "cells.json").write_text(json.dumps(data | {"save_id": "0-0"}), encoding="utf-8")
    with pytest.raises(NotAModelError, match=r"mixes files of different saves"):
        CharLSTM.from_pretrained(folder)


def test_info_tells_of_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--model", str(folder)]) == 0
    assert "named cells    1, the strongest layer 1, unit 3: an upper-case letter\n" in capsys.readouterr().out
