"""The start of the app: its address, its models, and what it does not tell."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM

gr = pytest.importorskip("gradio")

from hubcharlstm.demo import launch
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.layout import chat_page
from hubcharlstm.demo.serving.admission import AdmissionController, Limits
from hubcharlstm.demo.space_card import models_of_card


def test_a_models_folder_is_not_shown_on_a_space(chat_model: CharLSTM, tmp_path: Path) -> None:
    folder = tmp_path / "someone" / "macbeth"
    folder.mkdir(parents=True)
    hosted = ModelRegistry(chat_model, str(folder))
    assert hosted.labels == ["macbeth"] and hosted.first.source == "macbeth"
    assert "someone" not in str(launch.build(hosted).demo.get_config_file())
    assert ModelRegistry(chat_model, str(folder), open_to_all=True).first.source == str(folder)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", launch.MODEL_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_address(clean: pytest.MonkeyPatch) -> None:
    assert launch.find_address(None, None) == ("127.0.0.1", 7860)
    assert launch.find_address("localhost", 8000) == ("localhost", 8000)
    clean.setenv("SPACE_ID", "user/space")
    assert launch.find_address(None, None) == ("0.0.0.0", 7860)
    clean.setenv("GRADIO_SERVER_NAME", "127.0.0.2")
    clean.setenv("GRADIO_SERVER_PORT", "9000")
    assert launch.find_address(None, None) == ("127.0.0.2", 9000)
    for wrong in ("high", "70000", "0", "9" * 5000):
        clean.setenv("GRADIO_SERVER_PORT", wrong)
        with pytest.raises(ValueError, match=r"GRADIO_SERVER_PORT is '(high|70000|0|9+)'; expected a port"):
            launch.find_address(None, None)


def test_a_taken_port_is_reported_before_a_model_is_loaded(clean: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match=r"Nothing can listen at 127.0.0.1:.*choose another port"):
            launch.launch("no/such/model/at/all", port=taken.getsockname()[1])
    with pytest.raises(ValueError, match="The port is 70000; expected 1 to 65535"):
        launch.launch(port=70_000)


def test_a_wrong_time_for_the_hub_ends_the_app_at_its_start(clean: pytest.MonkeyPatch) -> None:
    """A Space served the shipped model, and asked for its own again and again."""
    clean.setenv("SPACE_ID", "user/space")
    clean.setenv("HUBCHARLSTM_HUB_TIMEOUT", "15m")
    with pytest.raises(ValueError, match="HUBCHARLSTM_HUB_TIMEOUT is '15m'; expected whole seconds"):
        launch.load_registry()


def test_the_models_are_those_named_and_the_shipped_one(
    chat_model: CharLSTM, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        chat_model.save_pretrained(tmp_path / name)
    clean.setenv(launch.MODEL_VARIABLE, f"{tmp_path / 'one'}, user/second")
    offered = launch.load_registry()
    assert offered.labels == ["one", "second", "shipped model"] and offered.default == "one" and offered.open_to_all
    assert launch.load_registry(str(tmp_path / "two")).labels == ["two", "one", "second", "shipped model"]
    with pytest.raises(ValueError, match="neither a folder here nor"):
        launch.load_registry(str(tmp_path / "other"))
    clean.setenv("SPACE_ID", "user/space")
    hosted = launch.load_registry()
    assert not hosted.open_to_all and hosted.notice is None and hosted.labels == offered.labels


def test_a_space_whose_model_comes_later_says_so_and_lets_it_take_over(
    chat_model: CharLSTM, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean.setenv("SPACE_ID", "user/space")
    clean.setenv(launch.MODEL_VARIABLE, "user/late")
    clean.setenv("HF_HUB_OFFLINE", "1")
    made: list[Any] = []
    clean.setattr(launch, "ModelSource", lambda *args, **kwargs: made.append((args, kwargs)) or Late(chat_model))
    offered = launch.load_registry()
    assert offered.labels == ["shipped model", "late"] and offered.default == "shipped model"
    with gr.Blocks():
        handlers = chat_page(offered, AdmissionController(Limits()), UpdatePacer())
    values = asyncio.run(handlers.on_load())
    assert values[0]["field"] == "model" and values[0]["sentence"] == "user/late cannot be served_model now."
    made[0][1]["on_change"](chat_model)
    assert offered.default == "late" and offered.first.model is chat_model
    values = asyncio.run(handlers.on_load())
    assert values[0]["kind"] == "intro" and values[2] == "late"
    offered.close()


def test_a_space_serves_the_models_that_its_front_page_names(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    card = tmp_path / "README.md"
    for text, models in (
        ("---\nsdk: gradio\nmodels:\n- user/one\n- user/two\n---\n# One\n", ["user/one", "user/two"]),
        ("---\nsdk: gradio\nmodels: user/one\n---\n", []),
        ("---\nsdk: gradio\nmodels: [7, ../up, user/one]\n---\n", ["user/one"]),
        ("---\nsdk: docker\nmodels: [user/one]\n---\n", []),
        ("# No front matter\n", []),
    ):
        card.write_text(text, encoding="utf-8")
        assert models_of_card(card) == models
    assert models_of_card(tmp_path / "sub" / "README.md") == []
    card.write_text("---\nsdk: gradio\nmodels: [user/one]\n---\n", encoding="utf-8")
    clean.setenv("SPACE_ID", "user/space")
    clean.setattr(launch, "models_of_card", lambda: models_of_card(card))
    wanted: list[Any] = []
    shipped = CharLSTM.from_pretrained()
    clean.setattr(launch, "ModelSource", lambda *args, **_: wanted.append(args) or Late(shipped))
    offered = launch.load_registry()
    assert wanted == [("user/one",)] and offered.labels == ["shipped model", "one"]
    offered.close()


class Late:
    """A `ModelSource` whose own model is not there yet."""

    notice = "user/late cannot be served_model now."

    def __init__(self, model: CharLSTM) -> None:
        self.model = model
