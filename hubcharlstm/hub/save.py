"""Save a model with its card into a folder, and push that folder where the caller asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hubcharlstm.arguments import shown
from hubcharlstm.hub import model_card, model_folder, upload
from hubcharlstm.hub.model_folder import Artifact
from hubcharlstm.hub.retry import bounded_operation
from hubcharlstm.hub.weights_file import check_storable


@dataclass(frozen=True)
class PushOptions:
    """How a folder is pushed. None stands for the default, which `save` and `upload` know."""

    commit_message: str | None = None
    private: bool | None = None
    token: str | None = None
    branch: str | None = None
    create_pr: bool | None = None

    def check_unset(self) -> None:
        """Raise `ValueError` for an option that was given to a save without a push."""
        if given := [name for name, value in asdict(self).items() if value is not None]:
            raise ValueError(
                f"{given[0]} is given to a save that pushes nothing; expected push_to_hub=True with it: add that, or "
                "leave it out."
            )


def save(
    artifact: Artifact,
    folder: Path,
    *,
    push: bool,
    options: PushOptions,
    repo_id: str | None = None,
    install_from: str | None = None,
    extra_files: Mapping[str, bytes] | None = None,
) -> str | None:
    """Write `artifact` and its card into `folder`; with `push`, upload it and return the commit's URL.

    The arguments are those of `CharLSTM.save_pretrained`. Raises `ValueError` before anything is written or sent where
    one is out of range.
    """
    with bounded_operation():
        return _save(artifact, folder, push, options, repo_id, install_from, extra_files)


def _save(
    artifact: Artifact,
    folder: Path,
    push: bool,
    options: PushOptions,
    repo_id: str | None,
    install_from: str | None,
    extra_files: Mapping[str, bytes] | None,
) -> str | None:
    model_folder.check_dtype(artifact.dtype)
    model_folder.check_extra_files(extra_files)
    model_folder.check_record(artifact.record)
    check_storable(artifact.tensors, model_folder.STORED_DTYPES[artifact.dtype])
    if repo_id is not None and not (isinstance(repo_id, str) and repo_id.isprintable()):
        raise ValueError(f"repo_id is {shown(repo_id)}; expected a name such as user/model: correct it.")
    if install_from is not None:
        model_card.install_commands(install_from)
    if not push:
        options.check_unset()
    else:  # first, since the card names the full id
        repo_id = upload.create_repository(
            repo_id or folder.resolve().name, private=options.private, token=options.token
        )
    card = model_card.render(
        artifact.config, artifact.vocabulary, artifact.record,
        cells=artifact.cells, ngrams=artifact.ngrams, repo_id=repo_id, install_from=install_from,
        has_loss_plot=model_folder.LOSS_PLOT in (extra_files or {}),
    )  # fmt: skip
    model_folder.save(folder, artifact, card=card, extra_files=extra_files)
    if not push or repo_id is None:
        return None
    return upload.push_model_files(
        folder, repo_id, commit_message=options.commit_message or upload.COMMIT_MESSAGE,
        further=tuple(extra_files or ()), token=options.token, branch=options.branch, create_pr=options.create_pr,
    ).url  # fmt: skip
