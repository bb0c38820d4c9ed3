"""Names of texts on other machines: which machine and file `https://...` and `hf://datasets/...` mean."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from hubcharlstm.hub.messages import without_password

SCHEME = re.compile(r"(?i)(https?|hf|s3|gs|ftp)://")
DATASET = re.compile(r"datasets/(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?(?:/(?P<path>.*))?")


@dataclass(frozen=True)
class WebFile:
    """A file behind a URL."""

    url: str

    @property
    def title(self) -> str:
        """The last part of its path."""
        parsed = urlsplit(self.url)
        return unquote(parsed.path).rstrip("/").rpartition("/")[2] or str(parsed.hostname)


@dataclass(frozen=True)
class HubDataset:
    """A dataset of the Hub. revision: None for the newest. path: of a file, a folder or a pattern in it, "" for all."""

    repo_id: str
    revision: str | None
    path: str

    @property
    def title(self) -> str:
        """The name of the file that is meant, or of the dataset."""
        last = self.path.rpartition("/")[2]
        return last if "." in last and not re.search(r"[*?\[]", last) else self.repo_id.partition("/")[2]

    def at(self, commit: str) -> str:
        """Its name with the commit that it has now."""
        return f"hf://datasets/{self.repo_id}@{commit}" + (f"/{self.path}" if self.path else "")


def is_remote(source: str) -> bool:
    """Whether a source is named as one on another machine."""
    return SCHEME.match(source) is not None


def public_url(url: str) -> str:
    """A URL without its query and without a password: both give access."""
    return without_password(url.partition("#")[0].partition("?")[0])


def parse(source: str) -> WebFile | HubDataset:
    """What a source names; raises `ValueError` for a name that is none, or that holds a password."""
    scheme = source.partition("://")[0].lower()
    if scheme == "hf":
        found = DATASET.fullmatch(source.partition("://")[2].strip("/"))
        if found is None:
            raise ValueError(
                f"{without_password(source)} names no dataset of the Hub; expected hf://datasets/USER/NAME, with a "
                "file, folder or pattern after it if not all is meant: correct it."
            )
        revision = found["revision"]
        return HubDataset(found["repo"], unquote(revision) if revision else None, (found["path"] or "").strip("/"))
    try:
        parsed = urlsplit(source)
        host = parsed.hostname or ""
    except ValueError:
        host = ""
    if scheme not in ("http", "https") or not host:
        raise ValueError(
            f"{public_url(source)} cannot be fetched; expected https://..., hf://datasets/USER/NAME, a file or a "
            "folder: download it yourself and name the file."
        )
    if parsed.username is not None or parsed.password is not None:
        raise ValueError(
            f"The address of {host} holds a password; expected one without, since commands are recorded: download the "
            "text yourself and name the file."
        )
    if scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"{public_url(source)} would be fetched without encryption; expected https://: correct the address, or "
            "download it yourself and name the file."
        )
    return WebFile(source)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
