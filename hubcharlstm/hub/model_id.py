"""What people type for a model of the Hub: an id, an id with a revision, the URL of its page."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants

from hubcharlstm.arguments import MAX_SHOWN
from hubcharlstm.errors import HubError
from hubcharlstm.vocabulary import shorten

HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co")
PAGES = ("tree", "blob", "resolve", "commit", "commits", "raw")
OTHER_KINDS = {"spaces": "a Space", "datasets": "a dataset", "collections": "a collection", "papers": "a paper"}
ID_AT_REVISION = re.compile(r"(?P<id>[^@\s]+/[^@\s]+)@(?P<revision>\S+)")


def parse_model_id(typed: str, revision: str | None = None) -> tuple[str, str | None]:
    """The id and the revision that `typed` names, without spaces and slashes around it.

    Raises `HubError` for the page of something else than a model, and where two different revisions are given.
    """
    text = typed.strip()
    path = _path_of_url(text)
    if path is None:
        model_id, found = text.strip("/"), None
        if text.startswith("/") and model_id.count("/") != 1:
            model_id = text  # a path of this machine
        if match := ID_AT_REVISION.fullmatch(model_id):
            model_id, found = match["id"], match["revision"]
    else:
        model_id, found = _of_page(path, typed)
    if found is not None and revision is not None and found != revision:
        raise HubError(
            f"{_quoted(text)} names the revision {found!r} and {revision!r} is given, too; expected one: leave one out."
        )
    return model_id, revision if found is None else found


def parse_space_id(typed: str) -> str:
    """The id of the Space that `typed` names: an id, or the URL of its page.

    Raises `HubError` for the page of something else.
    """
    text = typed.strip()
    path = _path_of_url(text)
    parts = [part for part in (text if path is None else path).split("/") if part]
    if parts[:1] == ["spaces"]:
        return "/".join(parts[1:3])
    if path is not None:
        raise HubError(f"{_quoted(text)} is not the page of a Space; expected one: give its id, such as user/space.")
    return "/".join(parts)


def _quoted(typed: str) -> str:
    """What was typed, for a message: on one line, shortened."""
    return shorten(" ".join(typed.split()), MAX_SHOWN)


def _path_of_url(text: str) -> str | None:
    """The path of a URL of the Hub, also one without its scheme; None for anything else."""
    if text.startswith("hf://"):
        return text.removeprefix("hf://").removeprefix("models/")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:  # such as a bracket that nothing closes
        return None
    if parts.password is not None or (parts.username is not None and "://" in text):
        raise HubError(
            f"The address of {parts.hostname} holds a name or a password; expected one without: leave it out, and log "
            "in with `hf auth login`."
        )
    hosts = (*HOSTS, urlsplit(constants.ENDPOINT).netloc)
    return parts.path if parts.netloc.lower() in hosts else None


def _of_page(path: str, typed: str) -> tuple[str, str | None]:
    parts = [unquote(part) for part in path.split("/") if part]
    if parts and parts[0] in OTHER_KINDS:
        raise HubError(
            f"{_quoted(typed)} is the page of {OTHER_KINDS[parts[0]]}; expected that of a model: "
            "give its id, such as user/model."
        )
    if parts[:1] == ["models"]:
        del parts[0]
    model_id, rest = "/".join(parts[:2]), parts[2:]
    if "@" in model_id:
        model_id, _, revision = model_id.partition("@")
        return model_id, revision
    return model_id, rest[1] if len(rest) > 1 and rest[0] in PAGES else None
