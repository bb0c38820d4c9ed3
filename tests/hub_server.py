"""A stand-in for the Hugging Face Hub on a loopback port: enough of its HTTP API for the unmodified client.

`Hub` holds repositories and commits in memory and knows no HTTP; each function in `ROUTES` answers one kind of
request. Files travel inside the commit, never by LFS or Xet, so clients run with HF_HUB_DISABLE_XET=1.
Where the real Hub answers a stranger with a bare 401, the code RepoNotFound is added: the client only takes a
bare one for a missing repository when the address is https.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

OWNER, OWNER_TOKEN = "user", "token-of-user"
GUEST, GUEST_TOKEN = "guest", "token-of-guest"
USERS = {OWNER_TOKEN: OWNER, GUEST_TOKEN: GUEST}
Files = dict[str, bytes]


# --- what is stored ----------------------------------------------------------------------------------------------


@dataclass
class Repo:
    """A model repository: commits by id, each with all its files, and branches that point at them."""

    name: str
    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    def commit(self, changes: Mapping[str, bytes | None], branch: str = "main", parent: str | None = None) -> str:
        """Put one commit on `branch` and return its id; a content of None deletes the file."""
        parent = parent or self.branches.get(branch)
        changed = {**(self.commits[parent] if parent else {}), **changes}
        commit = hashlib.sha1(f"{self.name} {len(self.commits)}".encode()).hexdigest()
        self.commits[commit] = {path: content for path, content in changed.items() if content is not None}
        self.branches[branch] = commit
        return commit

    def files(self, revision: str = "main") -> Files:
        return self.commits[self.branches.get(revision, revision)]


def git_oid(content: bytes) -> str:
    """The id that git gives a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


# --- requests and answers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        message = ascii(message)[1:-1]  # a header holds no line break and little beyond ASCII
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.reply = as_json({"error": message}, status, headers)


