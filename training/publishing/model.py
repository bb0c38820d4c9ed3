"""A run's model folder -> the Hub, with the epochs that it stored on a branch of their own."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubcharlstm.hub import model_card, model_folder, tags, upload
from hubcharlstm.hub.staging import current_files
from hubcharlstm.hub.upload import check_account
from training.publishing import endpoint as endpoint_files
from training.publishing.privacy import note_of_folder
from training.publishing.wheel import check_installed

__all__ = ["check_account", "push"]

EPOCHS_BRANCH = "epochs"

logger = logging.getLogger("hubcharlstm.publish")


def push(
    run: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    install_from: str | None = None,
    endpoint: bool = False,
) -> str:
    """Publish the model of a run (or a model folder), its card naming `repo_id`; return the commit's URL.

    Each epoch that the run stored is a commit with a tag, on a branch of their own: the main branch shows the model
    alone, also where a push breaks off. What is there already is not sent again, so a push that broke off is repeated.
    install_from: where the card's reader can install this library from,
    a URL for pip or a Space (default: the Space that the run is published with, if any). endpoint: add what an
    Inference Endpoint needs to the main branch; a push without it leaves those files as they are.
    Raises `ValueError` if there is no model or the Hub refuses.
    """
    source = model_folder.find_folder(run)
    if source is None:
        raise ValueError(f"There is no folder {run}; expected a run or a model folder: check the path.")
    if install_from is not None:
        model_card.install_commands(install_from)  # raises before anything is sent
    if endpoint:
        check_installed()
    model_folder.load_folder(source, name=str(run))
    if note := note_of_folder(source):
        logger.info("%s", note)
    repo_id = upload.create_repository(repo_id, private=private, token=token)
    install_from = install_from or space_of(run, repo_id)
    epochs = sorted((run / model_folder.EPOCHS_IN_RUN).glob("epoch-*"))
    if epochs:
        upload.ensure_branch(repo_id, EPOCHS_BRANCH, token=token)
    for epoch in epochs:
        with _with_card(epoch, repo_id, revision=epoch.name, install_from=install_from) as ready:
            if not upload.has_model_files(ready, repo_id, epoch.name, token=token):
                pushed = upload.push_model_files(
                    ready, repo_id, commit_message=f"Upload {run.name}, {epoch.name}", token=token, branch=EPOCHS_BRANCH
                )
                tags.set_tag(repo_id, epoch.name, pushed.commit, token=token)
    if epochs:
        tags.drop_spare_tags(repo_id, [epoch.name for epoch in epochs], token=token)
    with _with_card(source, repo_id, install_from=install_from, endpoint=endpoint) as ready:
        files = current_files(ready, model_folder.MODEL_FILES) | (endpoint_files.write(ready) if endpoint else {})
        pushed = upload.push_files(
            repo_id,
            files,
            is_owned=lambda path: path in model_folder.MODEL_FILES or (endpoint and endpoint_files.is_owned(path)),
            commit_message=f"Upload {run.name}",
            token=token,
        )
    if not pushed.sent and not pushed.dropped:
        logger.info("%s has all of it already", repo_id)
    return pushed.url


def space_of(run: Path, repo_id: str) -> str | None:
    """The Space that `fit` publishes with the model `repo_id`, as the run's settings say; None for a model folder.

    A static Space holds no library to install.
    """
    try:
        hub = json.loads((run / "run.json").read_text(encoding="utf-8"))["hub"]
        installs = hub["space"] and hub["model"] == repo_id and not hub.get("static")
        return str(hub["space"]) if installs else None
    except (OSError, ValueError, KeyError, TypeError):  # no run, or one of an earlier version: no Space is known
        return None


@contextmanager
def _with_card(
    source: Path,
    repo_id: str,
    *,
    revision: str | None = None,
    install_from: str | None = None,
    endpoint: bool = False,
) -> Iterator[Path]:
    """A copy of a model folder whose card names the repository that it goes to."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name, file in current_files(source, model_folder.MODEL_FILES).items():
            shutil.copy(file, copy / name)
        artifact = model_folder.load_folder(copy, name=str(source))  # the copy: a save may land between two files
        text = model_card.render(
            artifact.config,
            artifact.vocabulary,
            artifact.record,
            cells=artifact.cells,
            ngrams=artifact.ngrams,
            repo_id=repo_id,
            revision=revision,
            has_loss_plot=(copy / model_folder.LOSS_PLOT).is_file(),
            install_from=install_from,
            endpoint=endpoint,
        )
        (copy / model_folder.CARD).write_text(text, encoding="utf-8")
        yield copy
