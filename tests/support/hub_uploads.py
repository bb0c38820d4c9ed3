"""The routes of the loopback Hub that change a repository: uploads, commits, tags."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.hub_calls import Call, Refused, Reply, as_json
from tests.support.hub_server import git_oid, is_large, lfs_oid


def preupload(call: Call) -> Reply:
    """How each file is to be sent. The id of what is there lets the client skip what is the same."""
    repo = call.repo(write=True)
    commit = call.commit_id(repo)
    files = []
    for asked in json.loads(call.body)["files"]:
        path, mode = asked["path"], "lfs" if is_large(asked["path"]) and asked["size"] else "regular"
        there = repo.commits[commit].get(path)
        oid = {} if there is None else {"oid": lfs_oid(there) if mode == "lfs" else git_oid(there)}
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False} | oid)
    return as_json({"commitOid": commit, "files": files})


def lfs_batch(call: Call) -> Reply:
    """Where each large file is to be sent; nowhere if it is there."""
    call.repo(write=True)
    objects: list[dict[str, Any]] = []
    for asked in json.loads(call.body)["objects"]:
        there, size = asked["oid"] in call.hub.objects, asked["size"]
        href = f"{call.hub.storage_url}/upload/{asked['oid']}"
        upload: dict[str, Any] = {"href": f"{href}?signature=x", "header": {}}
        if call.hub.part_size and size > call.hub.part_size:
            count = -(-size // call.hub.part_size)
            parts = {f"{n:05}": f"{href}/{n}?signature=x" for n in range(1, count + 1)}
            upload = {"href": f"{href}/complete", "header": {"chunk_size": str(call.hub.part_size), **parts}}
        objects.append({"oid": asked["oid"], "size": size} | ({} if there else {"actions": {"upload": upload}}))
    return as_json({"transfer": "basic", "objects": objects})


def check_no_token(call: Call) -> None:
    """What goes to the storage is signed; a token there is a token told to a stranger."""
    if call.token is not None:
        raise Refused(400, "A token was sent to the storage")


def upload(call: Call) -> Reply:
    check_no_token(call)
    if lfs_oid(call.body) != call.parts["oid"]:
        raise Refused(400, "The content does not have the SHA-256 that was announced")
    call.hub.objects[call.parts["oid"]] = call.body
    return Reply(200)


def upload_part(call: Call) -> Reply:
    check_no_token(call)
    call.hub.parts[f"{call.parts['oid']}/{int(call.parts['part'])}"] = call.body
    return Reply(200, headers={"ETag": f'"{git_oid(call.body)}"'})


def complete_upload(call: Call) -> Reply:
    asked = json.loads(call.body)
    content = b"".join(call.hub.parts[f"{asked['oid']}/{part['partNumber']}"] for part in asked["parts"])
    if lfs_oid(content) != call.parts["oid"]:
        raise Refused(400, "The parts do not have the SHA-256 that was announced")
    call.hub.objects[asked["oid"]] = content
    return as_json({})


def commit(call: Call) -> Reply:
    repo = call.repo(write=True)
    head = call.commit_id(repo)
    branch = call.parts["revision"]
    changes: dict[str, bytes | None] = {}
    message = ""
    for line in call.body.splitlines():
        key, value = (entry := json.loads(line))["key"], entry["value"]
        if key == "header":
            message = value["summary"]
            if value.get("parentCommit", head) != head:
                raise Refused(412, "A commit has happened since. Please refresh and try again.")
        elif key == "file":
            changes[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            if value["oid"] not in call.hub.objects:
                raise Refused(
                    400, "Your push was rejected because an LFS pointer pointed to a file that does not exist."
                )
            changes[value["path"]] = call.hub.objects[value["oid"]]
        elif key == "deletedFile":
            changes[value["path"]] = None
        else:
            raise Refused(400, f"This Hub takes no {key}")
    answer: dict[str, Any] = {"success": True, "hookOutput": ""}
    prefix = "" if repo.kind == "models" else f"{repo.kind}/"
    if "create_pr" in call.query:
        number = sum(name.startswith("refs/pr/") for name in repo.branches) + 1
        branch = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{call.hub.url}/{prefix}{repo.name}/discussions/{number}"
    oid = repo.commit(changes, branch, head, message)
    return as_json(answer | {"commitOid": oid, "commitUrl": f"{call.hub.url}/{prefix}{repo.name}/commit/{oid}"})


def create_tag(call: Call) -> Reply:
    repo = call.repo(write=True)
    tag = json.loads(call.body)["tag"]
    if tag in repo.tags:
        raise Refused(409, f"The tag {tag} exists already")
    repo.tags[tag] = call.commit_id(repo)
    return as_json({})


def delete_tag(call: Call) -> Reply:
    repo = call.repo(write=True)
    if repo.tags.pop(call.parts["revision"], None) is None:
        raise Refused(404, f"Invalid rev id: {call.parts['revision']}", "RevisionNotFound")
    return as_json({})
