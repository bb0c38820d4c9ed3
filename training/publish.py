"""A run's model folder -> the Hub."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hubcharlstm import card, folder, hub


def push(run: Path, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Publish the model of a run (or a model folder), its card naming `repo_id`; return the commit's URL.

    Raises `ValueError` if there is no model or the Hub refuses.
    """
    source = folder.find_folder(run)
    if source is None:
        raise ValueError(f"There is no folder {run}; expected a run or a model folder: check the path.")
    artifact = folder.read_folder(source, name=str(run))
    repo_id = hub.create_repository(repo_id, private=private, token=token)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name in folder.MODEL_FILES:
            if (source / name).is_file():
                shutil.copy(source / name, copy / name)
        text = card.render(
            artifact.config,
            artifact.vocabulary,
            artifact.record,
            repo_id=repo_id,
            has_loss_plot=(copy / folder.LOSS_PLOT).is_file(),
        )
        (copy / folder.CARD).write_text(text, encoding="utf-8")
        return hub.push_folder(copy, repo_id, commit_message=f"Upload {Path(run).name}", private=private, token=token)
