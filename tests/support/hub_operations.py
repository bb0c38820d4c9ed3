"""All that the project does with the Hub, each as one call of a client: what is there before, and the call."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.hub_jobs import HubJob
from tests.support.hub_server import OWNER, Hub, Repo
from tests.support.training_cli import TEXT

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""Name, arguments and keywords of a function of hub_client.py; "{here}" is a folder of the case alone."""
MODEL, SPACE, RUN = f"{OWNER}/model", f"{OWNER}/space", f"{OWNER}/run"
RECORD = {"name": "Old", "seconds": 1.0}


def call(name: str, *args: Any, **kwargs: Any) -> Call:
    return name, args, kwargs


def train(line: str) -> Call:
    return call("train", line, "{here}")


def end_job(hub: Hub, runs: Path) -> None:
    """The Job has trained and stored its run."""
    [job] = hub.jobs.values()
    job.stage, job.logs = "COMPLETED", ["Epoch 1", "The run is stored."]
    [repo] = [repo for repo in hub.repos.values() if repo.kind == "datasets"]
    stored = {f"run/{path.relative_to(runs / 'first').as_posix()}": path for path in (runs / "first").rglob("*")}
    repo.commit(
        {name: path.read_bytes() for name, path in stored.items()
         if path.is_file() and "/." not in name and "/epochs/" not in name}
    )  # fmt: skip


def in_parts(hub: Hub, runs: Path) -> None:
    hub.part_size = 8192


@dataclass(frozen=True)
class Operation:
    """What is done, after `before` was. change: what else happens before. is_pull: it changes no repository.

    folder: what it leaves in "{here}".
    """

    name: str
    do: Call
    before: tuple[Call, ...] = ()
    change: Callable[[Hub, Path], None] | None = None
    is_pull: bool = False
    folder: str = ""

    @property
    def sends_job(self) -> bool:
        return "job --detach" in self.do[1][0]


PUSH, PUSH_OTHER = call("push", MODEL, 1, RECORD), call("push", MODEL, 2)
PULL = call("load", MODEL, cache_dir="{here}/cache")
SEND = train("job --detach -- fit text.txt --out run --max-train-chars 2000")
OPERATIONS = (
    Operation("pull", PULL, (PUSH,), is_pull=True),
    Operation("pull an update", PULL, (PUSH, PULL, PUSH_OTHER), is_pull=True),
    Operation("push", call("push", MODEL, 1, RECORD, private=True)),
    Operation("push an update", PUSH_OTHER, (PUSH,)),
    Operation("push in parts", PUSH_OTHER, (PUSH,), in_parts),
    Operation("push epochs", train(f"push {{runs}}/first {RUN}")),
    Operation("move epochs", train(f"push {{runs}}/second {RUN}"), (train(f"push {{runs}}/first {RUN}"),)),
    Operation("space", train(f"space {SPACE} --model {MODEL}"), (PUSH,)),
    Operation(
        "update a space", train(f"space {SPACE} --model {MODEL}2 --hardware cpu-upgrade"),
        (PUSH, call("push", f"{MODEL}2", 2, RECORD), train(f"space {SPACE} --model {MODEL}")),
    ),
    Operation("static space", train(f"space {SPACE} --model {MODEL} --static"), (PUSH,)),
    Operation("send a job", SEND),
    Operation("resume as a job", train("job --detach -- resume resumed")),
    Operation("follow a job", train("job run"), (SEND,), end_job, folder="run"),
    Operation("cancel a job", train("job run --cancel"), (SEND,)),
)  # fmt: skip


@dataclass
class HubState:
    """All that a Hub holds, to be put back."""

    repos: dict[str, Repo]
    objects: dict[str, bytes]
    jobs: dict[str, HubJob]
    buckets: dict[str, dict[str, str]]
    part_size: int | None
    digests: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, hub: Hub) -> HubState:
        with hub.lock:
            jobs = {key: replace(job, cancelled=_event(job.cancelled.is_set())) for key, job in hub.jobs.items()}
            return cls(copy.deepcopy(hub.repos), dict(hub.objects), jobs, copy.deepcopy(hub.buckets), hub.part_size)

    def restore(self, hub: Hub) -> None:
        fresh = copy.deepcopy(self.repos)
        with hub.lock:
            hub.repos, hub.objects, hub.parts = fresh, dict(self.objects), {}
            hub.jobs = {key: replace(job, cancelled=_event(job.cancelled.is_set())) for key, job in self.jobs.items()}
            hub.buckets, hub.part_size = copy.deepcopy(self.buckets), self.part_size
            hub.faults.clear()
            hub.requests.clear()


def _event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def content(repo: Repo, commit: str) -> str:
    """A name for all files of a commit."""
    digest = hashlib.sha1()
    for path, body in sorted(repo.commits[commit].items()):
        digest.update(f"{path} {hashlib.sha1(body).hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def described(state: HubState) -> dict[str, Any]:
    """What a user sees of a Hub: each branch and tag by its content, without the number of commits behind it."""
    repos = {
        key: {
            "private": repo.private, "hardware": repo.hardware, "variables": repo.variables,
            "branches": {name: content(repo, commit) for name, commit in repo.branches.items()},
            "tags": {name: content(repo, commit) for name, commit in repo.tags.items()},
        }
        for key, repo in state.repos.items()
    }  # fmt: skip
    return {"repos": repos, "jobs": sorted(job.stage for job in state.jobs.values())}


def half_done(before: HubState, after: HubState, good: HubState) -> list[str]:
    """What is neither as before nor as it should become: a branch or tag at a commit of another content, a lost tag."""
    found = []
    for key in before.repos.keys() | after.repos.keys():
        old, new, expected = (state.repos.get(key) for state in (before, after, good))
        if new is None or expected is None:
            found.append(f"{key} is {'gone' if new is None else 'unexpected'}")
            continue
        ends = [(repo, repo.branches["main"]) for repo in (old, expected) if repo]
        ends.append((expected, next(iter(expected.commits))))  # a repository that was created and is still empty
        between = ends + [(repo, commit) for repo in (old, expected) if repo for commit in repo.commits]
        for name, commit in {**new.branches, **new.tags}.items():
            allowed = ends if name == "main" and new.kind != "datasets" else between  # of a Job: first the text
            if content(new, commit) not in {content(*one) for one in allowed}:
                found.append(f"{key} has {name} at a commit that is neither old nor new")
        for name in [*(old.branches if old else ()), *(old.tags if old else ())]:
            if name not in new.branches and name not in new.tags and f"{name}-next" not in new.tags:
                found.append(f"{key} has lost {name}")
        for name in new.tags:
            if name in expected.tags and old and content(new, new.tags[name]) not in {
                content(repo, repo.tags[name]) for repo in (old, expected) if name in repo.tags
            }:  # fmt: skip
                found.append(f"{key} has {name} at another epoch")
    return found


def digest_of(folder: Path, here: Path) -> dict[str, str]:
    """Each file of a folder by its content, without the path of the case."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha1(
            path.read_bytes().replace(str(here).encode(), b"{here}")
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fill(here: Path, runs: Path, operation: Operation) -> None:
    """The folder in which the commands of a case are typed."""
    here.mkdir(parents=True)
    (here / "text.txt").write_text(TEXT, encoding="utf-8")
    if "resumed" in str(operation.do):
        shutil.copytree(runs / "first", here / "resumed")


def at(value: Any, here: Path, runs: Path) -> Any:
    """`value` with the names of folders in place of {here} and {runs}."""
    text = json.dumps(value)
    return json.loads(text.replace("{here}", str(here)).replace("{runs}", str(runs)))
