"""Every operation on the Hub, with each kind of fault at each of its requests: what may come of it, and the check.

The repository is the old one or the new one as a whole, the error is one sentence, time is bounded, and the same
operation without the fault succeeds.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.forking_client import KILLED, LIMIT_SECONDS
from tests.support.hub_client import Client
from tests.support.hub_operations import (
    OPERATIONS,
    HubState,
    Operation,
    at,
    described,
    digest_of,
    fill,
    half_done,
)
from tests.support.hub_server import OWNER_TOKEN, Hub
from tests.support.leaks import places_of
from tests.support.training_cli import TEXT, TINY

PROGRAM = Path(__file__).with_name("forking_client.py")
MAX_SECONDS = 40.0
"""Of a command with some ten requests, each with deadlines of some seconds."""
ALWAYS = 999
FAULTS: dict[str, dict[str, Any]] = {
    "500 once": {"status": 500},
    "500": {"status": 500, "times": ALWAYS},
    "503 for an hour": {"status": 503, "times": ALWAYS, "headers": {"Retry-After": "3600"}},
    "429 once": {"status": 429, "headers": {"Retry-After": "1"}},
    "429 for an hour": {"status": 429, "times": ALWAYS, "headers": {"Retry-After": "3600"}},
    "400": {"status": 400, "times": ALWAYS},
    "401": {"status": 401, "times": ALWAYS},
    "403": {"status": 403, "times": ALWAYS},
    "404": {"status": 404, "times": ALWAYS},
    "409": {"status": 409, "times": ALWAYS},
    "412 once": {"status": 412},
    "another JSON": {"status": 200, "times": ALWAYS},
    "a page once": {"kind": "page"},
    "a page": {"kind": "page", "times": ALWAYS},
    "slow": {"kind": "slow", "seconds": 0.4},
    "cut once": {"kind": "cut"},
    "cut": {"kind": "cut", "times": ALWAYS},
    "reset once": {"kind": "reset"},
    "reset": {"kind": "reset", "times": ALWAYS},
    "lost once": {"kind": "lost"},
    "lost": {"kind": "lost", "times": ALWAYS},
    "drop once": {"kind": "drop"},
    "drop": {"kind": "drop", "times": ALWAYS},
    "stall once": {"kind": "stall", "seconds": 8.0},
    "stall": {"kind": "stall", "seconds": 8.0, "times": ALWAYS},
    "flip once": {"kind": "flip"},
}
SLOW = ("stall", "stall once")


@dataclass(frozen=True)
class Case:
    """A fault at a request of an operation: the request after `number` others of the same method and pattern."""

    operation: str
    method: str
    pattern: str
    number: int
    fault: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.fault} at {self.method} {self.pattern} ({self.number})"


@dataclass(frozen=True)
class Recording:
    """A good run: the Hub before and after it, the folder before it, what it returned, and its requests."""

    before: HubState
    after: HubState
    folder: Path
    outcome: dict[str, Any]
    requests: tuple[tuple[str, str], ...]
    digest: dict[str, str]


class FaultGrid:
    """A Hub, a client, a folder with two runs, and the recordings of the operations."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.hub = Hub().__enter__()
        self.client = Client(self.hub.url, folder / "home", PROGRAM, OMP_NUM_THREADS="1")
        self.recordings: dict[str, Recording] = {}
        self.count = 0

    def __enter__(self) -> Self:
        self.runs.mkdir()
        (self.runs / "text.txt").write_text(TEXT, encoding="utf-8")
        options = " ".join([*TINY, "--max-train-chars 4000 --keep-epochs 2"])
        for name, seed in (("first", 1), ("second", 2)):
            done = self.client.call("train", f"fit text.txt --out {name} --seed {seed} {options}", str(self.runs))
            assert done["code"] == 0 and (self.runs / name / "epochs").is_dir(), done
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.close()
        self.hub.__exit__()

    def run(self, operation: Operation | Any, here: Path, **options: Any) -> dict[str, Any]:
        name, args, kwargs = at(operation, here, self.runs)
        return self.client.outcome(name, *args, here=str(here), **kwargs, **options)

    def record(self, operation: Operation) -> Recording:
        """Carry an operation out without faults, once."""
        if operation.name in self.recordings:
            return self.recordings[operation.name]
        HubState({}, {}, {}, {}, None).restore(self.hub)
        folder = self.folder / "before" / operation.name.replace(" ", "-")
        fill(folder, self.runs, operation)
        for call in operation.before:
            done = self.run(call, folder)
            assert is_good(done), (operation.name, call, done)
        if operation.change is not None:
            operation.change(self.hub, self.runs)
        before = HubState.of(self.hub)
        here = self.copied(folder)
        self.hub.requests.clear()
        outcome = self.run(operation.do, here)
        assert is_good(outcome), (operation.name, outcome)
        requests = tuple(self.hub.requests)
        digest = digest_of(here / operation.folder, here) if operation.folder else {}
        recording = Recording(before, HubState.of(self.hub), folder, outcome, requests, digest)
        self.recordings[operation.name] = recording
        return recording

    def copied(self, folder: Path) -> Path:
        self.count += 1
        here = self.folder / f"case-{self.count}"
        shutil.copytree(folder, here, symlinks=True)
        return here

    def cases(self, beginning: str = "") -> Iterator[Case]:
        """All cases whose names begin like this, operation by operation."""
        for operation in OPERATIONS:
            if not (beginning.startswith(f"{operation.name}:") or operation.name.startswith(beginning)):
                continue
            counts: dict[tuple[str, str], int] = {}
            for method, path in self.record(operation).requests:
                key = method, pattern_of(path)
                number = counts[key] = counts.get(key, -1) + 1
                cases = [Case(operation.name, *key, number, fault) for fault in FAULTS]
                yield from (case for case in cases if str(case).startswith(beginning))

    def check(self, case: Case) -> tuple[str, list[str]]:
        """Carry a case out: what came of it, and what is wrong with that."""
        operation = next(one for one in OPERATIONS if one.name == case.operation)
        with self._fresh(operation) as (recording, here):
            how = FAULTS[case.fault]
            fault = self.hub.fail(case.method, f"^{case.pattern}$", skip=case.number, **how)
            outcome = self.run(operation.do, here, hasty=True)
            wrong = wrong_answers(outcome) + self._wrong_effects(operation, recording, here, outcome)
            is_met = bool(fault.happened)
        return ("succeeds" if is_good(outcome) else "refused") if is_met else "without the request", wrong

    def kill(self, operation: Operation, share: float) -> tuple[str, list[str]]:
        """Kill an operation after a share of the time that it takes: what came of it, and what is wrong with that."""
        with self._fresh(operation) as (recording, here):
            outcome = self.run(operation.do, here, kill_after=share * recording.outcome["seconds"])
            wrong = self._wrong_effects(operation, recording, here, outcome)
        return "killed" if outcome.get("error") == KILLED else "ended before", wrong

    @contextmanager
    def _fresh(self, operation: Operation) -> Iterator[tuple[Recording, Path]]:
        """The Hub and a folder as before the operation."""
        recording = self.record(operation)
        recording.before.restore(self.hub)
        here = self.copied(recording.folder)
        try:
            yield recording, here
        finally:
            shutil.rmtree(here, ignore_errors=True)

    def _wrong_effects(
        self, operation: Operation, recording: Recording, here: Path, outcome: dict[str, Any]
    ) -> list[str]:
        """What an operation should not have done, and what goes wrong when it is repeated without a fault."""
        after = HubState.of(self.hub)
        self.hub.faults.clear()
        wrong = [f"the token stands in {place}" for place in places_of(OWNER_TOKEN, outcome, here, self.hub)]
        wrong += half_done(recording.before, after, recording.after)
        if operation.is_pull:
            wrong += self._wrong_cache(operation, recording, here, outcome)
        elif is_good(outcome) and described(after) != described(recording.after):
            wrong.append("it succeeds, and the Hub is not as it should be")
        again = self.run(operation.do, here)
        final = HubState.of(self.hub)
        is_there = operation.sends_job and is_good(outcome)
        if is_good(again) == is_there:  # a Job that was sent is not sent a second time
            wrong.append(f"repeated it {'succeeds' if is_there else 'fails'}: {again.get('error') or again.get('err')}")
        if described(final) != described(recording.after):
            wrong.append("repeated it leaves another Hub")
        wrong += [
            f"{key} has {len(repo.commits)} commits instead of {len(recording.after.repos[key].commits)}"
            for key, repo in final.repos.items()
            if key in recording.after.repos and len(repo.commits) > len(recording.after.repos[key].commits)
        ]
        if operation.is_pull and again.get("fingerprint") != recording.outcome["fingerprint"]:
            wrong.append("repeated it loads another model")
        if operation.folder and digest_of(here / operation.folder, here) != recording.digest:
            wrong.append("repeated it leaves another folder")
        return wrong

    def _wrong_cache(
        self, operation: Operation, recording: Recording, here: Path, outcome: dict[str, Any]
    ) -> list[str]:
        """What the cache gives without a connection: a whole model, the old one or the new one."""
        name, args, kwargs = operation.do
        offline = self.run((name, args, {**kwargs, "local_files_only": True}), here)
        new = recording.outcome["fingerprint"]
        if "error" in offline:
            is_refused = "HubError" in offline["kinds"] and len(operation.before) == 1 and not is_good(outcome)
            return [] if is_refused else [f"the cache fails: {offline['error']}"]
        if offline["fingerprint"] == new:
            return []
        is_old = len(operation.before) > 1
        if is_old and is_good(outcome) and outcome["fingerprint"] == offline["fingerprint"]:
            return [] if outcome["warned"] else ["an old copy serves without a warning"]
        return [] if is_old and not is_good(outcome) else ["the cache holds another model"]


