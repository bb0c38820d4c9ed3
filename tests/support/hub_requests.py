"""Request and response of the loopback Hub.

Where the real Hub answers a stranger with a bare 401, the code RepoNotFound is added: the client only takes a bare
one for a missing repository when the address is https.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from tests.support.hub_server import READ_ONLY_TOKEN, USERS, Hub, Repo


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class HTTPException(Exception):
    """An error response."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        message = ascii(message)[1:-1]  # a header holds no line break and little beyond ASCII
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.response = as_json({"error": message}, status, headers)


def as_json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True)
class Request:
    """A routed request. parts: the unquoted named groups of the route's pattern."""

    hub: Hub
    headers: Message
    query: dict[str, list[str]]
    body: bytes
    parts: dict[str, str]

    @property
    def user(self) -> str | None:
        """The account of the token; None without one or for an unknown token."""
        return USERS.get(self.token or "")

    @property
    def token(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    @property
    def key(self) -> str:
        kind = (self.parts.get("kind") or "models").rstrip("/")
        return self.parts["repo"] if kind == "models" else f"{kind}/{self.parts['repo']}"

    def repo(self, *, write: bool = False) -> Repo:
        """The requested repository, if the user may read it (or write to it)."""
        repo = self.hub.repos.get(self.key)
        if self.user is None and self.token and repo is not None and not repo.private:
            raise HTTPException(401, "Invalid credentials in Authorization header")
        if repo is None or (repo.private and self.user != repo.owner):
            if self.user is None:
                raise HTTPException(401, "Invalid username or password.", "RepoNotFound")
            raise HTTPException(404, "Repository not found", "RepoNotFound")
        if write and self.user is None:
            raise HTTPException(401, "Please log in.")
        if write and (self.user != repo.owner or self.token == READ_ONLY_TOKEN):
            raise HTTPException(403, f"You don't have write access to {repo.name}")
        return repo

    def commit_id(self, repo: Repo) -> str:
        """The commit that the revision names: a branch, a tag, or a commit itself."""
        revision = self.parts.get("revision") or "main"
        commit = repo.find(revision)
        if commit is None:
            raise HTTPException(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit
