"""A stand-in for the Hugging Face Hub on loopback ports: its HTTP API as the unmodified client speaks it.

`Hub` starts two servers over one storage in memory: the Hub itself, and the storage of large files, which is another
origin as in production, so that the client sends no token there. Large files travel by LFS, not by Xet:
clients run with HF_HUB_DISABLE_XET=1. The routes are in hub_routes.py and hub_uploads.py, the
failures on command in hub_faults.py, Jobs and buckets in hub_jobs.py.

As a program, `python -m tests.support.hub_server [PORT]` serves until Ctrl-C and prints what a shell needs to use it.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.hub_faults import Fault

OWNER, OWNER_TOKEN = "user", "token-of-user"
GUEST, GUEST_TOKEN = "guest", "token-of-guest"
READ_ONLY_TOKEN = "read-only-token-of-user"
USERS = {OWNER_TOKEN: OWNER, GUEST_TOKEN: GUEST, READ_ONLY_TOKEN: OWNER}
BORN_WITH = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.png filter=lfs -text\n"}
Files = dict[str, bytes]


@dataclass
class Repo:
    """A repository: commits by id, each with all its files, and branches and tags that point at them."""

    name: str
    kind: str = "models"
    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    def commit(
        self,
        changes: Mapping[str, bytes | None],
        branch: str = "main",
        parent: str | None = None,
        message: str = "",
    ) -> str:
        """Put one commit on `branch` and return its id; a content of None deletes the file."""
        parent = parent or self.branches.get(branch)
        changed = {**(self.commits[parent] if parent else {}), **changes}
        commit = hashlib.sha1(f"{self.kind} {self.name} {len(self.commits)}".encode()).hexdigest()
        self.commits[commit] = {path: content for path, content in changed.items() if content is not None}
        self.messages[commit] = message
        self.branches[branch] = commit
        return commit

    def find(self, revision: str) -> str | None:
        """The commit that a branch, a tag or an id names."""
        commit = self.branches.get(revision) or self.tags.get(revision) or revision
        return commit if commit in self.commits else None

    def files(self, revision: str = "main") -> Files:
        commit = self.find(revision)
        assert commit is not None
        return self.commits[commit]


def is_large(path: str) -> bool:
    """Whether the .gitattributes of a new repository put the file into LFS."""
    return path.endswith((".safetensors", ".png"))


def git_oid(content: bytes) -> str:
    """The id that git gives a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_oid(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def lfs_pointer(content: bytes) -> bytes:
    """The pointer that git stores for a large file."""
    oid = lfs_oid(content)
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n".encode()


class Hub:
    """Repositories, a log of requests, and servers on 127.0.0.1 while the `with` block lasts."""

    def __init__(self, port: int = 0) -> None:
        self.repos: dict[str, Repo] = {}  # models by their name, others as spaces/name, datasets/name
        self.objects: dict[str, bytes] = {}  # large files by their SHA-256
        self.parts: dict[str, bytes] = {}
        self.jobs: dict[str, Any] = {}  # HubJob by id
        self.runner: Any = None  # carries a Job out
        self.buckets: dict[str, dict[str, str]] = {}  # Xet hash by path, of each bucket
        self.part_size: int | None = None  # larger files are asked for in parts
        self.requests: list[tuple[str, str]] = []  # method and path, in order
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.storage = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.storage_url = f"http://127.0.0.1:{self.storage.server_port}"

    def __enter__(self) -> Self:
        for server in (self.server, self.storage):
            server.daemon_threads = True  # a slow answer must not hold up the end of the tests
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        for server in (self.server, self.storage):
            server.shutdown()
            server.server_close()

    def add_repo(
        self, name: str, files: Mapping[str, bytes] | None = None, *, private: bool = False, kind: str = "models"
    ) -> Repo:
        """A new repository, with a first commit as the real Hub makes one."""
        repo = self.repos[name if kind == "models" else f"{kind}/{name}"] = Repo(name, kind, private)
        repo.commit({**BORN_WITH, **(files or {})}, message="initial commit")
        return repo

    def fail(self, method: str, pattern: str, **how: Any) -> Fault:
        """Inject a `Fault` into requests of this method to paths in which `pattern` is found."""
        fault = Fault(method, pattern, **how)
        self.faults.append(fault)
        return fault

    def requested(self, method: str, pattern: str) -> list[str]:
        """The paths of all requests of this method, in order, in which `pattern` is found."""
        return [path for sent_method, path in self.requests if sent_method == method and re.search(pattern, path)]

    def requests_for(self, *names: str) -> list[tuple[str, str]]:
        """Method and path of all requests, in order, whose path names one of these repositories or routes.

        A test that expects no request asks for its own names: processes of the tests before it may still send theirs.
        """
        return [(method, path) for method, path in list(self.requests) if any(name in path for name in names)]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together

    def do_GET(self) -> None:
        from tests.support.hub_routes import answer

        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.hub.lock:
            self.hub.requests.append((self.command, self.path))
            fault = next((f for f in self.hub.faults if f.meets(self.command, self.path)), None)
        if fault is None:
            self.send(answer(self.hub, self.command, self.path, self.headers, body))
        else:
            fault.happen(self, lambda: answer(self.hub, self.command, self.path, self.headers, body))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def send(self, response: Any, body: bytes | None = None) -> None:
        """Send `reply`; with `body`, that much of it or that instead of it under the same length."""
        self.send_response(response.status)
        for name, value in (response.headers | {"Content-Length": str(len(response.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body if body is None else body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `Hub.requests` is the log."""


def main() -> None:
    with Hub(int(sys.argv[1]) if sys.argv[1:] else 0) as hub:
        print(f"export HF_ENDPOINT={hub.url} HF_TOKEN={OWNER_TOKEN} HF_HUB_DISABLE_XET=1", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(file=sys.stderr)


if __name__ == "__main__":
    main()
