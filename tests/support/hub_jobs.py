"""The routes of the loopback Hub for Jobs, and for the bucket in which the client ships a Job's local files.

A bucket takes files by Xet alone. The stand-in takes the parts of an upload without unpacking them, and lists each
file by its Xet hash, which `hf_xet.hash_files` gives for a file on the disk, too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.hub_requests import HTTPException, Request, Response, as_json
from tests.support.hub_server import READ_ONLY_TOKEN, Hub

XET_TOKEN = "token-of-the-storage"
DATE = "2026-01-01T00:00:{:02}.000Z"


@dataclass
class HubJob:
    """A Job: what was asked for, and how far it is. runner: carries it out, in a thread of its own."""

    id: str
    namespace: str
    spec: dict[str, Any]
    stage: str = "SCHEDULING"
    message: str | None = None
    logs: list[str] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, Any]:
        """As the Hub answers: secrets by their name alone."""
        described = {name: self.spec.get(name) for name in ("command", "arguments", "environment", "flavor", "labels")}
        return described | {
            "id": self.id,
            "createdAt": DATE.format(0),
            "dockerImage": self.spec.get("dockerImage"),
            "secrets": dict.fromkeys(self.spec.get("secrets", {}), ""),
            "volumes": self.spec.get("volumes"),
            "owner": {"id": self.namespace, "name": self.namespace, "type": "user"},
            "status": {"stage": self.stage, "message": self.message},
        }


Runner = Callable[[Hub, HubJob], None]


def check_owner(request: Request) -> str:
    namespace = request.parts["namespace"]
    if request.user is None:
        raise HTTPException(401, "Invalid username or password.")
    if request.user != namespace or request.token == READ_ONLY_TOKEN:
        raise HTTPException(403, f"You may run nothing for {namespace}")
    return namespace


def find_job(request: Request) -> HubJob:
    check_owner(request)
    job: HubJob | None = request.hub.jobs.get(request.parts["job"])
    if job is None:
        raise HTTPException(404, "Job not found")
    return job


def create_job(request: Request) -> Response:
    spec = json.loads(request.body)
    hub = request.hub
    job = HubJob(f"{len(hub.jobs):024x}", check_owner(request), spec)
    hub.jobs[job.id] = job
    if hub.runner is not None:
        threading.Thread(target=hub.runner, args=(hub, job), daemon=True).start()
    return as_json(job.describe())


def inspect_job(request: Request) -> Response:
    return as_json(find_job(request).describe())


def list_jobs(request: Request) -> Response:
    """Newest first; label=KEY=VALUE takes those with this label."""
    check_owner(request)
    wanted = [label.partition("=")[::2] for label in request.query.get("label", [])]
    jobs = [job for job in reversed(request.hub.jobs.values())
            if all((job.spec.get("labels") or {}).get(key) == value for key, value in wanted)]  # fmt: skip
    return as_json([job.describe() for job in jobs])


def cancel_job(request: Request) -> Response:
    job = find_job(request)
    job.cancelled.set()
    if request.hub.runner is None:
        job.stage = "CANCELED"
    return as_json(job.describe())


def job_logs(request: Request) -> Response:
    """Every line so far as an event; the client asks again until the Job has ended."""
    lines = ["===== Job started at 2026-01-01 00:00:00 =====", *find_job(request).logs]
    events = [{"data": line, "timestamp": DATE.format(min(59, number))} for number, line in enumerate(lines)]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return Response(200, body.encode(), {"Content-Type": "text/event-stream"})


# --- buckets -----------------------------------------------------------------------------------------------------


def create_bucket(request: Request) -> Response:
    name = f"{check_owner(request)}/{request.parts['name']}"
    answer = {"url": f"{request.hub.url}/buckets/{name}"}
    if name in request.hub.buckets:
        return as_json(answer | {"error": "You already created this bucket"}, 409)
    if json.loads(request.body).get("visibility") != "private":
        raise HTTPException(400, "This Hub expects private buckets")
    request.hub.buckets[name] = {}
    return as_json(answer)


def xet_write_token(request: Request) -> Response:
    check_owner(request)
    expires, place = int(time.time()) + 3600, request.hub.storage_url
    headers = {
        "X-Xet-Access-Token": XET_TOKEN, "X-Xet-Cas-Url": place, "X-Xet-Token-Expiration": str(expires),
    }  # fmt: skip
    return as_json({"accessToken": XET_TOKEN, "casUrl": place, "exp": expires}, headers=headers)


def change_bucket(request: Request) -> Response:
    files = request.hub.buckets[f"{check_owner(request)}/{request.parts['name']}"]
    for line in request.body.splitlines():
        entry = json.loads(line)
        if entry["type"] != "addFile":
            raise HTTPException(400, f"This Hub takes no {entry['type']}")
        files[entry["path"]] = entry["xetHash"]
    return as_json({"success": True, "processed": len(files), "failed": []})


def check_xet_token(request: Request) -> None:
    if request.token != XET_TOKEN:
        raise HTTPException(401, "Only the token of the storage is good here")


def known_chunk(request: Request) -> Response:
    check_xet_token(request)
    raise HTTPException(404, "No such chunk")


def take_xorb(request: Request) -> Response:
    check_xet_token(request)
    return as_json({"was_inserted": True})


def take_shard(request: Request) -> Response:
    check_xet_token(request)
    return Response(200, b'{"type":"result"}\n', {"Content-Type": "application/x-ndjson"})
