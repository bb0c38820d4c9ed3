"""What a model's weights have read before: the models that its training began with or learned from, nearest first."""

from __future__ import annotations

import os.path
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from hubcharlstm import CharLSTM
from hubcharlstm.hub.messages import TOKEN
from hubcharlstm.hub.training_record import REPO_ID, valid_ancestors

SHIPPED = "the model that ships with hubcharlstm"


def ancestors_of(model: CharLSTM, typed: str | None) -> list[dict[str, Any]]:
    """The entry "ancestors" of a run that begins with `model`: it, then its own. typed: None for the shipped model.

    An entry has a name, and where known the title of the text and how many characters of it were trained on. A folder
    goes by the name that its record has, never by its path.
    """
    corpus = model.record.get("corpus")
    corpus = corpus if isinstance(corpus, Mapping) else {}
    entry: dict[str, Any] = {"name": _public_name(model, typed)}
    if isinstance(title := corpus.get("title"), str):
        entry["title"] = title
    if isinstance(count := corpus.get("train_chars"), int):
        entry["train_chars"] = count
    return [entry, *valid_ancestors(model.record.get("ancestors"))]


def teachers_of(model: CharLSTM) -> list[dict[str, Any]]:
    """The models whose guesses `model` learned from, with what those had begun with; the form is that of ancestors."""
    return valid_ancestors(model.record.get("teachers"))


def distinct(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each entry once, in the order in which they first come: models of one text and name have read the same."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        if entry not in found:
            found.append(entry)
    return found


def _public_name(model: CharLSTM, typed: str | None) -> str:
    if typed is None:
        return SHIPPED
    if not Path(typed).expanduser().exists() and REPO_ID.fullmatch(model.name):
        return model.name
    recorded = model.record.get("name")
    return recorded if isinstance(recorded, str) else Path(typed).name


def hub_id(ancestors: list[dict[str, Any]]) -> str | None:
    """The Hub id of the nearest ancestor, if it has one."""
    name = ancestors[0]["name"] if ancestors else ""
    return name if REPO_ID.fullmatch(name) else None


SEPARATOR = re.compile(r"[=,;]")


def public_command(command: str) -> str:
    """A command line without the paths of one's machine, without passwords and tokens.

    Of a path only the last part stays, but for relative ones.
    """
    try:
        parts = shlex.split(command)
    except ValueError:  # written by hand into run.json
        return ""
    return shlex.join(_public(part) for part in parts)


def _public(part: str) -> str:
    part = re.sub(r"(?<=://)[^/\s]*@", "", TOKEN.sub("hf_...", part))
    if found := SEPARATOR.search(part.partition("://")[0]):
        return "".join((_public(part[: found.start()]), found[0], _public(part[found.end() :])))
    if re.match(r"file:", part, re.IGNORECASE):
        return PureWindowsPath(part).name
    if "://" in part:
        return part.partition("#")[0].partition("?")[0]
    place = os.path.normpath(part) if "/" in part else part  # ./../home is ../home
    if place.startswith(("/", "~", "..")) or PureWindowsPath(part).drive or "\\" in part:
        return PureWindowsPath(place).name or "."
    return part