def as_json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True)
class Call:
    """A request on its way to its route; `parts` are the unquoted named groups of the route's pattern."""

    hub: Hub
    headers: Message
    query: dict[str, list[str]]
    body: bytes
    parts: dict[str, str]

    @property
    def user(self) -> str | None:
        """Who asks; None for a stranger, or where the token is nobody's."""
        return USERS.get(self.token or "")

    @property
    def token(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def repo(self, *, write: bool = False) -> Repo:
        """The repository that is asked for, if the user may read it (or write to it)."""
        repo = self.hub.repos.get(self.parts["repo"])
        if repo is None or (repo.private and self.user != repo.owner):
            if self.user is None:
                raise Refused(401, "Invalid username or password.", "RepoNotFound")
            raise Refused(404, "Repository not found", "RepoNotFound")
        if self.user is None and (write or self.token):
            raise Refused(401, "Invalid credentials in Authorization header" if self.token else "Please log in.")
        if write and self.user != repo.owner:
            raise Refused(403, f"You don't have write access to {repo.name}")
        return repo

    def commit_id(self, repo: Repo) -> str:
        """The commit that the revision names: a branch, or a commit itself."""
        revision = self.parts.get("revision") or "main"
        commit = repo.branches.get(revision, revision)
        if commit not in repo.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit


# --- routes ------------------------------------------------------------------------------------------------------


def create_repo(call: Call) -> Reply:
    asked = json.loads(call.body)
    if call.user is None:
        raise Refused(401, "Invalid username or password.")
    owner = asked.get("organization") or call.user
    name = f"{owner}/{asked['name']}"
    answer = {"url": f"{call.hub.url}/{name}", "name": name, "id": name}
    if owner != call.user:
        raise Refused(403, f"You don't have the rights to create a model under the namespace {owner!r}")
    if name in call.hub.repos:
        return as_json(answer | {"error": f"You already created this model repo: {name}"}, 409)
    call.hub.add_repo(name, private=asked.get("visibility") == "private")
    return as_json(answer)


def validate_card(call: Call) -> Reply:
    return as_json({"errors": [], "warnings": []})


def preupload(call: Call) -> Reply:
    """How each file is to be sent: all in the commit. The id of what is there lets the client skip what is the same."""
    repo = call.repo(write=True)
    commit = call.commit_id(repo)
    files = [
        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
        | ({"oid": git_oid(repo.commits[commit][file["path"]])} if file["path"] in repo.commits[commit] else {})
        for file in json.loads(call.body)["files"]
    ]
    return as_json({"commitOid": commit, "files": files})


def commit(call: Call) -> Reply:
    repo = call.repo(write=True)
    head = call.commit_id(repo)
    branch = call.parts["revision"]
    changes: dict[str, bytes | None] = {}
    for line in call.body.splitlines():
        key, value = (entry := json.loads(line))["key"], entry["value"]
        if key == "header" and value.get("parentCommit", head) != head:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        if key == "file":
            changes[value["path"]] = base64.b64decode(value["content"])
        elif key == "deletedFile":
            changes[value["path"]] = None
        elif key != "header":
            raise Refused(400, f"This Hub takes no {key}")
    answer: dict[str, Any] = {"success": True, "hookOutput": ""}
    if "create_pr" in call.query:
        number = sum(name.startswith("refs/pr/") for name in repo.branches) + 1
        branch = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{call.hub.url}/{repo.name}/discussions/{number}"
    oid = repo.commit(changes, branch, head)
    return as_json(answer | {"commitOid": oid, "commitUrl": f"{call.hub.url}/{repo.name}/commit/{oid}"})


def model_info(call: Call) -> Reply:
    repo = call.repo()
    sha = call.commit_id(repo)
    info = {"id": repo.name, "sha": sha, "private": repo.private, "gated": repo.gated and "auto", "downloads": 0}
    return as_json(info | {"likes": 0, "tags": [], "siblings": [{"rfilename": path} for path in repo.commits[sha]]})


def tree(call: Call) -> Reply:
    """All files with their folders; the client asks for nothing but recursive listings of the whole."""
    files = (repo := call.repo()).commits[call.commit_id(repo)]
    folders = sorted({path[: m.start()] for path in files for m in re.finditer("/", path)})
    listing = [{"type": "directory", "path": path, "oid": git_oid(path.encode()), "size": 0} for path in folders]
    listing += [{"type": "file", "path": path, "oid": git_oid(c), "size": len(c)} for path, c in files.items()]
    return as_json(listing)


def resolve(call: Call) -> Reply:
    """A file, or the bytes of it that the Range header asks for."""
    repo = call.repo()
    if repo.gated and call.user != repo.owner:
        raise Refused(403 if call.user else 401, f"Access to model {repo.name} is restricted.", "GatedRepo")
    commit = call.commit_id(repo)
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    content = repo.commits[commit].get(call.parts["path"])
    if content is None:
        return Reply(404, b"Entry not found", headers | {"X-Error-Code": "EntryNotFound"})
    headers["ETag"] = f'"{git_oid(content)}"'
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
    if wanted is None:
        return Reply(200, content, headers)
    first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Reply(206, content[first : last + 1], headers)


# A quoted revision holds no slash, so that patterns are matched before anything is unquoted.
REPO = r"(?P<repo>[^/]+(?:/[^/]+)?)"
REVISION = r"(?P<revision>[^/]+)"
Route = Callable[[Call], Reply]
ROUTES: list[tuple[str, str, Route]] = [
    ("POST", "/api/repos/create", create_repo),
    ("POST", "/api/validate-yaml", validate_card),
    ("POST", f"/api/models/{REPO}/preupload/{REVISION}", preupload),
    ("POST", f"/api/models/{REPO}/commit/{REVISION}", commit),
    ("GET", f"/api/models/{REPO}", model_info),
    ("GET", f"/api/models/{REPO}/revision/{REVISION}", model_info),
    ("GET", f"/api/models/{REPO}/tree/{REVISION}", tree),
    ("GET", f"/{REPO}/resolve/{REVISION}/(?P<path>.+)", resolve),
]


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    for wanted, pattern, route in ROUTES:
        if wanted == method and (match := re.fullmatch(pattern, path)):
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    raise Refused(404, f"This Hub has no {method} {path}")


# --- the server --------------------------------------------------------------------------------------------------


class Hub:
    """Repositories, what was asked of them, and a server on a free port of 127.0.0.1 while the `with` block lasts."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[tuple[str, str]] = []  # method and path, in order
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_repo(self, name: str, files: Mapping[str, bytes] | None = None, *, private: bool = False) -> Repo:
        """A new repository, with a first commit as the real Hub makes one."""
        repo = self.repos[name] = Repo(name, private)
        repo.commit({".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n", **(files or {})})
        return repo

    def requested(self, method: str, pattern: str) -> list[str]:
        """The paths of all requests of this method, in order, in which `pattern` is found."""
        return [path for asked, path in self.requests if asked == method and re.search(pattern, path)]

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Reply:
        """One request at a time, as commits must not interleave. HEAD is GET without its body."""
        url = urlsplit(target)
        query = parse_qs(url.query, keep_blank_values=True)
        with self._lock:
            self.requests.append((method, target))
            try:
                route, parts = find_route("GET" if method == "HEAD" else method, url.path)
                return route(Call(self, headers, query, body, parts))
            except Refused as refusal:
                return refusal.reply


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.hub.answer(self.command, self.path, self.headers, body)
        self.send_response(reply.status)
        for name, value in (reply.headers | {"Content-Length": str(len(reply.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `Hub.requests` is the log."""
