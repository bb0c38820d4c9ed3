"""Training as a Hugging Face Job: sent, followed, cancelled, and its run brought back.

The client ships the wheel as a local file and mounts it at /data. The texts and the run itself lie in a private
dataset of one's own, which the Job mounts and writes to with the token that it gets as a secret.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shlex
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from huggingface_hub import HfApi, Volume, constants, get_token

from hubcharlstm.errors import HubError
from hubcharlstm.hub import upload
from hubcharlstm.hub.atomic import make_folder, replace_file
from hubcharlstm.hub.json_files import load_json
from hubcharlstm.hub.messages import reason, to_hub_error
from hubcharlstm.hub.retry import CLIENT_ERRORS, call_with_deadline, checked_answers, is_transient, with_retries
from training.job_files import KIND, fetch_run, relocate, store_run
from training.job_log import log_lines
from training.job_request import CORPUS_MOUNT, TIMEOUTS, JobRequest, run_there, timeout_seconds
from training.job_worker import WORDS_VARIABLE
from training.publishing.wheel import NAME, pins, write_wheel
from training.run_folder import TICKET, is_finished, resume_command, run_lock, training_command
from training.run_settings import RUN_JSON
from training.tracking import run_name

T = TypeVar("T")
PYTHON = "3.11"
EXTRAS = ("train", "data")
"""Of the library in a Job, where nobody can install what a Parquet or a zstd file needs."""
FLAVOR = "cpu-basic"
OWN = "YOU"
"""Shown for the account in a dry run without a token."""
ENDED = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
STORE_SHARE, STORE_SECONDS = 0.1, 300
"""Of its time a Job spends the last tenth, five minutes at most, on stopping, the report and storing the run."""
ANSWER_SECONDS = 30.0
CANCEL_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between looks at a Job that was cancelled."""


class NothingStoredError(HubError):
    """A Job has ended, and its repository holds no run of it."""


@dataclass(frozen=True)
class JobTicket:
    """job.json of a run folder: the Job, its repository, and where this machine has the texts. It holds no secret."""

    job: str
    namespace: str
    url: str
    repository: str
    corpus: str
    val: str | None
    arguments: tuple[str, ...]

    def save(self, run: Path) -> None:
        """Write `run`/job.json atomically; creates the folder."""
        make_folder(run)
        replace_file(run / TICKET, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, run: Path) -> JobTicket:
        """Of a run folder; raises `ValueError` if no Job belongs to it."""
        if not (run / TICKET).is_file():
            raise ValueError(
                f"{run} belongs to no Job (it has no {TICKET}); expected the folder of one: check the path, or start a "
                "Job by `job -- fit ...`."
            )
        data = load_json(run / TICKET)
        try:
            ticket = cls(**{**data, "arguments": tuple(data["arguments"])})
        except (TypeError, KeyError) as error:
            raise ValueError(
                f"{run / TICKET} is damaged ({error}); expected what `job` wrote there: restore a copy."
            ) from None
        return ticket


# --- send --------------------------------------------------------------------------------------------------------


def arguments_of(
    request: JobRequest, *, wheel: Path, repository: str, flavor: str | None, timeout: str | None, commit: str | None
) -> dict[str, Any]:
    """The arguments of `HfApi.run_uv_job`, without its secrets; commit: of the uploaded texts, None before.

    The command travels as an environment variable: of the script's arguments the client uploads each that names a file
    here, and refuses each with an ending such as .py that does not.
    """
    seconds = timeout_seconds(timeout or TIMEOUTS[request.preset])
    corpus, val = request.mounted
    words = [
        "--repository", repository, "--run", run_there(request.run),
        "--corpus", str(corpus), *(["--val", val] if val else []),
        "--seconds", str(seconds - min(STORE_SECONDS, int(seconds * STORE_SHARE))), "--", *request.words,
    ]  # fmt: skip
    mounted = f"{constants.HF_JOBS_ARTIFACTS_MOUNT_PATH}/{wheel.name}"
    volume = Volume(
        type=KIND, source=repository, mount_path=str(CORPUS_MOUNT), path="corpus", revision=commit, read_only=True
    )
    return {
        "script": "python",
        "script_args": ["-m", "training.job_worker", wheel.name],
        "dependencies": [f"{NAME}[{','.join(EXTRAS)}] @ file://{mounted}", *pins(*EXTRAS)],
        "python": PYTHON,
        "flavor": flavor or FLAVOR,
        "timeout": seconds,
        "env": {WORDS_VARIABLE: shlex.join(words), "PYTHONUNBUFFERED": "1"},
        "name": re.sub(r"[^A-Za-z0-9_-]", "-", f"{NAME}-{PurePosixPath(run_there(request.run)).name}"),
        "volumes": [volume] if request.uploads else None,
    }


