"""nginx with the configuration of `examples/replicas`, on a loopback port, and a log of who answered what."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.browser_app import ROOT, free_port, missing

CONFIGURATION = ROOT / "examples" / "replicas" / "nginx.conf"
PORTS = (7861, 7862)
"""Of the replicas in the configuration, which listens at `LISTENING`."""
LISTENING = "listen 8080;"

# What Debian's own nginx.conf holds around the file, with folders that any user may write.
MAIN = """{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    log_format upstream '$request_method $uri $upstream_addr';
    access_log {folder}/access.log upstream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def find_nginx() -> str:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        missing("nginx")
    return nginx


class Nginx:
    """nginx in front of two replicas. ports: of `replica_a` and `replica_b`. folder: an empty one of its own."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        site = CONFIGURATION.read_text(encoding="utf-8")
        for found, used in zip((LISTENING, *(f":{port}" for port in PORTS)), (None, *ports), strict=True):
            assert found in site, found
            site = site.replace(found, f"listen 127.0.0.1:{self.port};" if used is None else f":{used}")
        folder.mkdir(exist_ok=True)
        (folder / "site.conf").write_text(site, encoding="utf-8")
        user = "user root;" if os.geteuid() == 0 else ""
        main = folder / "nginx.conf"
        main.write_text(MAIN.format(folder=folder, user=user), encoding="utf-8")
        self.process = subprocess.Popen([find_nginx(), "-p", str(folder), "-c", str(main)], stderr=subprocess.PIPE)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.process.kill()
        pytest.fail(f"nginx did not start: {(self.process.communicate()[1] or b'').decode()}")

    def answered(self, prefix: str = "/") -> list[int]:
        """The port that answered each request that has ended, of paths with a prefix, in order."""
        lines = (self.folder / "access.log").read_text(encoding="utf-8").splitlines()
        requests = [line.split(" ", 2) for line in lines]
        return [int(upstream.rsplit(":", 1)[1]) for _, path, upstream in requests if path.startswith(prefix)]

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)
