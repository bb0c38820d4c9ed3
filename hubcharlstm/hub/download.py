"""A Hub id or a folder -> one checked model of one revision. Errors become sentences in `messages`."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants
from huggingface_hub.file_download import repo_folder_name

from hubcharlstm.arguments import checked_path, shown
from hubcharlstm.errors import HubError, NotAModelError
from hubcharlstm.hub.guarded_download import COMMIT, guarded_download
from hubcharlstm.hub.messages import check_repo_id, check_token, reason, to_load_error
from hubcharlstm.hub.model_folder import (
    MODEL_FILES,
    PRETRAINED,
    REQUIRED_FILES,
    Artifact,
    check_stopped_run,
    check_weights_size,
    find_folder,
    load_folder,
    missing_files,
)
from hubcharlstm.hub.model_id import parse_model_id
from hubcharlstm.hub.retry import (
    ANSWER_SECONDS,
    CLIENT_ERRORS,
    bounded_operation,
    call_with_deadline,
    is_transient,
    with_retries,
)
from hubcharlstm.hub.weights_file import CONFIG, WEIGHTS

PAUSES = (0.5, 2.0)
STALL_SECONDS = 60.0
"""A file of which nothing arrives for so long is given up,"""
STALL_SECONDS_BESIDE_COPY = 10.0
"""and for so long where a copy of an earlier commit can stand in."""
REVISION = re.compile(
    r"(?!.*\.\.)[^\s\x00-\x1f\x7f\ud800-\udfff~^:?*\[\\/.][^\s\x00-\x1f\x7f\ud800-\udfff~^:?*\[\\]{0,254}"
)
"""What git allows as a name, in short: nothing that leads out of a folder of references."""
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

logger = logging.getLogger(__name__)


def load(
    model_id: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    verify: bool = True,
) -> Artifact:
    """Load a model by Hub id, by folder, or (None) the one that ships in the package.

    verify: compare the weights with the hash that was stored with them.
    Raises `NotAModelError` for what is no model or a damaged one and `HubError` if the download fails; both are
    `ValueError`s.
    """
    if model_id is not None and not isinstance(model_id, str | os.PathLike):
        raise NotAModelError(
            f"The model is {shown(model_id)}; expected a Hub id or a folder, as text or a Path: correct it."
        )
    _check_revision(revision)
    if cache_dir is not None:
        cache_dir = checked_path("cache_dir", cache_dir)
    folder = PRETRAINED if model_id is None else find_folder(model_id)
    if folder is None and isinstance(model_id, str):
        model_id, revision = parse_model_id(model_id, revision)
        _check_revision(revision)
    if folder is not None and revision is not None:
        raise HubError(
            f"{model_id or 'The shipped model'} is on this machine and has no revision {revision!r}; expected a Hub id "
            "with it: give one, or leave the revision out."
        )
    if model_id is None:
        return load_folder(PRETRAINED, name="the shipped model", verify=verify)
    if folder is not None:
        check_stopped_run(folder)
        return load_folder(folder, name=str(model_id), verify=verify)
    snapshot = download(
        str(model_id),
        revision=revision,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
        verify=verify,
    )
    return load_folder(snapshot, name=str(model_id), revision=snapshot.name, verify=verify)


def _check_revision(revision: object) -> None:
    """Raise `HubError` for what no branch, tag or commit can be called."""
    if revision is not None and not (isinstance(revision, str) and REVISION.fullmatch(revision)):
        raise HubError(
            f"revision is {shown(revision)}; expected the name of a branch or tag, or a commit: correct it, or leave "
            "it out."
        )


def download(
    model_id: str,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    verify: bool = True,
) -> Path:
    """One snapshot of one commit of a Hub repository: the folder in the cache, named by the commit.

    Only the files of a model are fetched, and each is compared with the hash that the Hub lists. Where the Hub cannot
    be reached, the commit that `revision` last named serves. A commit that is complete in the cache is not requested
    again. verify: a new snapshot's weights are compared with the hash that was stored with them, before it is noted.
    Raises `HubError` and `NotAModelError`.
    """
    check_token(token, model_id)
    check_repo_id(model_id)
    repo_cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser() / repo_folder_name(
        repo_id=model_id, repo_type="model"
    )
    cached = _cached_snapshot(repo_cache, revision)
    offline = local_files_only or constants.is_offline_mode()
    if cached is not None and not force_download and (offline or cached.name == revision):
        damaged = [file.name for file in cached.iterdir() if not _matches_blob_name(file)]
        if not damaged:
            return cached
        if offline:
            raise NotAModelError(
                f"{', '.join(damaged)} of {model_id} is damaged in the cache ({cached}); expected it as it was "
                "fetched: load it once with a connection to the Hub."
            )
    if offline:
        raise _offline_error(model_id, revision, is_cached=cached is not None)
    try:
        with bounded_operation():
            return _fetch_snapshot(
                model_id, repo_cache, revision, cache_dir, token, force_download,
                has_copy=cached is not None, verify=verify,
            )  # fmt: skip
    except (NotAModelError, HubError):
        raise
    except CLIENT_ERRORS as error:
        if cached is None or force_download or not is_transient(error):
            is_cached = cached is not None
            raise to_load_error(error, model_id, revision=revision, folder=repo_cache, cached=is_cached) from error
        logger.warning(
            "The Hub cannot be reached (%s): %s%s is read from the cache, commit %s, which may not be the newest.",
            reason(error), model_id, _at_revision(revision), cached.name,
        )  # fmt: skip
        return cached


def _offline_error(model_id: str, revision: str | None, *, is_cached: bool) -> HubError:
    setting = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "local_files_only is set"
    if is_cached:
        return HubError(
            f"{model_id} cannot be fetched anew because {setting}; expected one or the other: leave one out."
        )
    return HubError(
        f"No whole copy of {model_id}{_at_revision(revision)} is in the cache and the Hub was not asked because "
        f"{setting}; expected a copy: load it once with a connection, or give a folder."
    )


def _at_revision(revision: str | None) -> str:
    return f" at {revision}" if revision else ""


def _cached_snapshot(repo_cache: Path, revision: str | None) -> Path | None:
    """The complete snapshot in the cache of the commit that `revision` last named; the layout is the client's own."""
    commit = revision if revision and COMMIT.fullmatch(revision) else None
    if commit is None:
        try:
            commit = (repo_cache / "refs" / (revision or "main")).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    folder = repo_cache / "snapshots" / commit
    is_complete = COMMIT.fullmatch(commit) and all((folder / file).is_file() for file in REQUIRED_FILES)
    return folder if is_complete else None