def describe(request: JobRequest, *, flavor: str | None, timeout: str | None, namespace: str | None) -> dict[str, Any]:
    """What `start` would send, as JSON values; nothing is sent, and the token is named but not shown."""
    account = namespace or OWN
    with tempfile.TemporaryDirectory() as temporary:
        wheel = write_wheel(Path(temporary))
        size = wheel.stat().st_size
    arguments = arguments_of(
        request, wheel=Path(wheel.name), repository=f"{account}/{_repository_name(request.run)}", flavor=flavor,
        timeout=timeout, commit=None,
    )  # fmt: skip
    volumes = [volume.to_dict() for volume in arguments["volumes"] or ()]
    files = {path: file.stat().st_size for one in request.uploads for path, file in one.files.items()}
    return {
        **arguments, "volumes": volumes, "secrets": ["HF_TOKEN"], "namespace": account,
        "wheel": {"name": wheel.name, "bytes": size}, "uploads": files,
    }  # fmt: skip


def start(request: JobRequest, *, flavor: str | None, timeout: str | None, namespace: str | None) -> JobTicket:
    """Upload what the Job needs, start it and write its ticket into the run folder.

    Raises `ValueError` if the Hub refuses, or if a Job has this run already.
    """
    timeout_seconds(timeout or TIMEOUTS[request.preset])  # raises before anything is sent
    old = JobTicket.load(request.run) if (request.run / TICKET).is_file() else None
    if old and stage_of(old) not in ENDED:
        raise ValueError(f"The Job of {request.run} has not ended ({old.url}); expected its end: wait, or cancel it.")
    token = get_token()
    name = f"{_repository_name(request.run)}-{secrets.token_hex(3)}"
    repository = upload.check_account(old.repository if old else f"{namespace}/{name}" if namespace else name)
    namespace = namespace or repository.partition("/")[0]
    upload.create_repository(repository, private=True, repo_type=KIND)
    if not upload.is_private(repository, repo_type=KIND):
        raise ValueError(f"The dataset {repository} is public; expected a private one for the run: make it private.")
    files = {path: file for one in request.uploads for path, file in one.files.items()}
    if files:
        print(f"Uploading the corpus to the private dataset {repository} ...", flush=True)
    pushed = upload.push_files(
        repository, files, is_owned=lambda path: path.startswith("corpus/"), commit_message="Store the corpus",
        repo_type=KIND,
    )  # fmt: skip
    if not request.is_new:
        with run_lock(request.run):
            store_run(request.run, repository)
    with tempfile.TemporaryDirectory() as temporary:
        arguments = arguments_of(
            request, wheel=write_wheel(Path(temporary)), repository=repository, flavor=flavor, timeout=timeout,
            commit=pushed.commit,
        )  # fmt: skip
        # In a folder where the wheel is the only file that an argument can name. The client warns that Jobs are new.
        with contextlib.chdir(temporary), warnings.catch_warnings(action="ignore", category=UserWarning):
            try:
                job = _submit(arguments, token, namespace)
            except HubError:
                print(f"note: what was uploaded stays in the private dataset {repository}, which you may delete")
                raise
    corpus, val = request.texts
    ticket = JobTicket(job.id, namespace, job.url, repository, str(corpus), val, request.words)
    ticket.save(request.run)
    hours = arguments["timeout"] / 3600
    print(f"Started {job.url} on {arguments['flavor']}; it ends after {hours:.3g} hours at the latest.", flush=True)
    return ticket


def _submit(arguments: dict[str, Any], token: str | None, namespace: str) -> Any:
    """Start the Job. Where the answer is lost it may have started all the same: it is found by its label."""
    api, name, label = HfApi(), f"a Job for {namespace}", {"submission": secrets.token_hex(8)}
    submit = partial(api.run_uv_job, **arguments, labels=label, secrets={"HF_TOKEN": token}, namespace=namespace)
    try:
        return _ask(lambda: call_with_deadline(float("inf"), submit), name, "start")
    except HubError as error:
        if error.__cause__ is None or not is_transient(error.__cause__):
            raise
        try:
            sent = _ask(lambda: with_retries(lambda: list(api.list_jobs(labels=label, namespace=namespace)),
                                             pauses=upload.PAUSES), name, "show")  # fmt: skip
        except HubError:
            raise HubError(
                f"The Hub's answer about {name} was lost ({reason(error.__cause__)}), so that it may have started; "
                "expected an answer: look at the Jobs in your settings there before you send it again."
            ) from error
        if not sent:
            raise
        return sent[0]


def _repository_name(run: Path) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{NAME}-{run_name(run)}")[:80].strip("-")


