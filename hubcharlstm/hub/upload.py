"""Files -> one commit of a repository on the Hub: only what changed is sent, and a push that broke is repeated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

from hubcharlstm.errors import HubError
from hubcharlstm.hub.download import is_same
from hubcharlstm.hub.messages import check_name, check_token, is_about_the_token, reason, refused
from hubcharlstm.hub.model_folder import MODEL_FILES
from hubcharlstm.hub.retry import (
    CLIENT_ERRORS,
    SECONDS,
    call_with_deadline,
    is_transient,
    is_unreachable,
    retry_after,
    with_retries,
)
from hubcharlstm.hub.staging import current_files

COMMIT_MESSAGE = "Upload a character-level LSTM"
PAUSES = (0.5, 3.0)
CREATE_SECONDS = 30.0
"""Making a repository takes the Hub some seconds of work."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pushed:
    """What is on the Hub now. sent, dropped: the paths that the commit changed; both empty if nothing had to."""

    url: str
    commit: str
    sent: tuple[str, ...]
    dropped: tuple[str, ...]


def check_account(repo_id: str, *, token: str | None = None) -> str:
    """The full id of what is to be pushed; raises `HubError` unless the token in use may write to its namespace.

    For those who have work to do before they push: nothing is made or changed.
    """
    check_token(token, repo_id)
    if not (token or get_token()):
        raise HubError(
            f"No token is at hand to push to {repo_id}; expected one that may write: log in with `hf auth login`, or "
            "set HF_TOKEN."
        )
    try:
        account = with_retries(lambda: call_with_deadline(SECONDS, HfApi(token=token).whoami), pauses=PAUSES)
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error
    role = account.get("auth", {}).get("accessToken", {}).get("role")
    namespace, _, name = repo_id.rpartition("/")
    own = {account.get("name"), *(organization.get("name") for organization in account.get("orgs", []))}
    if role == "read":
        raise HubError(
            f"The token in use may only read, so nothing can be pushed to {repo_id}; expected one that may write: make "
            "one in the settings of your account, then log in with `hf auth login`."
        )
    if not name or "/" in namespace or (namespace and namespace not in own):
        raise HubError(
            f"{repo_id!r} is not yours to push to (you are {account.get('name')}); expected a name such as "
            f"{account.get('name')}/{name or 'model'}: correct it, or log in as its owner."
        )
    check_name(repo_id)
    return repo_id if namespace else f"{account.get('name')}/{name}"


def create_repository(
    repo_id: str, *, private: bool | None = None, token: str | None = None, repo_type: str = "model", **options: Any
) -> str:
    """Make sure that the repository is there and return its full id; a bare name is put under the user's own."""
    check_token(token, repo_id)
    api = HfApi(token=token)
    make = partial(api.create_repo, repo_id, private=private, repo_type=repo_type, exist_ok=True, **options)
    try:
        if "/" in repo_id:  # a token that may write to it may still be none that can make one
            try:
                _info(api, repo_id, repo_type, None)
                return repo_id
            except RepositoryNotFoundError:
                pass
        return str(with_retries(lambda: call_with_deadline(CREATE_SECONDS, make), pauses=PAUSES).repo_id)
    except HFValidationError:
        raise HubError(f"{repo_id!r} is no Hub id; expected a name such as user/model: correct it.") from None
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def is_private(model_id: str, *, token: str | None = None) -> bool:
    """Whether a model on the Hub is private; raises `HubError` if there is none."""
    check_token(token, model_id)
    check_name(model_id)
    try:
        return bool(_info(HfApi(token=token), model_id, "model", None).private)
    except RepositoryNotFoundError as error:
        if is_about_the_token(error):
            raise to_push_error(error, model_id) from error
        raise HubError(
            f"The Hub shows you no model {model_id}; expected one that is there: push it first, or correct the name."
        ) from None
    except CLIENT_ERRORS as error:
        raise to_push_error(error, model_id) from error


