"""Texts that the real trainer refuses or survives, each by its real pre-flight in a process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from hubcharlstm import CharLSTM
from hubcharlstm.demo.making.limits import MakingLimits
from hubcharlstm.demo.making.manager import TrainingManager
from hubcharlstm.demo.making.storage import Storage
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.owners import Owners
from hubcharlstm.demo.private_models import PrivateModels

pytestmark = pytest.mark.slow
ANN = "a" * 32


@pytest.mark.parametrize(
    ("text", "phase", "sentence"),
    [
        ("\0" * 5_000, "failed", "NUL byte"),
        ("a" * 5_000, "failed", "no character but a"),
        ("lorem ipsum dolor " * 55_000, "checked", ""),  # a megabyte on one line
        ("<img src=x onerror=alert(1)>\n" * 200, "checked", ""),
        ("﻿\u202e\u200b\ufffd" * 1_000, "", ""),
    ],
)
def test_a_hostile_text_is_answered_with_a_sentence(
    text: str, phase: str, sentence: str, tmp_path: Path, chat_model: CharLSTM
) -> None:
    async def main() -> None:
        registry = ModelRegistry(chat_model, "user/tiny")
        private = PrivateModels(registry, Owners())
        manager = TrainingManager(
            MakingLimits(),
            private,
            Storage(tmp_path),
        )
        await manager.submit(ANN, "", "x", text)
        while (state := manager.state(ANN))["phase"] == "checking":
            await asyncio.sleep(0.1)
        assert state["phase"] in ([phase] if phase else ["failed", "checked"])
        assert sentence in state["sentence"] and str(tmp_path) not in state["sentence"]
        assert bool(state["sentence"]) == (state["phase"] == "failed")
        await manager.close()
        private.close()
        registry.close()

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
