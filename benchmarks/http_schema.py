"""Schemathesis against the app's own HTTP routes: requests that fit their schemas, and requests that do not.

    python -m benchmarks.http_schema ST [OPTION...]

ST: the command `st` of a schemathesis in an environment of its own, for it is no dependency of this project. Further
options are passed on to `st run`, such as `--seed 1 --max-examples 200`. The exit code is that of `st`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from tests.support.chat_doubles import TALK, tiny_model
from tests.support.openapi import document
from tests.support.served import serving

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, serving(tiny_model(max_new_tokens=5, **TALK)) as served:
        schema = Path(folder) / "openapi.json"
        schema.write_text(json.dumps(document(served)), encoding="utf-8")
        command = [sys.argv[1], "run", str(schema), "--url", served.url, "--checks", CHECKS, *sys.argv[2:]]
        code = subprocess.run(command, cwd=folder, check=False).returncode
        health = httpx.get(f"{served.url}/healthz", timeout=60)
        print(f"/healthz afterwards: {health.status_code}, idle: {served.is_idle}")
        return code or int(health.status_code != 200)


if __name__ == "__main__":
    sys.exit(main())