def pattern_of(path: str) -> str:
    """A path as a pattern: a commit and a hash are others in each run."""
    return re.sub(r"[0-9a-f]{20,}", "[0-9a-f]+", re.escape(path))


def is_good(outcome: dict[str, Any]) -> bool:
    return "error" not in outcome and outcome.get("code", 0) == 0


def wrong_answers(outcome: dict[str, Any]) -> list[str]:
    """What an outcome should not be: anything but success or one sentence, in a bounded time."""
    wrong = [f"it takes {outcome['seconds']:.0f} s"] if outcome["seconds"] > MAX_SECONDS else []
    if "error" in outcome:
        message = outcome["error"]
        if not {"HubError", "NotAModelError"} & set(outcome["kinds"]):
            wrong.append(f"{outcome['kinds'][0]}: {message}")
    elif "code" in outcome:
        shown = outcome["err"]
        lines = [line for line in shown.splitlines() if line.startswith("error: ")]
        if "Traceback" in shown or (outcome["code"] != 0) != (len(lines) == 1) or outcome["code"] not in (0, 2):
            wrong.append(f"code {outcome['code']}: {shown[-300:]}")
        message = lines[0] if lines else ""
    else:
        message = ""
    if "\n" in message or (message and not message.endswith(".")):
        wrong.append(f"no sentence: {message!r}")
    return wrong


assert LIMIT_SECONDS > MAX_SECONDS
