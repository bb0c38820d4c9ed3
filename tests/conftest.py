"""Shared doubles: a tiny vocabulary, a tiny random model. Every cache lies in a temporary folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before the Hub's client is imported, which reads it once. Each worker of pytest-xdist has a folder of its own.
HF_HOME = Path(tempfile.mkdtemp(prefix="hubcharlstm-tests-"))
os.environ["HF_HOME"] = str(HF_HOME)
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# Before PyTorch starts its threads: idle ones sleep, where they would spin at the cost of other workers and processes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from tests.support.browser_app import App, BrowserUser, find_chromium, open_browser
from tests.support.distributions import distributions  # noqa: F401  # a fixture
from tests.support.hub_client import author, hub, offline, reader  # noqa: F401

TEXT = "FIRST:\nTo be, or not to be: that is the question.\n\nSECOND:\nWhether 'tis nobler?\n\n"


def pytest_unconfigure() -> None:
    shutil.rmtree(HF_HOME)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a worker that began one of them last would end long after the others."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary.from_text(TEXT)


def tiny_model(vocabulary: Vocabulary, *, hidden_size: int = 24, num_layers: int = 2, seed: int = 0) -> CharLSTM:
    """Random weights, large enough that the next character is not a coin toss among all."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CharLSTM(
            CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=hidden_size, num_layers=num_layers),
            vocabulary,
            generation_config=GenerationConfig(examples=("To be, ", "FIRST:\n"), max_new_tokens=40),
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3.0)
    return model.eval()


@pytest.fixture
def model(vocabulary: Vocabulary) -> CharLSTM:
    return tiny_model(vocabulary)


@pytest.fixture
def model_folder(model: CharLSTM, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")  # Playwright's event loop must not outlive the module: others run their own
def browser() -> Iterator[Any]:
    yield from open_browser()


@pytest.fixture(scope="session")
def running_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    find_chromium()
    running = App(tmp_path_factory.mktemp("app"))
    yield running
    running.close()
    running.check_output()


@pytest.fixture(scope="module")
def app(browser: Any, running_app: App) -> Iterator[App]:
    """The app, one process for all modules; in none of them does it reach for another machine or fail."""
    yield running_app
    running_app.check_output()


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """For one user after the other: a page whose scripts are in the HTTP cache opens in half of the time."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def user(app: App, context: Any) -> Iterator[BrowserUser]:
    """Somebody who opens the page for the first time."""
    user = BrowserUser(None, app.url, context=context, is_shared=True)
    yield user
    user.leave()
