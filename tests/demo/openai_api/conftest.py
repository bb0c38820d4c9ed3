"""A model served under `/v1`, and OpenAI's own client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.served import Served


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    from tests.support.chat_doubles import tiny_model
    from tests.support.served import serving

    with serving(tiny_model(), sources=["user/other"]) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    from tests.support.openai_client import client_of

    return client_of(served)