# --- follow ------------------------------------------------------------------------------------------------------


def follow(ticket: JobTicket, run: Path) -> int:
    """Print the Job's log to its end and bring the run back; returns the exit code. Ctrl-C lets the Job go on."""
    token = get_token()
    try:
        printed = _ask(lambda: _print_log(ticket, token), f"the log of {ticket.url}", "give")
        stage = _ask(
            lambda: HfApi().wait_for_job(ticket.job, namespace=ticket.namespace).status, ticket.url, "describe"
        )
        _print_end_of_log(ticket, token, start=printed)
    except KeyboardInterrupt:
        print(f"\nThe Job goes on at {ticket.url}.\n{again_lines(run)}")
        return 130
    except HubError as error:
        if is_transient(error):
            print(f"note: the Job may go on at {ticket.url}.\n{again_lines(run)}", flush=True)
        raise
    return finish(ticket, run, stage.stage, stage.message)


def _print_end_of_log(ticket: JobTicket, token: str | None, *, start: int) -> None:
    """The client reads no further where the stream has broken off and the Job ends before it asks again."""
    try:
        _ask(lambda: _print_log(ticket, token, start=start, follow=False), f"the log of {ticket.url}", "give")
    except HubError as error:  # lines are missing then, and the run is there all the same
        print(f"note: {error}", flush=True)


def finish(ticket: JobTicket, run: Path, stage: str, message: str | None = None) -> int:
    """Bring the run of a Job that has ended here; returns the exit code."""
    reason = f" ({_printable(message)})" if message else ""
    found = fetch_run(ticket.repository, run)
    if found and (run / RUN_JSON).is_file():
        relocate(run, ticket.corpus, ticket.val)
    if found and is_finished(run):
        print(f"The Job has ended{reason}; its model is in {run / 'model'}.")
        return 0
    state = "ended before its training did" if stage == "COMPLETED" else f"has the stage {stage}"
    if not found or not (run / RUN_JSON).is_file():
        raise NothingStoredError(
            f"The Job {ticket.url} {state}{reason}, and no run is stored; expected a trained model: see its log there."
        )
    print(
        f"The Job {state}{reason}. The run goes on here by  {resume_command(run)}\n"
        f"or as another Job by  {training_command()} job -- resume {run}"
    )
    return 0 if stage == "COMPLETED" else 2


def again_lines(run: Path) -> str:
    """The commands for a Job that goes on."""
    command = f"{training_command()} job {run}"
    return f"Follow it again, and get its model:  {command}\nEnd it:  {command} --cancel"


def stage_of(ticket: JobTicket) -> str:
    """The stage of the Job, such as RUNNING or COMPLETED."""
    call = partial(HfApi().inspect_job, job_id=ticket.job, namespace=ticket.namespace)
    return str(_ask(lambda: with_retries(partial(call_with_deadline, ANSWER_SECONDS, call), pauses=upload.PAUSES),
                    ticket.url, "describe").status.stage)  # fmt: skip


def cancel(ticket: JobTicket) -> None:
    """End the Job; what it has stored stays in its repository. Raises `HubError` for one that goes on all the same."""
    call = partial(HfApi().cancel_job, job_id=ticket.job, namespace=ticket.namespace)
    _ask(lambda: call_with_deadline(ANSWER_SECONDS, call), ticket.url, "cancel")
    for pause in CANCEL_PAUSES:
        if (stage := stage_of(ticket)) in ENDED:
            return
        time.sleep(pause)
    raise HubError(
        f"The Job {ticket.url} was cancelled and has the stage {stage} still; expected its end: look at its page, or "
        "cancel it again in a minute."
    )


def _ask(call: Callable[[], T], name: str, verb: str) -> T:
    try:
        with checked_answers():
            return call()
    except HubError:
        raise
    except CLIENT_ERRORS as error:
        raise to_hub_error(error, name, verb) from error


def _print_log(ticket: JobTicket, token: str | None, *, start: int = 0, follow: bool = True) -> int:
    """Print the log from line `start` on, to the Job's end if to `follow`; returns the number of lines so far."""
    count = 0
    lines: Iterable[str]
    if follow:
        lines = log_lines(ticket.job, ticket.namespace, lambda: stage_of(ticket) in ENDED, quiet_seconds=ANSWER_SECONDS)
    else:
        lines = HfApi().fetch_job_logs(job_id=ticket.job, namespace=ticket.namespace)
    for line in lines:
        count += 1
        if count > start:
            print(_printable(line.replace(token, "hf_...") if token else line), flush=True)
    return max(start, count)


def _printable(text: str) -> str:
    """Without what could move a terminal's cursor."""
    return "".join(char for char in text.rstrip("\n") if char.isprintable() or char == "\t")
