"""An argument that a public function does not know is refused by its name, not left out in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.decoding.sampling import SamplingParams
from hubcharlstm.engine.engine import Engine

Call = Callable[[CharLSTM, Path, dict[str, Any]], object]

CALLS: dict[str, Call] = {
    "CharLSTM": lambda model, folder, extra: CharLSTM(model.config, model.vocabulary, **extra),
    "from_pretrained": lambda model, folder, extra: CharLSTM.from_pretrained(folder, **extra),
    "save_pretrained": lambda model, folder, extra: model.save_pretrained(folder / "new", **extra),
    "save_pretrained and push": lambda model, folder, extra: model.save_pretrained(
        folder / "new", push_to_hub=True, repo_id="user/never", **extra
    ),
    "push_to_hub": lambda model, folder, extra: model.push_to_hub("user/never", **extra),
    "stream": lambda model, folder, extra: model.stream("To be", **extra),
    "complete": lambda model, folder, extra: model.complete("To be", **extra),
    "generate": lambda model, folder, extra: model.generate("To be", **extra),
    "generate a list": lambda model, folder, extra: model.generate(["To be"], **extra),
    "generate samples": lambda model, folder, extra: model.generate("To be", num_samples=2, **extra),
    "score": lambda model, folder, extra: model.score("To be", **extra),
    "CharLSTMConfig": lambda model, folder, extra: CharLSTMConfig(3, **extra),
    "GenerationConfig": lambda model, folder, extra: GenerationConfig(**extra),
    "SamplingParams": lambda model, folder, extra: SamplingParams(1.0, 0, 1.0, 0.0, **extra),
    "Vocabulary": lambda model, folder, extra: Vocabulary(("a", "b"), **extra),
    "Vocabulary.from_text": lambda model, folder, extra: Vocabulary.from_text("ab", **extra),
    "Engine": lambda model, folder, extra: Engine(model.decoder, **extra),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_argument_is_refused_by_its_name(model: CharLSTM, model_folder: Path, call: str) -> None:
    """`save_pretrained(folder, dytpe="float16")` wrote fp32, for the mixin's own keyword arguments went nowhere."""
    with pytest.raises((TypeError, ValueError), match="dytpe"):
        CALLS[call](model, model_folder, {"dytpe": "float16"})
    assert not (model_folder / "new").exists()


@pytest.mark.parametrize(
    "name", ["commit_message", "private", "token", "branch", "create_pr"]
)  # fmt: skip
def test_what_only_a_push_needs_is_refused_without_one(model: CharLSTM, tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {name: "main" if name in ("commit_message", "token", "branch") else True}
    with pytest.raises(ValueError, match=f"{name} is given to a save that pushes nothing"):
        model.save_pretrained(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()
