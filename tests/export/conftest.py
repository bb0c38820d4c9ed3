"""One browser for the tests of the export, and packages of small models in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.export.html_page import render_page
from hubcharlstm.export.package import write_package
from tests.support.browser_app import open_browser
from tests.support.exported import PackagePage
from tests.support.exported_page import OpenPage, PageUser


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


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[OpenPage]:
    users: list[PageUser] = []

    def open_one(model: CharLSTM, **options: Any) -> PageUser:
        path = tmp_path / f"page {len(users)}.html"
        path.write_text(render_page(model, version="0.0.0"), encoding="utf-8")
        users.append(PageUser(browser, path, **options))
        return users[-1]

    yield open_one
    for user in users:
        user.leave()
