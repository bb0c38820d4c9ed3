"""The app, served once for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.served import Served


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    pytest.importorskip("gradio")
    from tests.support.chat_doubles import tiny_model
    from tests.support.served import serving

    with serving(tiny_model(examples=("To be, ",))) as running:
        yield running
