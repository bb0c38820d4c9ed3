"""Who looks inside, and the model of which the page shows the numbers."""

from __future__ import annotations

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import App, BrowserUser
from tests.support.inside_user import Inside


@pytest.fixture(scope="module")
def network(app: App) -> CharLSTM:
    return CharLSTM.from_pretrained(app.folder / "tiny")


@pytest.fixture
def inside(user: BrowserUser) -> Inside:
    return Inside(user)
