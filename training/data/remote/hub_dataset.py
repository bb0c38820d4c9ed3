"""Datasets of the Hub -> files in the cache, by ranges and with the hashes that the Hub lists."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, HfFileSystem, constants
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from hubcharlstm.errors import HubError
from hubcharlstm.hub.download import file_hash
from hubcharlstm.hub.guarded_download import COMMIT
from hubcharlstm.hub.messages import to_hub_error
from hubcharlstm.hub.retry import ANSWER_SECONDS, CLIENT_ERRORS, call_with_deadline, causes, with_retries
from training.data.cache import locked
from training.data.remote.downloads import (
    Download,
    DownloadError,
    FileRecord,
    Progress,
    announce,
    check_room,
    checked_name,
    drop_other_files,
    entry_of,
    in_megabytes,
    part_of,
)
from training.data.remote.names import HubDataset

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before a request is sent again."""
PART_SECONDS = 240.0
"""Deadline of a request for PART_BYTES."""
PART_BYTES = 2**24
TEXT_FILE = re.compile(r"(?i).*\.(txt|text|jsonl|ndjson|json|csv|tsv|parquet|srt|vtt|zip)(\.(gz|bz2|xz|zst))?")
"""What is taken of a whole dataset; a file or a pattern takes any other."""

logger = logging.getLogger(__name__)


def pinned(place: HubDataset, source: str) -> str:
    """The dataset at the commit that it has now; where the Hub cannot be asked, at that of the copy in the cache."""
    if place.revision and COMMIT.fullmatch(place.revision):
        return source
    entry = _dataset_entry(place)
    try:
        ask = partial(
            HfApi().repo_info, place.repo_id, repo_type="dataset", revision=place.revision, timeout=ANSWER_SECONDS
        )
        with _hub_errors(place):
            commit = str(with_retries(ask, pauses=PAUSES[:2]).sha)
    except HubError as error:
        cached = Download.load(entry, source)
        if not cached.is_complete:
            raise
        logger.warning("%s The copy in the cache is taken, commit %s.", error, cached.commit)
        commit = cached.commit
    if not COMMIT.fullmatch(commit):
        raise HubError(
            f"The Hub names the commit {commit[:80]!r} for {place.repo_id}; expected 40 digits: check HF_ENDPOINT, for "
            "this is not the Hub."
        )
    return place.at(commit)


def _dataset_entry(place: HubDataset) -> Path:
    return entry_of(place.title, constants.ENDPOINT, place.repo_id, place.path)


@contextmanager
def _hub_errors(place: HubDataset) -> Iterator[None]:
    """The errors of the Hub's client as `HubError`s of one sentence."""
    name = f"datasets/{place.repo_id}"
    try:
        yield
    except (HubError, DownloadError):
        raise
    except CLIENT_ERRORS as error:
        chain = [error, *causes(error)]
        if any(isinstance(cause, RevisionNotFoundError) for cause in chain):
            raise HubError(
                f"{name} has no revision {place.revision!r}; expected a branch, tag or commit: look at its page."
            ) from error
        if any(isinstance(cause, RepositoryNotFoundError) for cause in chain):
            raise HubError(
                f"{name} is no dataset that the Hub shows you; expected one: check the spelling, and log in with "
                "`hf auth login` if it is private."
            ) from error
        if isinstance(error, FileNotFoundError):
            raise HubError(
                f"{name} has no {place.path or 'files'}; expected a file, folder or pattern in it: look at its page."
            ) from error
        raise to_hub_error(error, name, "give") from error


def fetch(place: HubDataset, source: str) -> Path:
    """The file or folder that holds what `place` names."""
    entry = _dataset_entry(place)
    commit = place.revision or ""
    with locked(entry):
        cached = Download.load(entry, source)
        if not (cached.is_complete and cached.commit == commit):
            entry.mkdir(parents=True, exist_ok=True)
            with _hub_errors(place):
                cached = _update_dataset(place, source, entry, cached)
    names = list(cached.files)
    return entry / "files" / names[0] if names == [f"{place.title}/{place.path}"] else entry / "files" / place.title


