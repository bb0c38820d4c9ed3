"""A Hub id or a folder -> one checked model of one revision; and publishing one. Only this file uses the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # exported lazily, on purpose

from hubcharlstm.folder import MODEL_FILES, PRETRAINED, Artifact, NotAModelError, find_folder, read_folder

# What the client raises: refusals (OSError), broken connections (httpx's), and its own complaints (ValueError).
CLIENT_ERRORS = (OSError, httpx.HTTPError, ValueError)


class HubError(ValueError):
    """The Hub could not be read from or written to."""


def load(
    model_id: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Artifact:
    """Load a model by Hub id, by folder, or (None) the one that ships in the package.

    Raises `NotAModelError` for what is no model or a damaged one and `HubError` where the Hub does not
    give it; both are `ValueError`s.
    """
    if model_id is None:
        return read_folder(PRETRAINED, name="the shipped model")
    if (folder := find_folder(model_id)) is not None:
        return read_folder(folder, name=str(model_id))
    snapshot = download(
        str(model_id),
        revision=revision,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
    )
    return read_folder(snapshot, name=str(model_id), revision=snapshot.name)


def download(model_id: str, *, revision: str | None, token: str | bool | None, **options: Any) -> Path:
    """One snapshot of one commit of a Hub repository: the folder in the cache, named by the commit."""
    _check_token(token, model_id)
    try:
        return Path(
            snapshot_download(model_id, revision=revision, token=token, allow_patterns=list(MODEL_FILES), **options)
        )
    except HFValidationError:
        raise NotAModelError(
            f"{model_id!r} is neither a folder here nor a Hub id; expected a model folder "
            "or a name such as user/model: check the spelling."
        ) from None
    except GatedRepoError:
        raise HubError(
            f"{model_id} is gated; expected a token with access: ask for access on its page, then log in."
        ) from None
    except RevisionNotFoundError:
        raise HubError(
            f"{model_id} has no revision {revision!r}; expected a branch, tag or commit: check it."
        ) from None
    except RepositoryNotFoundError:
        raise HubError(
            f"{model_id!r} is neither a folder here nor a repository that the Hub shows you; expected one of both: "
            "check the spelling, and log in with `hf auth login` if it is private."
        ) from None
    except LocalEntryNotFoundError as error:
        found = "was not asked" if options.get("local_files_only") else f"cannot be reached ({_reason(error)})"
        raise HubError(
            f"No whole copy of {model_id} is in the cache and the Hub {found}; expected one of both: "
            "check the connection, or give a folder."
        ) from error
    except CLIENT_ERRORS as error:
        raise _refused(model_id, error, "give") from error


def _check_token(token: str | bool | None, repo_id: str) -> None:
    """The client's own message for a token that fits no header would show it."""
    if isinstance(token, str) and (not token or any(not "!" <= c <= "~" for c in token)):
        raise HubError(
            f"The token for {repo_id} is empty or holds a space, line break or other character that no token has; "
            "expected one such as hf_...: copy it again."
        )


def _refused(repo_id: str, error: Exception, verb: str) -> HubError:
    """The error for whatever else kept the Hub from giving or taking a repository."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    hint = "check the connection, then try again"
    if status in (401, 403):
        hint = "check with `hf auth whoami` that your token is valid and may do this, or log in again"
    return HubError(f"The Hub did not {verb} {repo_id} ({_reason(error)}); expected an answer: {hint}.")


def _reason(error: BaseException) -> str:
    """What went wrong, in one line: the server's own words where it gave some."""
    while not isinstance(error, HfHubHTTPError) and error.__cause__ is not None:
        error = error.__cause__
    words = str(error)
    if isinstance(error, HfHubHTTPError):
        words = f"{error.response.status_code}: {error.server_message or error.response.reason_phrase}"
    return " ".join(words.split()).rstrip(".") or type(error).__name__


def create_repository(repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Make sure that the repository is there and return its full id; a bare name is put under the user's own."""
    _check_token(token, repo_id)
    try:
        return str(HfApi(token=token).create_repo(repo_id, private=private, exist_ok=True).repo_id)
    except HFValidationError:
        raise HubError(f"{repo_id!r} is no Hub id; expected a name such as user/model: correct it.") from None
    except CLIENT_ERRORS as error:
        raise _refused(repo_id, error, "take") from error


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    commit_message: str = "Upload a character-level LSTM",
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> str:
    """Upload the model files of `folder` in one commit and return its URL; raises `HubError` if the Hub refuses.

    Model files of an earlier push that `folder` lacks go in that same commit: a record or a plot describes one
    model. Other files of the repository stay.
    """
    api = HfApi(token=token)
    repo_id = create_repository(repo_id, private=private, token=token)
    here = [file for file in MODEL_FILES if (folder / file).is_file()]
    try:
        stale = {*MODEL_FILES}.difference(here).intersection(api.list_repo_files(repo_id, revision=branch))
        commit = api.create_commit(
            repo_id,
            [CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(folder / file)) for file in here]
            + [CommitOperationDelete(path_in_repo=file) for file in sorted(stale)],
            commit_message=commit_message,
            revision=branch,
            create_pr=create_pr,
        )
    except RevisionNotFoundError:
        raise HubError(
            f"{repo_id} has no branch {branch!r}; expected one that is there: make it first, or push without it."
        ) from None
    except CLIENT_ERRORS as error:
        raise _refused(repo_id, error, "take") from error
    return str(commit.commit_url)
