"""Publishes a finished model: to whose account, what would become public, the push."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from starlette.requests import HTTPConnection

from hubcharlstm import HubError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.hub import upload
from hubcharlstm.hub.messages import public_endpoint
from hubcharlstm.hub.model_folder import GENERATION, RECORD
from hubcharlstm.model import CharLSTM
from hubcharlstm.vocabulary import normalize

LICENSES = ("", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "mit", "apache-2.0", "other")
MIN_LINE = 12
"""Characters of a line that is told apart: shorter ones occur in any text."""
MIN_PASSAGE = 40
"""Characters of a passage within a line that nobody writes twice by chance."""
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")
"""Headers of a proxy, behind which any machine may be."""


@dataclass(frozen=True)
class Account:
    """An account of the Hub. token: None for that of `hf auth login`, which is at home only."""

    name: str = ""
    token: str | None = field(default=None, repr=False)


HOME = Account()
"""Whoever has logged in to the Hub on this machine."""


def is_at_home(connection: HTTPConnection, environment: Mapping[str, str]) -> bool:
    """Whether a request comes from a browser on this very machine, whose owner has logged in to the Hub.

    Not on a Space. A share link and a proxy connect from this machine, too, but name another host, or who they forward.
    """
    if environment.get("SPACE_ID") or environment.get("GRADIO_ROOT_PATH"):
        return False
    host = connection.headers.get("host", "").rpartition(":")[0] or connection.headers.get("host", "")
    client = connection.client.host if connection.client is not None else ""
    is_forwarded = any(name in connection.headers for name in FORWARDED)
    return is_loopback(client) and (host == "localhost" or is_loopback(host.strip("[]"))) and not is_forwarded


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def public_parts(folder: Path, text: str) -> dict[str, list[str]]:
    """What of a text everybody would see with its model: its name, examples, speakers, and what samples repeat."""
    generation, record = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (GENERATION, RECORD))
    written = [f"{one.get('prompt', '')}{one.get('text', '')}" for one in record.get("samples", [])]
    written += [f"{record.get('time_lapse_prompt', '')}{one.get('text', '')}" for one in record.get("time_lapse", [])]
    title = record.get("corpus", {}).get("title")
    learned = normalize(text, lowercase=record.get("recipe", {}).get("lowercase", False))
    return {
        "titles": [title] if title else [],
        "examples": list(generation.get("examples") or []),
        "speakers": list(generation.get("speakers") or []),
        "lines": repeated_lines(written, learned),
    }


def repeated_lines(written: Iterable[str], text: str) -> list[str]:
    """The lines of samples that are lines of `text`, and the long passages of other lines that stand in it."""
    lines = [line.strip() for one in written for line in one.split("\n")]
    known = {line.strip() for line in text.split("\n")}
    repeated = {window for line in lines for window in windows_of(line)}.intersection(windows_of(text))
    found: list[str] = []
    for line in lines:
        if line in known:
            found += [line] if len(line) >= MIN_LINE else []
            continue
        places = [at for at, window in enumerate(windows_of(line)) if window in repeated]
        for _, passage in groupby(enumerate(places), lambda numbered: numbered[1] - numbered[0]):
            run = [at for _, at in passage]
            found.append(line[run[0] : run[-1] + MIN_PASSAGE].strip())
    return list(dict.fromkeys(found))


def windows_of(text: str) -> Iterator[str]:
    """Every run of `MIN_PASSAGE` characters, in order."""
    return (text[at : at + MIN_PASSAGE] for at in range(len(text) - MIN_PASSAGE + 1))


def check_name(value: object) -> str:
    """Return the name of a new model below the visitor's own account; raise `UserError` otherwise."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,80}[A-Za-z0-9])?", value):
        raise UserError(sentence("make.name_invalid"))
    return value


def check_license(value: object) -> str:
    """Return one of `LICENSES`; raise `UserError` for anything else."""
    if value not in LICENSES:
        raise UserError(sentence("make.license_invalid", licenses=list(filter(None, LICENSES))))
    return str(value)


def publish(folder: Path, name: str, account: Account, *, license_name: str, private: bool) -> dict[str, Any]:
    """Push the model of a folder to an account; returns its address, how to load it and how to give it a Space.

    Raises `ValueError` if nobody is logged in, the Hub refuses, or a private model would go where everybody sees it.
    """
    if constants.HF_HUB_OFFLINE:
        raise UserError(sentence("make.hub_offline"))
    model = CharLSTM.from_pretrained(str(folder), device="cpu")
    if license_name:
        model.record = {**model.record, "card": {**model.record.get("card", {}), "license": license_name}}
    try:
        repo_id = upload.create_repository(name, private=private, token=account.token)
        if private and not upload.is_private(repo_id, token=account.token):  # it was there before
            raise UserError(sentence("make.is_public", name=repo_id))
        url = model.push_to_hub(
            repo_id, private=private, token=account.token, commit_message="Upload a model made on the page"
        )
    except HubError as error:
        if account is HOME or not is_forbidden(error):
            raise
        raise UserError(sentence("make.push_forbidden", name=f"{account.name}/{name}")) from error
    page = url.rpartition("/commit/")[0]
    here = os.environ.get("SPACE_ID", "")
    return {
        "url": page,
        "repo_id": repo_id,
        "private": private,
        "python": ["from hubcharlstm import CharLSTM", f'model = CharLSTM.from_pretrained("{repo_id}")'],
        "space": f"python -m training space {repo_id.partition('/')[0]}/chat-with-{name} --model {repo_id}",
        "duplicate": f"{public_endpoint()}/spaces/{here}?duplicate=true" if here else "",
    }


def is_forbidden(error: HubError) -> bool:
    """Whether the Hub has refused what a sign-in may not do or see: its own message speaks of `hf auth login`."""
    cause = error.__cause__
    return isinstance(cause, HfHubHTTPError) and cause.response.status_code in (401, 403, 404)
