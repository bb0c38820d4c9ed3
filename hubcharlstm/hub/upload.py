"""Files -> one commit on the Hub. Only changed files are sent, and a push that broke off can be repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

from hubcharlstm.arguments import shown
from hubcharlstm.errors import HubError
from hubcharlstm.hub.download import has_listed_hash
from hubcharlstm.hub.messages import (
    check_repo_id,
    check_token,
    is_token_rejected,
    public_endpoint,
    reason,
    to_hub_error,
)
from hubcharlstm.hub.model_folder import MODEL_FILES
from hubcharlstm.hub.retry import (
    ANSWER_SECONDS,
    CLIENT_ERRORS,
    bounded_operation,
    call_with_deadline,
    is_transient,
    is_unreachable,
    pause_before_retry,
    with_retries,
)
from hubcharlstm.hub.staging import current_files

COMMIT_MESSAGE = "Upload a character-level LSTM"
PAUSES = (0.5, 3.0)
CREATE_SECONDS = 30.0
"""Deadline for creating a repository, which takes the Hub some seconds."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PushResult:
    """The commit of a push. sent, dropped: paths that it added or changed, and removed; both empty if none had to."""

    url: str
    commit: str
    sent: tuple[str, ...]
    dropped: tuple[str, ...]


def check_account(repo_id: str, *, token: str | None = None) -> str:
    """The full id of `repo_id`; raises `HubError` unless the token in use may write to its namespace.

    Nothing is created or changed: a caller can check before hours of training.
    """
    check_token(token, repo_id)
    if not (token or get_token()):
        raise HubError(
            f"No token is at hand to push to {repo_id}; expected one that may write: log in with `hf auth login`, or "
            "set HF_TOKEN."
        )
    try:
        account = with_retries(lambda: call_with_deadline(ANSWER_SECONDS, HfApi(token=token).whoami), pauses=PAUSES)
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error
    role = account.get("auth", {}).get("accessToken", {}).get("role")
    namespace, _, name = repo_id.rpartition("/")
    namespaces = {account.get("name"), *(organization.get("name") for organization in account.get("orgs", []))}
    if role == "read":
        raise HubError(
            f"The token in use may only read, so nothing can be pushed to {repo_id}; expected one that may write: make "
            "one in the settings of your account, then log in with `hf auth login`."
        )
    if not name or "/" in namespace or (namespace and namespace not in namespaces):
        raise HubError(
            f"{repo_id!r} is not yours to push to (you are {account.get('name')}); expected a name such as "
            f"{account.get('name')}/{name or 'model'}: correct it, or log in as its owner."
        )
    check_repo_id(repo_id)
    return repo_id if namespace else f"{account.get('name')}/{name}"