def _fetch_snapshot(
    model_id: str,
    repo_cache: Path,
    revision: str | None,
    cache_dir: str | Path | None,
    token: str | bool | None,
    force: bool,
    *,
    has_copy: bool,
    verify: bool,
) -> Path:
    """The snapshot in the cache, after the files that it lacks were fetched.

    has_copy: a cached copy can stand in, so that nothing waits for a Hub that is busy.
    """
    request = partial(
        HfApi(token=token).model_info, model_id, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS
    )
    info = with_retries(lambda: call_with_deadline(ANSWER_SECONDS, request), pauses=() if has_copy else PAUSES)
    if not COMMIT.fullmatch(str(info.sha)):
        raise HubError(
            f"The Hub names the commit {str(info.sha)[:80]!r} for {model_id}; expected 40 digits: check HF_ENDPOINT, "
            "for this is not the Hub."
        )
    entries = {entry.rfilename: entry for entry in info.siblings or ()}
    pickles = [name for name in entries if name.endswith(PICKLE_SUFFIXES)]
    if missing := [file for file in REQUIRED_FILES if file not in entries]:
        raise missing_files(model_id, missing, pickles=pickles)
    options = {"revision": info.sha, "cache_dir": cache_dir, "token": token}
    stall = STALL_SECONDS_BESIDE_COPY if has_copy else STALL_SECONDS
    fetch = partial(_fetch_file, model_id, options, force, repo_cache / "blobs", stall)
    small_files = [entries[file] for file in MODEL_FILES if file in entries and file != WEIGHTS]
    with ThreadPoolExecutor(len(small_files)) as pool:
        fetched = [pool.submit(copy_context().run, fetch, entry) for entry in small_files]
        (folder,) = {one.result().parent for one in fetched}
    check_weights_size(folder / CONFIG, entries[WEIGHTS].size, name=model_id)
    fetch(entries[WEIGHTS])  # last: a snapshot that has them is complete, even after an interrupted download
    ref = repo_cache / "refs" / (revision or "main")
    if revision != info.sha and not _names(ref, str(info.sha)):
        for entry in (*small_files, entries[WEIGHTS]):  # a server that gives one ETag to two files mixes them up
            if not _matches_listing(folder / entry.rfilename, entry):
                raise NotAModelError(
                    f"{entry.rfilename} of {model_id} is not what the Hub lists; expected what was published: try "
                    "again later, or check HF_ENDPOINT."
                )
        load_folder(folder, name=model_id, verify=verify)  # raises, and the copy of before stays the current one
        _store_ref(ref, str(info.sha))
    return folder


