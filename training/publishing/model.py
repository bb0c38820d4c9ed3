"""A run's model folder -> the Hub, with the epochs that were kept as earlier commits."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubcharlstm.hub import model_card, model_folder, upload
from hubcharlstm.hub.staging import current_files
from hubcharlstm.hub.upload import check_account

__all__ = ["check_account", "push"]

logger = logging.getLogger("hubcharlstm.publish")


def push(run: Path, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Publish the model of a run (or a model folder), its card naming `repo_id`; return the commit's URL.

    Each epoch that the run kept is a commit of its own before it, with a tag. What is there already is not sent
    again, so a push that broke off is repeated. Raises `ValueError` if there is no model or the Hub refuses.
    """
    source = model_folder.find_folder(run)
    if source is None:
        raise ValueError(f"There is no folder {run}; expected a run or a model folder: check the path.")
    model_folder.load_folder(source, name=str(run))
    repo_id = upload.create_repository(repo_id, private=private, token=token)
    for kept in sorted((run / model_folder.EPOCHS_IN_RUN).glob("epoch-*")):
        with _with_card(kept, repo_id, revision=kept.name) as ready:
            if not upload.has_model_files(ready, repo_id, kept.name, token=token):
                pushed = upload.push_model_files(
                    ready, repo_id, commit_message=f"Upload {run.name}, {kept.name}", token=token
                )
                upload.tag(repo_id, kept.name, pushed.commit, token=token)
    with _with_card(source, repo_id) as ready:
        pushed = upload.push_model_files(ready, repo_id, commit_message=f"Upload {run.name}", token=token)
    if not pushed.sent and not pushed.dropped:
        logger.info("%s has all of it already", repo_id)
    return pushed.url


@contextmanager
def _with_card(source: Path, repo_id: str, *, revision: str | None = None) -> Iterator[Path]:
    """A copy of a model folder whose card names where it will be."""
    artifact = model_folder.load_folder(source, name=str(source))
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name, file in current_files(source, model_folder.MODEL_FILES).items():
            shutil.copy(file, copy / name)
        text = model_card.render(
            artifact.config,
            artifact.vocabulary,
            artifact.record,
            repo_id=repo_id,
            revision=revision,
            has_loss_plot=(copy / model_folder.LOSS_PLOT).is_file(),
        )
        (copy / model_folder.CARD).write_text(text, encoding="utf-8")
        yield copy
