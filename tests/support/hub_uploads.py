"""The routes of the loopback Hub that change a repository: uploads, commits, tags."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.hub_requests import HTTPException, Request, Response, as_json
from tests.support.hub_server import git_oid, is_large, lfs_oid


def preupload(request: Request) -> Response:
    """The upload mode of each file. The id of the stored one lets the client skip an equal file."""
    repo = request.repo(write=True)
    commit = request.commit_id(repo)
    files = []
    for params in json.loads(request.body)["files"]:
        path, mode = params["path"], "lfs" if is_large(params["path"]) and params["size"] else "regular"
        there = repo.commits[commit].get(path)
        oid = {} if there is None else {"oid": lfs_oid(there) if mode == "lfs" else git_oid(there)}
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False} | oid)
    return as_json({"commitOid": commit, "files": files})


def lfs_batch(request: Request) -> Response:
    """The upload address of each large file; none for one that is stored already."""
    request.repo(write=True)
    objects: list[dict[str, Any]] = []
    for params in json.loads(request.body)["objects"]:
        there, size = params["oid"] in request.hub.objects, params["size"]
        href = f"{request.hub.storage_url}/upload/{params['oid']}"
        upload: dict[str, Any] = {"href": f"{href}?signature=x", "header": {}}
        if request.hub.part_size and size > request.hub.part_size:
            count = -(-size // request.hub.part_size)
            parts = {f"{n:05}": f"{href}/{n}?signature=x" for n in range(1, count + 1)}
            upload = {"href": f"{href}/complete", "header": {"chunk_size": str(request.hub.part_size), **parts}}
        objects.append({"oid": params["oid"], "size": size} | ({} if there else {"actions": {"upload": upload}}))
    return as_json({"transfer": "basic", "objects": objects})


def check_no_token(request: Request) -> None:
    """Storage addresses are signed: a token sent there would be leaked to another origin."""
    if request.token is not None:
        raise HTTPException(400, "A token was sent to the storage")


def upload(request: Request) -> Response:
    check_no_token(request)
    if lfs_oid(request.body) != request.parts["oid"]:
        raise HTTPException(400, "The content does not have the SHA-256 that was announced")
    request.hub.objects[request.parts["oid"]] = request.body
    return Response(200)


def upload_part(request: Request) -> Response:
    check_no_token(request)
    request.hub.parts[f"{request.parts['oid']}/{int(request.parts['part'])}"] = request.body
    return Response(200, headers={"ETag": f'"{git_oid(request.body)}"'})


def complete_upload(request: Request) -> Response:
    params = json.loads(request.body)
    content = b"".join(request.hub.parts[f"{params['oid']}/{part['partNumber']}"] for part in params["parts"])
    if lfs_oid(content) != request.parts["oid"]:
        raise HTTPException(400, "The parts do not have the SHA-256 that was announced")
    request.hub.objects[params["oid"]] = content
    return as_json({})


def commit(request: Request) -> Response:
    repo = request.repo(write=True)
    head = request.commit_id(repo)
    branch = request.parts["revision"]
    changes: dict[str, bytes | None] = {}
    message = ""
    for line in request.body.splitlines():
        key, value = (entry := json.loads(line))["key"], entry["value"]
        if key == "header":
            message = value["summary"]
            if value.get("parentCommit", head) != head:
                raise HTTPException(412, "A commit has happened since. Please refresh and try again.")
        elif key == "file":
            changes[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            if value["oid"] not in request.hub.objects:
                raise HTTPException(
                    400, "Your push was rejected because an LFS pointer pointed to a file that does not exist."
                )
            changes[value["path"]] = request.hub.objects[value["oid"]]
        elif key == "deletedFile":
            changes[value["path"]] = None
        else:
            raise HTTPException(400, f"This Hub takes no {key}")
    answer: dict[str, Any] = {"success": True, "hookOutput": ""}
    prefix = "" if repo.kind == "models" else f"{repo.kind}/"
    if "create_pr" in request.query:
        number = sum(name.startswith("refs/pr/") for name in repo.branches) + 1
        branch = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{request.hub.url}/{prefix}{repo.name}/discussions/{number}"
    oid = repo.commit(changes, branch, head, message)
    return as_json(answer | {"commitOid": oid, "commitUrl": f"{request.hub.url}/{prefix}{repo.name}/commit/{oid}"})


def create_branch(request: Request) -> Response:
    repo = request.repo(write=True)
    branch = request.parts["revision"]
    if branch in repo.branches:
        raise HTTPException(409, f"Reference already exists: {branch}")
    repo.branches[branch] = repo.branches[json.loads(request.body or b"{}").get("startingPoint", "main")]
    return as_json({})


def create_tag(request: Request) -> Response:
    repo = request.repo(write=True)
    tag = json.loads(request.body)["tag"]
    if tag in repo.tags:
        raise HTTPException(409, f"The tag {tag} exists already")
    repo.tags[tag] = request.commit_id(repo)
    return as_json({})


def delete_tag(request: Request) -> Response:
    repo = request.repo(write=True)
    if repo.tags.pop(request.parts["revision"], None) is None:
        raise HTTPException(404, f"Invalid rev id: {request.parts['revision']}", "RevisionNotFound")
    return as_json({})
