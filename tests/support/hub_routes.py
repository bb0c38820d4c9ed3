"""The routes of the loopback Hub: one function answers one kind of request. Those of uploads are in hub_uploads.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.support import hub_jobs
from tests.support.hub_requests import HTTPException, Request, Response, as_json
from tests.support.hub_server import READ_ONLY_TOKEN, Files, Hub, Repo, git_oid, is_large, lfs_oid, lfs_pointer
from tests.support.hub_uploads import (
    check_no_token,
    commit,
    complete_upload,
    create_branch,
    create_tag,
    delete_tag,
    lfs_batch,
    preupload,
    upload,
    upload_part,
)

# --- accounts and new repositories -------------------------------------------------------------------------------


def whoami(request: Request) -> Response:
    if request.user is None:
        raise HTTPException(401, "Invalid username or password.")
    role = "read" if request.token == READ_ONLY_TOKEN else "write"
    token = {"displayName": "a token", "role": role}
    return as_json({"type": "user", "name": request.user, "orgs": [], "auth": {"accessToken": token}})


def create_repo(request: Request) -> Response:
    params = json.loads(request.body)
    if request.user is None:
        raise HTTPException(401, "Invalid username or password.")
    kind = params.get("type", "model") + "s"
    owner = params.get("organization") or request.user
    name = f"{owner}/{params['name']}"
    key = name if kind == "models" else f"{kind}/{name}"
    answer = {"url": f"{request.hub.url}/{key}", "name": name, "id": name}
    if owner != request.user or request.token == READ_ONLY_TOKEN:
        raise HTTPException(403, f"You don't have the rights to create a {kind[:-1]} under the namespace {owner!r}")
    if key in request.hub.repos:
        return as_json(answer | {"error": f"You already created this {kind[:-1]} repo: {name}"}, 409)
    repo = request.hub.add_repo(name, private=params.get("visibility") == "private", kind=kind)
    repo.hardware = params.get("hardware") or repo.hardware
    repo.variables |= {variable["key"]: variable["value"] for variable in params.get("variables", [])}
    return as_json(answer)


COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
LICENSES = {"mit", "apache-2.0", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "other", "unknown"}


OAUTH_SCOPES = {"email", "read-repos", "contribute-repos", "write-repos", "manage-repos", "inference-api"}


def validate_card(request: Request) -> Response:
    """Validate the metadata of a card by those documented rules of the Hub that matter here."""
    params = json.loads(request.body)
    errors, warnings = card_faults(params["content"], params["repoType"])
    answer = {"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}
    return as_json(answer, 400 if errors else 200)


def card_faults(content: str, kind: str) -> tuple[list[str], list[str]]:
    found = re.match(r"---\n(.*?)\n---(\n|$)", content, re.DOTALL)
    if found is None:
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        data = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        return [f"YAML: {error}"], []
    if not isinstance(data, dict):
        return ["the metadata is no mapping"], []
    checks = {
        '"license" must be one of the known ones': data.get("license", "mit") in LICENSES,
        '"language" must be an ISO 639 code': re.fullmatch("[a-z]{2,3}", str(data.get("language", "en"))),
        '"tags" must be a list of strings': all(isinstance(tag, str) for tag in data.get("tags", [])),
        '"datasets" must be ids': all(re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) for name in data.get("datasets", [])),
        '"base_model" must be an id': re.fullmatch(r"[\w.-]+/[\w.-]+", data.get("base_model", "a/b")),
    }
    for model in data.get("model-index", []):
        checks['"model-index" needs a name'] = isinstance(model.get("name"), str)
        for result in model["results"]:
            checks['"model-index" needs a task type'] = isinstance(result["task"].get("type"), str)
            checks['"model-index" needs a dataset'] = {"type", "name"} <= result["dataset"].keys()
            values = [metric["value"] for metric in result["metrics"]]
            checks['"model-index" needs values'] = values and all(isinstance(value, float) for value in values)
    if kind == "space":
        checks |= {
            '"sdk" must be gradio, docker or static': data.get("sdk") in ("gradio", "docker", "static"),
            '"colorFrom" and "colorTo" must be colours': {data.get("colorFrom"), data.get("colorTo")} <= COLORS,
            '"short_description" must have at most 60 characters': len(data.get("short_description", "")) <= 60,
            '"preload_from_hub" holds at most 10': len(data.get("preload_from_hub", [])) <= 10,
            '"sdk_version" must be a version': data.get("sdk") != "gradio"
            or re.fullmatch(r"\d+\.\d+\.\d+", str(data.get("sdk_version"))),
            '"python_version" must be a string': isinstance(data.get("python_version", ""), str),
            '"hf_oauth" must be a boolean': isinstance(data.get("hf_oauth", False), bool),
            '"hf_oauth_scopes" must be known': set(data.get("hf_oauth_scopes", [])) <= OAUTH_SCOPES,
        }
    return [message for message, good in checks.items() if not good], []


# --- contents ----------------------------------------------------------------------------------------------------


def refs(request: Request) -> Response:
    repo = request.repo()
    listed = {
        kind: [{"name": name, "ref": f"refs/{path}/{name}", "targetCommit": commit} for name, commit in refs.items()]
        for kind, path, refs in (("branches", "heads", repo.branches), ("tags", "tags", repo.tags))
    }
    return as_json(listed | {"converts": []})


def history(request: Request) -> Response:
    """Commits of all branches, newest first."""
    repo = request.repo()
    date = "2026-01-01T00:00:00.000Z"
    return as_json(
        [
            {"id": oid, "title": message, "message": "", "date": date, "authors": [{"user": repo.owner}]}
            for oid, message in reversed(repo.messages.items())
        ]
    )


def describe(path: str, content: bytes, *, size_key: str) -> dict[str, Any]:
    """The entry of a file in a listing: size, git blob id, and for a large one its LFS pointer."""
    if not is_large(path):
        return {"oid": git_oid(content), "size": len(content)}
    pointer, oid = lfs_pointer(content), lfs_oid(content)
    lfs = {size_key: oid, "size": len(content), "pointerSize": len(pointer)}
    return {"oid": git_oid(pointer), "size": len(content), "lfs": lfs}


def repo_info(request: Request) -> Response:
    repo = request.repo()
    sha = request.commit_id(repo)
    siblings: list[dict[str, Any]] = []
    for path, content in repo.commits[sha].items():
        listing = describe(path, content, size_key="sha256") if "blobs" in request.query else {}
        siblings.append({"rfilename": path, **({"blobId": listing.pop("oid")} if listing else {}), **listing})
    info = {"id": repo.name, "sha": sha, "private": repo.private, "gated": repo.gated and "auto", "downloads": 0}
    return as_json(info | {"likes": 0, "tags": [], "siblings": siblings})


def tree(request: Request) -> Response:
    """Files and folders of the whole or below a path; without recursive=true only those directly there."""
    files: Files = (repo := request.repo()).commits[request.commit_id(repo)]
    folder = f"{request.parts['path']}/" if request.parts.get("path") else ""
    files = {path: content for path, content in files.items() if path.startswith(folder)}
    if not files:
        raise HTTPException(404, f"{folder} does not exist on {request.parts.get('revision')!r}", "EntryNotFound")
    folders = sorted({path[: m.start()] for path in files for m in re.finditer("/", path) if m.start() > len(folder)})
    if request.query.get("recursive", ["false"])[0].lower() != "true":
        files = {path: content for path, content in files.items() if "/" not in path.removeprefix(folder)}
        folders = [path for path in folders if "/" not in path.removeprefix(folder)]
    listing = [{"type": "directory", "path": path, "oid": git_oid(path.encode()), "size": 0} for path in folders]
    listing += [{"type": "file", "path": path, **describe(path, c, size_key="oid")} for path, c in files.items()]
    return as_json(listing)


def resolve(request: Request) -> Response:
    """A file, or for a large one a redirect to the storage."""
    repo = request.repo()
    if repo.gated and request.user != repo.owner:
        raise HTTPException(403 if request.user else 401, f"Access to model {repo.name} is restricted.", "GatedRepo")
    commit = request.commit_id(repo)
    path = request.parts["path"]
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    content = repo.commits[commit].get(path)
    if content is None:
        return Response(404, b"Entry not found", headers | {"X-Error-Code": "EntryNotFound"})
    if not is_large(path):
        return in_range(request, content, headers | {"ETag": f'"{git_oid(content)}"'})
    oid = lfs_oid(content)
    request.hub.objects[oid] = content  # a commit made by a test has not uploaded it
    large = {"Location": f"{request.hub.storage_url}/large/{oid}?signature=x", "X-Linked-Size": str(len(content))}
    return Response(302, b"", headers | large | {"X-Linked-Etag": f'"{oid}"', "ETag": f'"{git_oid(content)}"'})


def large(request: Request) -> Response:
    check_no_token(request)
    content = request.hub.objects[request.parts["oid"]]
    return in_range(request, content, {"Content-Type": "application/octet-stream"})


def in_range(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    """The bytes that the Range header asks for, or all."""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if wanted is None:
        return Response(200, content, headers)
    first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(206, content[first : last + 1], headers)


# --- Spaces ------------------------------------------------------------------------------------------------------


def variables_response(repo: Repo) -> Response:
    date = "2026-01-01T00:00:00.000Z"
    return as_json({key: {"value": value, "updatedAt": date} for key, value in repo.variables.items()})


def variables(request: Request) -> Response:
    return variables_response(request.repo(write=True))


def set_variable(request: Request) -> Response:
    repo = request.repo(write=True)
    params = json.loads(request.body)
    repo.variables[params["key"]] = params["value"]
    return variables_response(repo)


def delete_variable(request: Request) -> Response:
    repo = request.repo(write=True)
    repo.variables.pop(json.loads(request.body)["key"], None)
    return variables_response(repo)


def runtime(request: Request) -> Response:
    return runtime_response(request.repo())


def runtime_response(repo: Repo) -> Response:
    hardware = {"current": repo.hardware, "requested": repo.hardware}
    return as_json({"stage": "BUILDING", "hardware": hardware, "gcTimeout": None})


def set_hardware(request: Request) -> Response:
    repo = request.repo(write=True)
    repo.hardware = json.loads(request.body)["flavor"]
    return runtime_response(repo)


# --- the table ---------------------------------------------------------------------------------------------------

# A quoted revision holds no slash, so that patterns are matched before anything is unquoted.
REPO = r"(?P<repo>[^/]+(?:/[^/]+)?)"
REVISION = r"(?P<revision>[^/]+)"
API = rf"/api/(?P<kind>models|spaces|datasets)/{REPO}"
PAGE = rf"/(?P<kind>spaces/|datasets/)?{REPO}"
JOBS, BUCKET = r"/api/jobs/(?P<namespace>[^/]+)", r"/api/buckets/(?P<namespace>[^/]+)/(?P<name>[^/]+)"
JOB = rf"{JOBS}/(?P<job>[0-9a-f]+)"
OID = r"(?P<oid>[0-9a-f]{64})"
Route = Callable[[Request], Response]
ROUTES: list[tuple[str, str, Route]] = [
    ("GET", "/api/whoami-v2", whoami),
    ("POST", "/api/repos/create", create_repo),
    ("POST", "/api/validate-yaml", validate_card),
    ("POST", f"{API}/preupload/{REVISION}", preupload),
    ("POST", f"{PAGE}\\.git/info/lfs/objects/batch", lfs_batch),
    ("PUT", f"/upload/{OID}", upload),
    ("PUT", f"/upload/{OID}/(?P<part>[0-9]+)", upload_part),
    ("POST", f"/upload/{OID}/complete", complete_upload),
    ("POST", f"{API}/commit/{REVISION}", commit),
    ("POST", f"{API}/branch/{REVISION}", create_branch),
    ("POST", f"{API}/tag/{REVISION}", create_tag),
    ("DELETE", f"{API}/tag/{REVISION}", delete_tag),
    ("GET", f"{API}/refs", refs),
    ("GET", f"{API}/commits/{REVISION}", history),
    ("GET", f"{API}/tree/{REVISION}(?:/(?P<path>.+))?", tree),
    ("GET", f"{API}/variables", variables),
    ("POST", f"{API}/variables", set_variable),
    ("DELETE", f"{API}/variables", delete_variable),
    ("GET", f"{API}/runtime", runtime),
    ("POST", f"{API}/hardware", set_hardware),
    ("GET", f"{API}/revision/{REVISION}", repo_info),
    ("GET", API, repo_info),
    ("GET", f"{PAGE}/resolve/{REVISION}/(?P<path>.+)", resolve),
    ("GET", f"/large/{OID}", large),
    ("POST", JOBS, hub_jobs.create_job),
    ("GET", JOBS, hub_jobs.list_jobs),
    ("GET", JOB, hub_jobs.inspect_job),
    ("GET", f"{JOB}/logs", hub_jobs.job_logs),
    ("POST", f"{JOB}/cancel", hub_jobs.cancel_job),
    ("POST", BUCKET, hub_jobs.create_bucket),
    ("GET", f"{BUCKET}/xet-write-token", hub_jobs.xet_write_token),
    ("POST", f"{BUCKET}/batch", hub_jobs.change_bucket),
    ("GET", "/v1/chunks/default/[0-9a-f]+", hub_jobs.known_chunk),
    ("POST", "/v1/xorbs/default/[0-9a-f]+", hub_jobs.take_xorb),
    ("POST", "/v[12]/shards", hub_jobs.take_shard),
]


def answer(hub: Hub, method: str, target: str, headers: Message, body: bytes) -> Response:
    """Route one request at a time, since commits must not interleave. HEAD is GET without its body."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    with hub.lock:
        try:
            for wanted, pattern, route in ROUTES:
                match = re.fullmatch(pattern, url.path)
                if match and wanted == ("GET" if method == "HEAD" else method):
                    parts = {name: unquote(value) for name, value in match.groupdict().items() if value}
                    return route(Request(hub, headers, query, body, parts))
            raise HTTPException(404, f"This Hub has no {method} {url.path}")
        except HTTPException as refusal:
            return refusal.response
