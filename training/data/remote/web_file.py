"""Files behind URLs -> files in the cache; a download that broke off goes on where it stopped, by its ETag."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx is exported lazily
from pydantic import ValidationError

from hubcharlstm.hub.messages import reason
from hubcharlstm.hub.retry import CLIENT_ERRORS, call_with_deadline, is_transient
from training.data.cache import locked
from training.data.remote.downloads import (
    RECORD,
    Download,
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
from training.data.remote.names import WebFile, is_loopback, public_url

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before a request is sent again; after each part that arrives they begin anew."""
OPEN_SECONDS = 30.0
"""Deadline of the head of an answer."""
SILENT_SECONDS = 60.0
"""A body that brings fewer than MIN_RATE bytes per second for so long is given up."""
MIN_RATE = 1024
UNTAGGED_SECONDS = 600.0
"""For so long a copy is current whose server tells no version."""
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which a later request may succeed."""

logger = logging.getLogger(__name__)


def fetch(place: WebFile) -> Path:
    """The file that a URL names."""
    shown = public_url(place.url)
    entry = entry_of(place.title, place.url)
    name = checked_name(place.title, shown)
    with locked(entry):
        (entry / "files").mkdir(parents=True, exist_ok=True)
        cached = Download.load(entry, shown)
        file = entry / "files" / name
        try:
            _update_web_file(place.url, shown, entry, file, cached)
        except (*CLIENT_ERRORS, httpx.InvalidURL) as error:
            if isinstance(error, ValueError):
                raise
            if not cached.is_complete:
                raise _web_error(error, shown) from error
            logger.warning("%s cannot be asked for (%s): the copy in the cache is taken.", shown, _web_reason(error))
    return file


def _web_error(error: Exception, shown: str) -> ValueError:
    hint = "try again, and what has arrived is not fetched again" if is_transient(error) else "check the address"
    return ValueError(f"{shown} cannot be fetched ({_web_reason(error)}); expected a text there: {hint}.")


def _web_reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answers {error.response.status_code}"
    return re.sub(r"\?[^\s']*", "", reason(error))


def _update_web_file(url: str, shown: str, entry: Path, file: Path, cached: Download) -> None:
    """Fetch a file unless the copy is current, in as many tries as bring something."""
    pauses = list(PAUSES)
    with httpx.Client(
        follow_redirects=True, max_redirects=5, event_hooks={"request": [_check_encrypted]},
        timeout=httpx.Timeout(SILENT_SECONDS, connect=OPEN_SECONDS),
        headers={"Accept-Encoding": "identity", "User-Agent": "hubcharlstm"},
    ) as client:  # fmt: skip
        while True:
            before = _arrived(file)
            try:
                return _request_web_file(client, url, shown, entry, file, cached)
            except (httpx.TransportError, httpx.HTTPStatusError, ConnectionError, TimeoutError) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in BUSY:
                    raise
                if _arrived(file) > before:
                    pauses = list(PAUSES)
                if not pauses or (before == 0 == _arrived(file) and isinstance(error, httpx.ConnectError)):
                    raise
                logger.info("%s broke off (%s); trying again.", shown, _web_reason(error))
                time.sleep(pauses.pop(0))


def _arrived(file: Path) -> int:
    return sum(part.stat().st_size for part in file.parent.glob(".*.part"))


def _check_encrypted(request: Any) -> None:
    if request.url.scheme != "https" and not is_loopback(request.url.host):
        raise ValueError(
            f"The address leads to {request.url.host} without encryption; expected https all the way: download the "
            "text yourself."
        )


def _request_web_file(client: Any, url: str, shown: str, entry: Path, file: Path, cached: Download) -> None:
    held = cached.files.get(file.name) if cached.is_complete else None
    begun = _begun(entry)
    part = part_of(file, begun.tag or begun.modified) if begun else None
    headers = {}
    if held and not (held.tag or held.modified) and time.time() - (entry / RECORD).stat().st_mtime < UNTAGGED_SECONDS:
        return
    if begun and part and part.is_file():
        headers = {"Range": f"bytes={part.stat().st_size}-", "If-Range": begun.tag or begun.modified}
    elif held and (held.tag or held.modified):
        headers = {"If-None-Match": held.tag} if held.tag else {"If-Modified-Since": held.modified}
    request = client.build_request("GET", url, headers=headers)
    response = call_with_deadline(OPEN_SECONDS, partial(client.send, request, stream=True))
    try:
        if response.status_code == 304 and held:
            return
        if response.status_code == 416 and part:
            part.unlink(missing_ok=True)
            raise ConnectionError("the part that has arrived does not fit")
        response.raise_for_status()
        _check_content(response, shown)
        current = FileRecord(
            size=int(response.headers.get("Content-Length") or -1), tag=response.headers.get("ETag", ""),
            modified=response.headers.get("Last-Modified", ""),
        )  # fmt: skip
        if held and (held.tag, held.modified) != (current.tag, current.modified):
            logger.warning("%s has changed since it was downloaded; it is downloaded again.", shown)
        offset = _offset(response, part)
        if begun and part and offset is not None:
            current = FileRecord(size=current.size, tag=begun.tag, modified=begun.modified)
        else:
            if "Range" in headers:
                logger.warning("%s has changed while it was downloaded; it is downloaded from its start.", shown)
            offset, part = 0, part_of(file, current.tag or current.modified)
            drop_other_files(file.parent, cached.files)
        is_resumable = bool(current.modified or (current.tag and not current.tag.startswith("W/")))
        whole = current.size + offset if current.size >= 0 else None
        announce(1, current.size, shown + (f", from {in_megabytes(offset)} on" if offset else ""), entry)
        check_room(entry, max(0, current.size), shown)
        _begin(entry, current if is_resumable else None)
        _receive(response, part, offset, whole, entry, shown)
    finally:
        response.close()
    size = part.stat().st_size
    part.replace(file)
    _begin(entry, None)
    Download(source=shown, files={file.name: current.model_copy(update={"size": size})}, is_complete=True).save(entry)


def _check_content(response: Any, shown: str) -> None:
    """Warn of a web page; raise `ValueError` for a compression that no file has."""
    if response.headers.get("Content-Encoding", "identity") not in ("identity", "gzip", "zstd"):  # as files may have
        raise ValueError(
            f"{shown} comes compressed by {response.headers['Content-Encoding'][:40]!r}; expected the file itself: "
            "download it yourself and name the file."
        )
    if response.headers.get("Content-Type", "").startswith("text/html"):
        logger.warning("%s is a web page with its marks of HTML, not a plain text.", shown)


def _offset(response: Any, part: Path | None) -> int | None:
    """Where the body of an answer begins if it goes on with the part that has arrived, else None."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if response.status_code != 206 or part is None or not part.is_file() or not found:
        return None
    return int(found[1]) if int(found[1]) == part.stat().st_size else None


def _receive(response: Any, part: Path, offset: int, whole: int | None, entry: Path, shown: str) -> None:
    progress, since, count = Progress(whole), time.monotonic(), 0
    with part.open("ab" if offset else "wb") as output:
        for data in response.iter_raw():
            output.write(data)
            count += len(data)
            progress.report(output.tell())
            if (now := time.monotonic()) - since > SILENT_SECONDS:
                if count < MIN_RATE * SILENT_SECONDS:
                    raise TimeoutError(f"{count} bytes in {SILENT_SECONDS:g} seconds")
                since, count = now, 0
                if whole is None:
                    check_room(entry, 2**20, shown)
        arrived = output.tell()
    if whole is not None and arrived != whole:
        raise ConnectionError(f"{arrived:,} of {whole:,} bytes came")


def _begun(entry: Path) -> FileRecord | None:
    """What the part that has arrived belongs to."""
    file = entry / "part.json"
    try:
        return FileRecord.model_validate_json(file.read_bytes()) if file.is_file() else None
    except ValidationError:  # half written, as where the disk was full: then of none that is known
        return None


def _begin(entry: Path, current: FileRecord | None) -> None:
    file = entry / "part.json"
    if current is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(current.model_dump_json(), encoding="utf-8")
