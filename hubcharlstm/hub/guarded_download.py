"""`hf_hub_download`, with the names checked that the server gives before the client makes paths of them.

The client stores a file as blobs/ETAG and links to it from snapshots/COMMIT, both as the response's headers say: an
ETag of ../../../x wrote outside of the cache. It offers no hook between request and path, so the function that asks
for the headers is wrapped; tests/hub/test_hostile_endpoint.py fails if a new version asks in another way.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

from huggingface_hub import constants, file_download, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from hubcharlstm.errors import HubError

COMMIT = re.compile(r"[0-9a-f]{40}")
ETAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+=-]{0,127}")

_guarded = threading.local()
_lock = threading.Lock()


def guarded_download(repo_id: str, filename: str, **options: Any) -> Path:
    """As `hf_hub_download`; raises `HubError` where the server names a commit or an ETag that is none.

    A revision that is a commit must be named again by the server.
    """
    _install()
    _guarded.request = repo_id, filename, options.get("revision")
    try:
        return Path(hf_hub_download(repo_id, filename, **options))
    finally:
        _guarded.request = None


def _install() -> None:
    """Wrap the client's function, once; calls of others pass through."""
    with _lock:
        ask = file_download.get_hf_file_metadata
        if getattr(ask, "is_guarded", False):
            return

        def ask_and_check(*args: Any, **kwargs: Any) -> Any:
            request = getattr(_guarded, "request", None)
            try:
                metadata = ask(*args, **kwargs)
            except HfHubHTTPError as error:
                if request is not None:  # the client notes the commit that a file is missing from, too
                    _check_commit(error.response.headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT), *request)
                raise
            if request is not None:
                _check_commit(metadata.commit_hash, *request)
                _check_etag(metadata.etag, *request)
            return metadata

        ask_and_check.is_guarded = True  # type: ignore[attr-defined]  # a function takes any attribute
        file_download.get_hf_file_metadata = ask_and_check


def _check_commit(commit: str | None, repo_id: str, filename: str, revision: str | None) -> None:
    if commit is None:
        return  # which the client refuses itself
    expected = revision if revision is not None and COMMIT.fullmatch(revision) else None
    if not COMMIT.fullmatch(commit) or (expected is not None and commit != expected):
        raise _refusal(repo_id, filename, f"the commit {commit[:80]!r}")


def _check_etag(etag: str | None, repo_id: str, filename: str, revision: str | None) -> None:
    if etag is not None and not ETAG.fullmatch(etag):
        raise _refusal(repo_id, filename, f"the ETag {etag[:80]!r}")


def _refusal(repo_id: str, filename: str, found: str) -> HubError:
    return HubError(
        f"The Hub gives {filename} of {repo_id} {found}; expected the commit that was asked for and a plain ETag: "
        "check HF_ENDPOINT, for this is not the Hub."
    )