def push_model_files(
    folder: Path,
    repo_id: str,
    *,
    commit_message: str,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> Pushed:
    """Upload the model files of `folder` in one commit to a repository that exists.

    Model files of an earlier push that `folder` lacks go in that same commit: a record or a plot describes one
    model. Other files of the repository stay. Raises `HubError` if the Hub refuses.
    """
    return push_files(
        repo_id, current_files(folder, MODEL_FILES), ours=MODEL_FILES.__contains__, commit_message=commit_message,
        token=token, branch=branch, create_pr=create_pr,
    )  # fmt: skip


def has_model_files(folder: Path, repo_id: str, revision: str, *, token: str | None = None) -> bool:
    """Whether `revision` is there and holds exactly the model files of `folder`."""
    files = current_files(folder, MODEL_FILES)
    try:
        _, changed, gone = compare(HfApi(token=token), repo_id, files, MODEL_FILES.__contains__, revision=revision)
        return not changed and not gone
    except RevisionNotFoundError:
        return False
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def push_files(
    repo_id: str,
    files: Mapping[str, Path],
    *,
    ours: Callable[[str], bool],
    commit_message: str,
    repo_type: str = "model",
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> Pushed:
    """Make the files of a branch the given ones in one commit, and what `ours` says is ours but not given go.

    Each try compares with what is there and builds on the commit that it saw. So nothing is sent twice, a commit
    whose answer was lost is found, and two who push at once do not mix. Raises `HubError` if the Hub refuses.
    """
    api = HfApi(token=token)
    for pause in (*PAUSES, None):
        try:
            head, changed, gone = compare(api, repo_id, files, ours, repo_type, branch)
            if not changed and not gone:
                prefix = constants.REPO_TYPES_URL_PREFIXES.get(repo_type, "")
                return Pushed(f"{api.endpoint}/{prefix}{repo_id}/commit/{head}", head, (), ())
            size = sum(files[path].stat().st_size for path in changed)
            logger.info("Sending %d of %d files, %.1f MB, to %s", len(changed), len(files), size / 1e6, repo_id)
            commit = api.create_commit(
                repo_id,
                [CommitOperationAdd(path_in_repo=path, path_or_fileobj=str(files[path])) for path in changed]
                + [CommitOperationDelete(path_in_repo=path) for path in gone],
                commit_message=commit_message,
                repo_type=repo_type,
                revision=branch,
                create_pr=create_pr,
                parent_commit=head,
            )
            return Pushed(str(commit.commit_url), commit.oid, tuple(changed), tuple(gone))
        except RevisionNotFoundError:
            raise HubError(
                f"{repo_id} has no branch {branch!r}; expected one that is there: make it first, or push without it."
            ) from None
        except CLIENT_ERRORS as error:
            again = _has_moved(error) or (is_transient(error) and not is_unreachable(error))
            if pause is None or not again or create_pr:  # a second try would propose the same twice
                raise to_push_error(error, repo_id) from error
            logger.info("The Hub did not take it (%s); trying again", reason(error))
            time.sleep(max(pause, retry_after(error)))
    raise AssertionError("the last try returns or raises")


def compare(
    api: HfApi,
    repo_id: str,
    files: Mapping[str, Path],
    ours: Callable[[str], bool],
    repo_type: str = "model",
    revision: str | None = None,
) -> tuple[str, list[str], list[str]]:
    """The commit that `revision` is, and the paths that differ there and that should not be there."""
    info = _info(api, repo_id, repo_type, revision)
    there = {entry.rfilename: entry for entry in info.siblings or ()}
    changed = [path for path, file in files.items() if path not in there or not is_same(file, there[path])]
    gone = sorted(path for path in there if ours(path) and path not in files)
    return str(info.sha), changed, gone


def tag(repo_id: str, name: str, commit: str, *, token: str | None = None) -> None:
    """Let the tag `name` stand for `commit`, wherever it stood before."""
    api = HfApi(token=token)

    def move() -> None:
        stands = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo_id).tags}
        if stands.get(name) == commit:
            return
        if name in stands:
            api.delete_tag(repo_id, tag=name)
        api.create_tag(repo_id, tag=name, revision=commit, exist_ok=True)

    try:
        with_retries(move, pauses=PAUSES)
    except CLIENT_ERRORS as error:
        raise to_push_error(error, repo_id) from error


def _info(api: HfApi, repo_id: str, repo_type: str, revision: str | None) -> Any:
    ask = partial(api.repo_info, repo_id, repo_type=repo_type, revision=revision, files_metadata=True, timeout=SECONDS)
    return with_retries(lambda: call_with_deadline(SECONDS, ask), pauses=PAUSES)


def _has_moved(error: Exception) -> bool:
    """Whether somebody else pushed meanwhile."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code == 412


def to_push_error(error: Exception, repo_id: str) -> HubError:
    if isinstance(error, HubError):
        return error
    if is_transient(error) and not isinstance(error, HfHubHTTPError):
        return HubError(
            f"The Hub cannot be reached or broke off ({reason(error)}), so {repo_id} may not have changed; expected an "
            "answer: push again when the connection is back, which sends only what is missing."
        )
    return refused(error, repo_id, "take")