def _update_dataset(place: HubDataset, source: str, entry: Path, cached: Download) -> Download:
    """Fetch the files that the entry lacks."""
    system = HfFileSystem(skip_instance_cache=True)
    listed = with_retries(partial(_list_dataset, system, place), pauses=PAUSES)
    if not listed:
        raise FileNotFoundError(place.path)
    sizes = {name: int(info["size"]) for name, info in listed.items()}
    missing = {name for name, info in listed.items() if _held(cached, place, name) != _tag(info)}
    current_names = {f"{place.title}/{name}" for name in listed if name not in missing}
    held = {name: file for name, file in cached.files.items() if name in current_names}
    needed = sum(sizes[name] for name in missing)
    announce(len(missing), needed, f"{source}, {len(listed)} files of {in_megabytes(sum(sizes.values()))}", entry)
    check_room(entry, needed, source)
    current = Download(source=source, commit=place.revision or "", files=held)
    current.save(entry)  # from here on nothing is noted of files that are replaced
    for name in sorted(missing):
        file = entry / "files" / place.title / name
        file.parent.mkdir(parents=True, exist_ok=True)
        _fetch_listed(system, place, name, listed[name], file)
        current.files[f"{place.title}/{name}"] = FileRecord(size=sizes[name], tag=_tag(listed[name]))
        current.save(entry)
    drop_other_files(entry / "files", current.files)
    current.is_complete = True
    current.files = dict(sorted(current.files.items()))
    current.save(entry)
    return current


def _list_dataset(system: Any, place: HubDataset) -> dict[str, dict[str, Any]]:
    """The files that are meant, by path: size and hashes."""
    root = f"datasets/{place.repo_id}@{place.revision}"
    full = f"{root}/{place.path}" if place.path else root
    if glob.has_magic(place.path):
        found = system.glob(full, detail=True)
    elif place.path and (info := system.info(full))["type"] == "file":
        found = {full: info}
    else:
        found = {name: info for name, info in system.find(full, detail=True).items() if TEXT_FILE.fullmatch(name)}
    names = {checked_name(name.removeprefix(f"{root}/"), root): info for name, info in found.items()}
    return {
        name: info
        for name, info in names.items()
        if info["type"] == "file" and not any(part.startswith(".") for part in name.split("/"))
    }


def _tag(info: dict[str, Any]) -> str:
    """The hash that the Hub lists: of a large file its SHA-256, of any other the id of its blob in git."""
    return f"sha256:{info['lfs']['sha256']}" if info.get("lfs") else f"git:{info.get('blob_id')}"


def _held(cached: Download, place: HubDataset, name: str) -> str | None:
    file = cached.files.get(f"{place.title}/{name}")
    return file.tag if file else None


def _fetch_listed(system: HfFileSystem, place: HubDataset, name: str, info: dict[str, Any], file: Path) -> None:
    """Fetch one file by ranges, from where an earlier try stopped; once more if its hash is another than listed."""
    remote, tag, size = f"datasets/{place.repo_id}@{place.revision}/{name}", _tag(info), int(info["size"])
    algorithm, _, expected = tag.partition(":")
    part = part_of(file, f"{name} {tag}")
    for _ in range(2):
        progress = Progress(size)
        with part.open("ab") as output:
            while (start := output.tell()) < size:
                stop = min(size, start + PART_BYTES)
                ask = partial(_range, system, remote, start, stop)
                output.write(with_retries(partial(call_with_deadline, PART_SECONDS, ask), pauses=PAUSES))
                progress.report(stop)
        if file_hash(part, algorithm) == expected:
            part.replace(file)
            return
        logger.warning("%s arrived damaged; it is fetched once more.", name)
        part.unlink()
    raise HubError(
        f"{name} of datasets/{place.repo_id} arrives damaged, twice (its hash is not the one that the Hub names); "
        "expected what was published: try again later, or over another connection."
    )


def _range(system: HfFileSystem, remote: str, start: int, stop: int) -> bytes:
    with system.open(remote, "rb", cache_type="none", block_size=stop - start) as file:
        file.seek(start)
        data: bytes = file.read(stop - start)
    if len(data) != stop - start:
        raise ConnectionError(f"{len(data)} of {stop - start} bytes came")
    return data
