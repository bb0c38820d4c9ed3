"""Errors of the Hub's client -> `HubError` or `NotAModelError` with one sentence for the user."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from huggingface_hub import constants
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

from hubcharlstm.arguments import shown
from hubcharlstm.errors import HubError, NotAModelError
from hubcharlstm.hub.retry import UnexpectedAnswerError, causes, is_transient, retry_after

MAX_REASON = 500
"""Characters of a server's message."""
USER_INFO = re.compile(r"(?<=//)[^/\s]*@")
"""What stands before the host of an address: a name, a password, a token."""
TOKEN = re.compile(r"hf_[A-Za-z0-9]{8,}")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_token(token: str | bool | None, repo_id: str) -> None:
    """Raise `HubError` for a token that fits no header: the client's own message would show it."""
    if isinstance(token, str) and (not token or any(not "!" <= c <= "~" for c in token)):
        raise HubError(
            f"The token for {repo_id} is empty or holds a space, line break or other character that no token has; "
            "expected one such as hf_...: copy it again."
        )


def check_repo_id(model_id: str) -> None:
    """Raise `NotAModelError` unless `model_id` has the form of a Hub id."""
    try:
        validate_repo_id(model_id)
    except HFValidationError:
        raise NotAModelError(
            f"{shown(model_id)} is neither a folder here nor a Hub id; expected a model folder "
            "or a name such as user/model: check the spelling."
        ) from None


def to_load_error(
    error: Exception, repo_id: str, *, revision: str | None = None, folder: Path | None = None, cached: bool = False
) -> HubError:
    """The error of a failed download. folder: its place in the cache. cached: a copy of another time is there."""
    refusal = next((e for e in (error, *causes(error)) if isinstance(e, HfHubHTTPError)), None)
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
    if isinstance(refusal, RepositoryNotFoundError) and not is_token_rejected(refusal):
        return HubError(
            f"{repo_id!r} is neither a folder here nor a repository that the Hub shows you; expected one of both: "
            f"check the spelling, and log in with `hf auth login` if it is private{hint}."
        )
    if isinstance(refusal, DisabledRepoError):
        return HubError(f"{repo_id} has been disabled on the Hub; expected one that is open: take another{hint}.")
    if refusal is None and isinstance(error, OSError) and error.errno in DISK_FULL:
        return HubError(
            f"There is no room for {repo_id} in {folder} ({error.strerror}); expected room for the whole model: free "
            "some space, or set HF_HOME to a folder on another disk."
        )
    if refusal is None and isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError):
        return HubError(
            f"The cache {folder} cannot be written to ({error.strerror}); expected a folder of your own: "
            "set HF_HOME to one."
        )
    if refusal is None and is_transient(error) and cached:  # by a call with force_download; any other takes the copy
        return HubError(
            f"The Hub cannot be reached ({reason(error)}), so {repo_id} is not fetched anew; expected an answer: check "
            "the connection, or leave force_download out."
        )
    if refusal is None and is_transient(error):
        return HubError(
            f"The Hub cannot be reached ({reason(error)}) and no whole copy of {repo_id} is in the cache; expected one "
            "of both: check the connection, or give a folder."
        )
    return to_hub_error(error, repo_id, "give")


def to_hub_error(error: Exception, repo_id: str, verb: str) -> HubError:
    """The error of any other failed request. verb: what the Hub did not do with `repo_id`, such as "give"."""
    refusal = next((e for e in (error, *causes(error)) if isinstance(e, HfHubHTTPError)), None)
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


def is_token_rejected(error: HfHubHTTPError) -> bool:
    """Whether the Hub rejected the token that was sent: without the right to see a repository the status is 404."""
    return error.response.status_code == 401 and "authorization" in error.response.request.headers


def without_password(text: str) -> str:
    """`text` without what stands before the host of an address in it, for a message."""
    return USER_INFO.sub("…@", text)


def public_endpoint() -> str:
    """The address of the Hub, without a password that HF_ENDPOINT may hold."""
    return USER_INFO.sub("", constants.ENDPOINT)


def reason(error: BaseException) -> str:
    """What went wrong, in one line: the server's message if it sent one."""
    while not isinstance(error, HfHubHTTPError | UnexpectedAnswerError) and error.__cause__ is not None:
        error = error.__cause__
    message = str(error)
    if isinstance(error, HfHubHTTPError):
        message = f"{error.response.status_code}: {error.server_message or error.response.reason_phrase}"
    message = TOKEN.sub("hf_...", without_password(message))  # a server may send anything
    text = "".join(char if char.isprintable() else " " for char in message)
    return " ".join(text.split())[:MAX_REASON].rstrip(".") or type(error).__name__
