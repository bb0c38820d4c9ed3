"""A Hub id or a folder -> one checked model of one revision. What the Hub says is explained in `hub_errors`."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.file_download import repo_folder_name

from hubcharlstm.errors import HubError, NotAModelError
from hubcharlstm.hub.messages import check_name, check_token, explain, reason
from hubcharlstm.hub.model_folder import (
    CONFIG,
    MODEL_FILES,
    PRETRAINED,
    REQUIRED_FILES,
    WEIGHTS,
    Artifact,
    check_weights_size,
    find_folder,
    load_folder,
    missing_files,
)
from hubcharlstm.hub.retry import CLIENT_ERRORS, SECONDS, call_with_deadline, is_transient, with_retries

PAUSES = (0.5, 2.0)
COMMIT = re.compile(r"[0-9a-f]{40}")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

logger = logging.getLogger(__name__)


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
    folder = PRETRAINED if model_id is None else find_folder(model_id)
    if folder is not None and revision is not None:
        raise HubError(
            f"{model_id or 'The shipped model'} is on this machine and has no revision {revision!r}; expected a Hub id "
            "with it: give one, or leave the revision out."
        )
    if model_id is None:
        return load_folder(PRETRAINED, name="the shipped model")
    if folder is not None:
        return load_folder(folder, name=str(model_id))
    snapshot = download(
        str(model_id),
        revision=revision,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
    )
    return load_folder(snapshot, name=str(model_id), revision=snapshot.name)


def download(
    model_id: str,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Path:
    """One snapshot of one commit of a Hub repository: the folder in the cache, named by the commit.

    Only the files of a model are fetched, and what arrives is compared with what the Hub says of it. Where the Hub
    cannot be reached, the commit that `revision` was at last serves. A commit that is whole in the cache is not asked
    for again.
    """
    check_token(token, model_id)
    check_name(model_id)
    home = Path(cache_dir or constants.HF_HUB_CACHE).expanduser() / repo_folder_name(
        repo_id=model_id, repo_type="model"
    )
    cached = _cached_snapshot(home, revision)
    offline = local_files_only or constants.is_offline_mode()
    if cached is not None and not force_download and (offline or cached.name == revision):
        damaged = [file.name for file in cached.iterdir() if not _is_what_its_blob_says(file)]
        if not damaged:
            return cached
        if offline:
            raise NotAModelError(
                f"{', '.join(damaged)} of {model_id} is damaged in the cache ({cached}); expected it as it was "
                "fetched: load it once with a connection to the Hub."
            )
    if offline:
        why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "local_files_only is set"
        if cached is not None:
            raise HubError(
                f"{model_id} cannot be fetched anew because {why}; expected one or the other: leave one out."
            )
        raise HubError(
            f"No whole copy of {model_id}{_at(revision)} is in the cache and the Hub was not asked because {why}; "
            "expected a copy: load it once with a connection, or give a folder."
        )
    try:
        return _fetch(model_id, home, revision, cache_dir, token, force_download, patient=cached is None)
    except (NotAModelError, HubError):
        raise
    except CLIENT_ERRORS as error:
        if cached is None or force_download or not is_transient(error):
            raise explain(error, model_id, revision=revision, folder=home, cached=cached is not None) from error
        logger.warning(
            "The Hub cannot be reached (%s): %s%s is read from the cache, commit %s, which may not be the newest.",
            reason(error), model_id, _at(revision), cached.name,
        )  # fmt: skip
        return cached


def _at(revision: str | None) -> str:
    return f" at {revision}" if revision else ""


def _cached_snapshot(home: Path, revision: str | None) -> Path | None:
    """The whole snapshot in the cache of the commit that `revision` was at last; the layout is the client's own."""
    commit = revision if revision and COMMIT.fullmatch(revision) else None
    if commit is None:
        try:
            commit = (home / "refs" / (revision or "main")).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    folder = home / "snapshots" / commit
    whole = COMMIT.fullmatch(commit) and all((folder / file).is_file() for file in REQUIRED_FILES)
    return folder if whole else None


