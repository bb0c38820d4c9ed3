"""A run's model folder -> the Hub."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hubcharlstm import card, hub


def push(run: Path, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Publish the model of a run (or a model folder), its card naming `repo_id`; return the commit's URL.

    Raises `ValueError` if there is no model or the Hub refuses.
    """
    folder = hub.find_folder(run)
    if folder is None:
        raise ValueError(f"There is no folder {run}; expected a run or a model folder: check the path.")
    artifact = hub.read_folder(folder, name=str(run))
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "model"
        copy.mkdir()
        for name in hub.MODEL_FILES:
            if (folder / name).is_file():
                shutil.copy(folder / name, copy / name)
        text = card.render(
            artifact.config,
            artifact.vocabulary,
            artifact.record,
            repo_id=repo_id,
            has_loss_plot=(copy / hub.LOSS_PLOT).is_file(),
        )
        (copy / hub.CARD).write_text(text, encoding="utf-8")
        return hub.push_folder(copy, repo_id, commit_message=f"Upload {Path(run).name}", private=private, token=token)
