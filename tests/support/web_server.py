"""A web server on a loopback port that gives files as servers do: with ETags, ranges, and failures on command."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class WebServer:
    """Files by path, while the `with` block lasts. requests: (path, Range, If-None-Match) in order.

    breaks: how many answers break off after half of their body. statuses: the next answers have these instead.
    has_versions: whether ETags are sent. redirects: by path.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    breaks: int = 0
    statuses: list[int] = field(default_factory=list)
    has_versions: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"web": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    web: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        web, path = self.web, self.path.partition("?")[0]
        wanted, known = self.headers.get("Range"), self.headers.get("If-None-Match")
        web.requests.append((self.path, wanted, known))
        if web.statuses:
            return self._send(web.statuses.pop(0), b"")
        if path in web.redirects:
            return self._send(302, b"", {"Location": web.redirects[path]})
        content = web.files.get(path)
        if content is None:
            return self._send(404, b"nothing here")
        tag = f'"{hashlib.sha1(content).hexdigest()}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes"} if web.has_versions else {}
        if web.has_versions and known == tag:
            return self._send(304, b"", headers)
        found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        if found and web.has_versions and self.headers.get("If-Range") == tag:
            start = int(found[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, content[start:], headers)
        return self._send(200, content, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {}) | self.web.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.web.breaks and len(body) > 1:
            self.web.breaks -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `WebServer.requests` is the log."""
