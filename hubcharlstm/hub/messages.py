"""What can go wrong with the Hub, and the one sentence for each."""

from __future__ import annotations

import errno
from pathlib import Path

from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # httpx is exported lazily

from hubcharlstm.errors import HubError, NotAModelError
from hubcharlstm.hub.retry import _causes, is_transient, retry_after

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_token(token: str | bool | None, repo_id: str) -> None:
    """The client's own message for a token that fits no header would show it."""
    if isinstance(token, str) and (not token or any(not "!" <= c <= "~" for c in token)):
        raise HubError(
            f"The token for {repo_id} is empty or holds a space, line break or other character that no token has; "
            "expected one such as hf_...: copy it again."
        )


def check_name(model_id: str) -> None:
    """Raise `NotAModelError` for what can be no Hub id."""
    try:
        validate_repo_id(model_id)
    except HFValidationError:
        raise NotAModelError(
            f"{model_id!r} is neither a folder here nor a Hub id; expected a model folder "
            "or a name such as user/model: check the spelling."
        ) from None


def explain(
    error: Exception, repo_id: str, *, revision: str | None = None, folder: Path | None = None, cached: bool = False
) -> HubError:
    """The sentence for what kept the Hub from giving a model. folder: where it was to be kept."""
    refusal = next((e for e in (error, *_causes(error)) if isinstance(e, HfHubHTTPError)), None)
    hint = ", or take the cached copy by local_files_only=True" if cached else ""
    if isinstance(refusal, GatedRepoError):
        return HubError(
            f"{repo_id} is gated; expected a token with access: ask for access on its page, then log in with "
            f"`hf auth login`{hint}."
        )
    if isinstance(refusal, RevisionNotFoundError):
        return HubError(
            f"{repo_id} has no revision {revision!r}; expected a branch, tag or commit: look at its page{hint}."
        )
    if isinstance(refusal, RepositoryNotFoundError) and not is_about_the_token(refusal):
        return HubError(
            f"{repo_id!r} is neither a folder here nor a repository that the Hub shows you; expected one of both: "
            f"check the spelling, and log in with `hf auth login` if it is private{hint}."
        )
    if isinstance(refusal, DisabledRepoError):
        return HubError(f"{repo_id} has been disabled on the Hub; expected one that is open: take another{hint}.")
    if refusal is None and isinstance(error, OSError) and error.errno in NO_ROOM:
        return HubError(
            f"There is no room for {repo_id} in {folder} ({error.strerror}); expected room for the whole model: free "
            "some space, or set HF_HOME to a folder on another disk."
        )
    if refusal is None and isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError):
        return HubError(
            f"The cache {folder} cannot be written to ({error.strerror}); expected a folder of your own: "
            "set HF_HOME to one."
        )
    if refusal is None and is_transient(error):
        return HubError(
            f"The Hub cannot be reached ({reason(error)}) and no whole copy of {repo_id} is in the cache; expected one "
            "of both: check the connection, or give a folder."
        )
    return refused(error, repo_id, "give")


def refused(error: Exception, repo_id: str, verb: str) -> HubError:
    """The sentence for whatever else kept the Hub from giving or taking a repository."""
    refusal = next((e for e in (error, *_causes(error)) if isinstance(e, HfHubHTTPError)), None)
    status = refusal.response.status_code if refusal is not None else 0
    hint = "check the connection, then try again"
    if status in (401, 403) or isinstance(error, LocalTokenNotFoundError):
        hint = "check with `hf auth whoami` that your token is valid and may do this, or log in again"
    elif status == 429 and refusal is not None:
        wait = retry_after(refusal)
        hint = f"wait {wait:.0f} seconds, then try again" if wait else "wait some minutes, then try again"
    elif status >= 500:
        hint = "the fault is the Hub's, so try again later"
    return HubError(f"The Hub did not {verb} {repo_id} ({reason(error)}); expected an answer: {hint}.")


def is_about_the_token(error: HfHubHTTPError) -> bool:
    """A 401 for one who sent a token: whoever may just not see a repository gets a 404."""
    return error.response.status_code == 401 and "authorization" in error.response.request.headers


def reason(error: BaseException) -> str:
    """What went wrong, in one line: the server's own words where it gave some."""
    while not isinstance(error, HfHubHTTPError) and error.__cause__ is not None:
        error = error.__cause__
    words = str(error)
    if isinstance(error, HfHubHTTPError):
        words = f"{error.response.status_code}: {error.server_message or error.response.reason_phrase}"
    return " ".join(words.split()).rstrip(".") or type(error).__name__