def create_repository(
    repo_id: str, *, private: bool | None = None, token: str | None = None, repo_type: str = "model", **options: Any
) -> str:
    """Create the repository unless it exists and return its full id; a bare name goes under the user's own."""
    if not isinstance(repo_id, str) or not repo_id.isascii():
        raise HubError(f"{shown(repo_id)} is no Hub id; expected a name such as user/model: correct it.")
    check_token(token, repo_id)
    api = HfApi(token=token)
    create = partial(api.create_repo, repo_id, private=private, repo_type=repo_type, exist_ok=True, **options)
    try:
        if "/" in repo_id:  # a token with access to this repository alone cannot create one
            try:
                _info(api, repo_id, repo_type, None)
                return repo_id
            except RepositoryNotFoundError:
                pass
        return str(with_retries(lambda: call_with_deadline(CREATE_SECONDS, create), pauses=PAUSES).repo_id)
    except HFValidationError:
        raise HubError(f"{repo_id!r} is no Hub id; expected a name such as user/model: correct it.") from None
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def is_private(repo_id: str, *, repo_type: str = "model", token: str | None = None) -> bool:
    """Whether a model or a Space on the Hub is private; raises `HubError` if there is none."""
    check_token(token, repo_id)
    check_repo_id(repo_id)
    try:
        return bool(_info(HfApi(token=token), repo_id, repo_type, None).private)
    except RepositoryNotFoundError as error:
        if is_token_rejected(error):
            raise to_push_error(error, repo_id) from error
        raise HubError(
            f"The Hub shows you no {repo_type} {repo_id}; expected one that is there: push it first, or correct the "
            "name."
        ) from error
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def push_model_files(
    folder: Path,
    repo_id: str,
    *,
    commit_message: str,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> PushResult:
    """Upload the model files of `folder` in one commit to a repository that exists.

    Model files of an earlier push that `folder` lacks go in that same commit: a record or a plot describes one
    model. Other files of the repository stay. Raises `HubError` if the Hub refuses.
    """
    return push_files(
        repo_id, current_files(folder, MODEL_FILES), is_owned=MODEL_FILES.__contains__, commit_message=commit_message,
        token=token, branch=branch, create_pr=create_pr,
    )  # fmt: skip


def has_model_files(folder: Path, repo_id: str, revision: str, *, token: str | None = None) -> bool:
    """Whether `revision` exists and holds exactly the model files of `folder`."""
    files = current_files(folder, MODEL_FILES)
    try:
        _, changed, deleted = compare(HfApi(token=token), repo_id, files, MODEL_FILES.__contains__, revision=revision)
        return not changed and not deleted
    except RevisionNotFoundError:
        return False
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def push_files(
    repo_id: str,
    files: Mapping[str, Path],
    *,
    is_owned: Callable[[str], bool],
    commit_message: str,
    repo_type: str = "model",
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> PushResult:
    """Upload `files` (by path in the repository) in one commit, and delete the owned paths that are not among them.

    is_owned: whether a path belongs to this push. Each attempt compares with the head of the branch and commits on top
    of it, so that nothing is sent twice, a commit whose response was lost is found, and concurrent pushes do not mix.
    Raises `HubError` if the Hub refuses.
    """
    with bounded_operation():
        return _push_files(repo_id, files, is_owned, commit_message, repo_type, token, branch, create_pr)


def _push_files(
    repo_id: str,
    files: Mapping[str, Path],
    is_owned: Callable[[str], bool],
    commit_message: str,
    repo_type: str,
    token: str | None,
    branch: str | None,
    create_pr: bool | None,
) -> PushResult:
    api = HfApi(token=token)
    for pause in (*PAUSES, None):
        try:
            head, changed, deleted = compare(api, repo_id, files, is_owned, repo_type, branch)
            if not changed and not deleted:
                prefix = constants.REPO_TYPES_URL_PREFIXES.get(repo_type, "")
                return PushResult(f"{public_endpoint()}/{prefix}{repo_id}/commit/{head}", head, (), ())
            size = sum(files[path].stat().st_size for path in changed)
            logger.info("Sending %d of %d files, %.1f MB, to %s", len(changed), len(files), size / 1e6, repo_id)
            create = partial(
                api.create_commit,
                repo_id,
                [CommitOperationAdd(path_in_repo=path, path_or_fileobj=str(files[path])) for path in changed]
                + [CommitOperationDelete(path_in_repo=path) for path in deleted],
                commit_message=commit_message,
                repo_type=repo_type,
                revision=branch,
                create_pr=create_pr,
                parent_commit=head,
            )
            commit = call_with_deadline(float("inf"), create)
            return PushResult(str(commit.commit_url), commit.oid, tuple(changed), tuple(deleted))
        except RevisionNotFoundError:
            raise HubError(
                f"{repo_id} has no branch {branch!r}; expected one that is there: make it first, or push without it."
            ) from None
        except CLIENT_ERRORS as error:
            retriable = _is_stale_parent(error) or (is_transient(error) and not is_unreachable(error))
            if pause is None or not retriable or create_pr:  # a second attempt would open a second pull request
                raise to_push_error(error, repo_id) from error
            logger.info("The push failed (%s); trying again", reason(error))
            try:
                pause_before_retry(pause, error)
            except CLIENT_ERRORS:
                raise to_push_error(error, repo_id) from error
    raise AssertionError("the last attempt returns or raises")


def compare(
    api: HfApi,
    repo_id: str,
    files: Mapping[str, Path],
    is_owned: Callable[[str], bool],
    repo_type: str = "model",
    revision: str | None = None,
) -> tuple[str, list[str], list[str]]:
    """The head commit of `revision`, the paths of `files` that differ there, and the owned paths to delete."""
    info = _info(api, repo_id, repo_type, revision)
    remote = {entry.rfilename: entry for entry in info.siblings or ()}
    changed = [path for path, file in files.items() if path not in remote or not has_listed_hash(file, remote[path])]
    deleted = sorted(path for path in remote if is_owned(path) and path not in files)
    return str(info.sha), changed, deleted


def ensure_branch(repo_id: str, branch: str, *, token: str | None = None) -> None:
    """Create `branch` at the head of the main one unless it exists; raises `HubError` if the Hub refuses."""
    create = partial(HfApi(token=token).create_branch, repo_id, branch=branch, exist_ok=True)
    try:
        with bounded_operation():
            with_retries(create, pauses=PAUSES)
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def _info(api: HfApi, repo_id: str, repo_type: str, revision: str | None) -> Any:
    request = partial(
        api.repo_info, repo_id, repo_type=repo_type, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS
    )
    return with_retries(lambda: call_with_deadline(ANSWER_SECONDS, request), pauses=PAUSES)


def _is_stale_parent(error: Exception) -> bool:
    """Whether another push landed in between."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code == 412


def to_push_error(error: Exception, repo_id: str) -> HubError:
    """The error of a failed request of a push."""
    if isinstance(error, HubError):
        return error
    if is_transient(error) and not isinstance(error, HfHubHTTPError):
        return HubError(
            f"The Hub cannot be reached or broke off ({reason(error)}), so {repo_id} may not have changed; expected an "
            "answer: push again when the connection is back, which sends only what is missing."
        )
    return to_hub_error(error, repo_id, "take")
