"""Texts of other machines -> files in the cache: https://... and hf://datasets/USER/NAME[@REVISION][/FILE].

The only part of `training` below publishing that talks to the network. A download that broke off goes on where it
stopped, as long as the source is the same: by its ETag, or by the hash that the Hub lists.
"""

from __future__ import annotations

from pathlib import Path

from training.data.remote import hub_dataset, web_file
from training.data.remote.names import WebFile, is_remote, parse

__all__ = ["fetch", "is_remote", "pinned", "title_of"]


def pinned(source: str) -> str:
    """The source as it is now: a dataset at its commit, so that a run that is resumed finds the same text.

    Raises `ValueError` for a name that is none, and for a dataset that the Hub does not show.
    """
    place = parse(source)
    return source if isinstance(place, WebFile) else hub_dataset.pinned(place, source)


def fetch(source: str) -> Path:
    """The file or folder in the cache that holds the text of `source`, downloaded where it is missing or has changed.

    Raises `ValueError` where it cannot be fetched and no whole copy is there.
    """
    place = parse(source)
    return web_file.fetch(place) if isinstance(place, WebFile) else hub_dataset.fetch(place, source)


def title_of(source: str) -> str:
    """What a source is called: the name of its file, or of the dataset."""
    return parse(source).title
