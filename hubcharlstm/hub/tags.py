"""Tags of a repository on the Hub, moved so that none is lost where the connection breaks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from huggingface_hub import HfApi

from hubcharlstm.hub import upload
from hubcharlstm.hub.retry import (
    CLIENT_ERRORS,
    UnexpectedAnswerError,
    bounded_operation,
    is_transient,
    with_retries,
)

SPARE_TAG = "-next"


def set_tag(repo_id: str, name: str, commit: str, *, token: str | None = None) -> None:
    """Point the tag `name` at `commit`; it may exist."""
    try:
        with bounded_operation():
            with_retries(partial(_move_tag, HfApi(token=token), repo_id, name, commit), pauses=upload.PAUSES)
    except CLIENT_ERRORS as error:
        raise upload.to_push_error(error, repo_id) from error


def drop_spare_tags(repo_id: str, names: Sequence[str], *, token: str | None = None) -> None:
    """Delete what a push that broke off after it had moved one of these tags has left of that."""
    api = HfApi(token=token)

    def drop() -> None:
        targets = _tags(api, repo_id)
        for name in names:
            if name in targets and f"{name}{SPARE_TAG}" in targets:
                api.delete_tag(repo_id, tag=f"{name}{SPARE_TAG}")

    try:
        with bounded_operation():
            with_retries(drop, pauses=upload.PAUSES)
    except CLIENT_ERRORS as error:
        raise upload.to_push_error(error, repo_id) from error


def _move_tag(api: HfApi, repo_id: str, name: str, commit: str) -> None:
    """The Hub cannot move a tag, so the old one is deleted first.

    Before that a tag of another name shows that one can be created at `commit`. It stays where the connection breaks
    between the two, and until the tag is there again.
    """
    spare = f"{name}{SPARE_TAG}"
    targets = _tags(api, repo_id)
    if targets.get(name) != commit:
        if name in targets:
            if spare in targets and targets[spare] != commit:
                api.delete_tag(repo_id, tag=spare)
            api.create_tag(repo_id, tag=spare, revision=commit, exist_ok=True)
            _check_tag(_tags(api, repo_id), spare, commit)
            api.delete_tag(repo_id, tag=name)
        try:
            api.create_tag(repo_id, tag=name, revision=commit, exist_ok=True)
        except CLIENT_ERRORS as error:
            if name in targets and not is_transient(error):
                api.create_tag(repo_id, tag=name, revision=targets[name], exist_ok=True)
            raise
        targets = _tags(api, repo_id)
        _check_tag(targets, name, commit)
    if spare in targets:
        api.delete_tag(repo_id, tag=spare)
        _check_tag(_tags(api, repo_id), spare, None)


def _check_tag(targets: dict[str, str], name: str, commit: str | None) -> None:
    """Raise unless a tag is at `commit` (None: gone): the Hub's answer to a change of a tag holds nothing to check."""
    if targets.get(name) != commit:
        raise UnexpectedAnswerError(f"the tag {name} is not as it was set")


def _tags(api: HfApi, repo_id: str) -> dict[str, str]:
    """The commit of each tag."""
    return {ref.name: ref.target_commit for ref in api.list_repo_refs(repo_id).tags}
