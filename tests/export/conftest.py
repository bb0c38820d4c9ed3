"""One browser for the tests of the export, and packages of small models in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.export.package import write_package
from tests.support.browser_app import open_browser
from tests.support.exported import PackagePage


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from open_browser()


@pytest.fixture
def open_package(browser: Any, tmp_path: Path) -> Iterator[Callable[[CharLSTM], PackagePage]]:
    """Writes a model's package and opens it."""
    pages: list[PackagePage] = []

    def open_one(model: CharLSTM) -> PackagePage:
        folder = tmp_path / f"package{len(pages)}"
        write_package(model, folder, version="0.0.0")
        pages.append(PackagePage(browser, folder))
        return pages[-1]

    yield open_one
    for page in pages:
        page.close()