def _fetch_file(model_id: str, options: dict[str, Any], force: bool, blobs: Path, stall: float, entry: Any) -> Path:
    """The file in the cache; fetched once more if its content does not have the listed hash."""
    for force_download in (force, True):
        get = partial(guarded_download, model_id, entry.rfilename, force_download=force_download, **options)
        fetch = partial(call_with_deadline, float("inf"), get, progress=partial(_size, blobs), stall=stall)
        path = with_retries(fetch, pauses=PAUSES[:1])
        if _matches_listing(path, entry):
            return path
        logger.warning("%s of %s is damaged in the cache.", entry.rfilename, model_id)
        blob = path.resolve()
        path.unlink(missing_ok=True)  # the name alone at first: other names may share what it links to
    blob.unlink(missing_ok=True)
    raise NotAModelError(
        f"{entry.rfilename} of {model_id} arrives damaged, twice (its hash is not the one that the Hub names); "
        "expected what was published: try again later, or over another connection."
    )


def _size(blobs: Path) -> int:
    """Bytes of all files, whole or not."""
    try:
        return sum(file.stat().st_size for file in blobs.iterdir())
    except OSError:  # not there yet, or one renamed meanwhile
        return 0


def _names(ref: Path, commit: str) -> bool:
    """Whether the cache has noted that commit."""
    try:
        return ref.read_text(encoding="ascii") == commit
    except (OSError, ValueError):
        return False


def _store_ref(ref: Path, commit: str) -> None:
    """Store the commit of a branch or tag after its files are complete; the client stores it before them."""
    try:
        ref.parent.mkdir(parents=True, exist_ok=True)
        new = ref.with_name(f".{ref.name}.{secrets.token_hex(4)}")
        new.write_text(commit, encoding="ascii")
        new.replace(ref)
    except OSError as error:  # such as a read-only cache, which still serves
        logger.warning("%s cannot be written (%s): this commit is not found without a connection.", ref, error.strerror)


# --- hashes ------------------------------------------------------------------------------------------------------


def file_hash(path: Path, algorithm: str) -> str:
    """The hash that the Hub lists: "sha256" for large files, "git" (the id of its blob) for all others."""
    with path.open("rb") as file:
        if algorithm == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()
        content = file.read()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def has_listed_hash(path: Path, entry: Any) -> bool:
    """Whether a file has the hash of an entry of a repository's listing (`RepoSibling`)."""
    if entry.lfs is not None:
        return bool(file_hash(path, "sha256") == entry.lfs.sha256)
    return bool(file_hash(path, "git") == entry.blob_id)


def _matches_listing(path: Path, entry: Any) -> bool:
    """Whether a file is there and has the listed hash, if any: two names may share a blob that was removed."""
    if not path.is_file():
        return False
    return (entry.lfs is None and entry.blob_id is None) or has_listed_hash(path, entry)


def _matches_blob_name(path: Path) -> bool:
    """Whether a cached file has the hash that names its blob: shows damage without a request."""
    name = path.resolve().name
    algorithm = {64: "sha256", 40: "git"}.get(len(name))
    return not path.is_symlink() or algorithm is None or file_hash(path, algorithm) == name