def _fetch(
    model_id: str,
    home: Path,
    revision: str | None,
    cache_dir: str | Path | None,
    token: str | bool | None,
    force: bool,
    *,
    patient: bool,
) -> Path:
    """The snapshot, with what of it is not in the cache yet fetched.

    patient: ask again where the Hub is busy; else once, for there is a copy to fall back on.
    """
    ask = partial(HfApi(token=token).model_info, model_id, revision=revision, files_metadata=True, timeout=SECONDS)
    info = with_retries(lambda: call_with_deadline(SECONDS, ask), pauses=PAUSES if patient else ())
    entries = {entry.rfilename: entry for entry in info.siblings or ()}
    pickles = [name for name in entries if name.endswith(PICKLES)]
    if missing := [file for file in REQUIRED_FILES if file not in entries]:
        raise missing_files(model_id, missing, pickles=pickles)
    options = {"revision": info.sha, "cache_dir": cache_dir, "token": token}
    fetch = partial(_fetch_file, model_id, options, force)
    small = [entries[file] for file in MODEL_FILES if file in entries and file != WEIGHTS]
    with ThreadPoolExecutor(len(small)) as pool:
        (folder,) = {path.parent for path in pool.map(fetch, small)}
    check_weights_size(folder / CONFIG, entries[WEIGHTS].size, name=model_id)
    fetch(entries[WEIGHTS])  # last: a snapshot that has them is whole, also after a download that was interrupted
    if revision != info.sha:
        _remember(home / "refs" / (revision or "main"), str(info.sha))
    return folder


def _fetch_file(model_id: str, options: dict[str, Any], force: bool, entry: Any) -> Path:
    """The file in the cache; fetched once more if its content is not what the Hub says of it."""
    for fresh in (force, True):
        get = partial(hf_hub_download, model_id, entry.rfilename, force_download=fresh, **options)
        path = Path(with_retries(get, pauses=PAUSES[:1]))
        if _is_what_the_hub_says(path, entry):
            return path
        logger.warning("%s of %s is damaged in the cache.", entry.rfilename, model_id)
    path.resolve().unlink()
    path.unlink(missing_ok=True)
    raise NotAModelError(
        f"{entry.rfilename} of {model_id} arrives damaged, twice (its hash is not the one that the Hub names); "
        "expected what was published: try again later, or over another connection."
    )


def _remember(ref: Path, commit: str) -> None:
    """Note the commit of a branch or tag, once all of it is there; the client notes it before, too early for us."""
    try:
        if ref.is_file() and ref.read_text(encoding="ascii") == commit:
            return
        ref.parent.mkdir(parents=True, exist_ok=True)
        new = ref.with_name(f".{ref.name}.{secrets.token_hex(4)}")
        new.write_text(commit, encoding="ascii")
        new.replace(ref)
    except OSError as error:  # such as a cache that may only be read, which still serves
        logger.warning("%s cannot be written (%s): without a connection it would not be found.", ref, error.strerror)


# --- what a file should be ---------------------------------------------------------------------------------------


def file_hash(path: Path, kind: str) -> str:
    """kind: "sha256", as the Hub names large files, or "git", as git names all others."""
    with path.open("rb") as file:
        if kind == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()
        content = file.read()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_same(path: Path, entry: Any) -> bool:
    """Whether a file is the one that an entry of a repository's listing (`RepoSibling`) tells of."""
    if entry.lfs is not None:
        return bool(file_hash(path, "sha256") == entry.lfs.sha256)
    return bool(file_hash(path, "git") == entry.blob_id)


def _is_what_the_hub_says(path: Path, entry: Any) -> bool:
    return (entry.lfs is None and entry.blob_id is None) or is_same(path, entry)


def _is_what_its_blob_says(path: Path) -> bool:
    """The client names its blobs by their hash, which tells without a request whether one is damaged."""
    name = path.resolve().name
    kinds: Sequence[str] = [kind for kind, length in (("sha256", 64), ("git", 40)) if len(name) == length]
    return not (path.is_symlink() and kinds) or file_hash(path, kinds[0]) == name
