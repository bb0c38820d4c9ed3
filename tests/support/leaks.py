"""A search for a secret in all that a command or a call leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.hub_server import Hub


def places_of(secret: str, outcome: object, here: Path, hub: Hub) -> list[str]:
    """Where a secret stands: in what a call returned, said or left on the disk, and in what it published.

    A Job gets the token as a secret of its own, which nobody is shown.
    """
    wanted = secret.encode()
    found = ["the answer"] if secret in json.dumps(outcome, ensure_ascii=False) else []
    found += [str(path.relative_to(here)) for path in sorted(here.rglob("*"))
              if path.is_file() and wanted in path.read_bytes()]  # fmt: skip
    for key, repo in hub.repos.items():
        contents = {path: body for files in repo.commits.values() for path, body in files.items()}
        found += [f"{key}/{path}" for path, body in contents.items() if wanted in body]
        found += [key] if secret in json.dumps([key, repo.messages, repo.variables, list(repo.tags)]) else []
    for job in hub.jobs.values():
        shown = {name: value for name, value in job.spec.items() if name != "secrets"}
        found += [f"job {job.id}"] if secret in json.dumps([shown, job.logs, job.message]) else []
    return found
